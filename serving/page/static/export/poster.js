// The reading as one picture, made of what is on the screen: its texts, numbers, colours and
// cells. Everything is vectors and text, so that it stays sharp and can be edited.

import { cells, hairlines, hatching, label, lines, rect, strokes, svg } from "./svg.js";

const LEAST = 1200;
const UNDER = 136; // a reading's rows: its footers and scales, and the margin
const PNG_SCALE = 2;

/** The reading, and the compared network's below it, as the text of an SVG file. */
export function toSvg(app) {
  const { root } = app;
  const colour = colours(root);
  const first = reading(app, root.querySelector(".reading"), MARGIN + HEAD + 84, colour);
  const scales = legend(root.querySelector(".legend"), first.bottom + 74, colour);
  const second = root.querySelector(".comparison");
  const isCompared = second.offsetParent && !second.matches(".stale");
  const below = isCompared ? compared(app, second, first, colour) : first;
  const right = Math.max(first.right, below.right, LEAST - MARGIN);
  const parts = [first.text, head(app, right, colour), scales];
  if (isCompared) {
    const y = first.bottom + UNDER;
    parts.push(rect({ x: MARGIN, y, width: right - MARGIN, height: 1, fill: colour("--line") }), below.text);
  }
  return svg({
    width: right + MARGIN,
    height: below.bottom + UNDER,
    title: root.querySelector(".sentence").textContent,
    background: colour("--page"),
    parts,
  });
}

/** The same as a PNG file, twice as large. */
export async function toPng(app) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([toSvg(app)], { type: "image/svg+xml" }));
  image.src = url;
  await image.decode().finally(() => URL.revokeObjectURL(url));
  const canvas = document.createElement("canvas");
  canvas.width = PNG_SCALE * image.naturalWidth;
  canvas.height = PNG_SCALE * image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no room"))), "image/png");
  });
}

/**
 * The compared network's reading below the first one, its states below that one's, and its answer
 * where that has the drawing.
 */
function compared(app, second, first, colour) {
  const x = MARGIN + AXIS;
  const top = first.bottom + UNDER;
  const name = `${told(second.querySelector("h2"))} ${told(second.querySelector(".model"))}`;
  const below = reading(app, second.querySelector(".reading"), top + 130, colour, first.states);
  const style = { x, y: below.top + HEAD + 60, size: 24, weight: 650, fill: colour("--text") };
  const parts = [
    label(x, top + 44, name, { size: 20, weight: 650, fill: colour("--text") }),
    answer(second.querySelector(".answer"), { x, top: below.top }, colour),
    lines(told(second.querySelector(".sentence")), first.states - x - 40, style).text,
    below.text,
    legend(second.querySelector(".legend"), below.bottom + 74, colour),
  ];
  return { ...below, text: parts.join("\n") };
}

// The head of a poster: what was drawn, what the page says of it, and the answer.


const MARGIN = 48;
const HEAD = 300; // the pad's side, and the height of all that stands beside it
const ANSWER = 450;
const BAR = 150;

/** @param right where the page's text area ends */
function head(app, right, colour) {
  const { root } = app;
  const place = { x: right - ANSWER, top: MARGIN };
  return drawing(app, colour) + title(root, right, colour) + answer(root.querySelector(".answer"), place, colour);
}

/** What was drawn, or the prepared picture that was brought; a missing stroke is dotted. */
function drawing({ root, pad: { drawing, brush } }, colour) {
  const box = { x: MARGIN, y: MARGIN, width: HEAD, height: HEAD };
  const page = rect({ ...box, fill: colour("--ink-page") });
  if (drawing.image) return page + cells(pixels(root.querySelector("canvas.image")), box);
  const drawn = page + strokes(drawing.strokes, { ...box, brush, stroke: colour("--ink-full") });
  if (!root.matches(".missing-stroke")) return drawn;
  const points = [...root.querySelector(".missing polyline").points].map(({ x, y }) => [x, y]);
  const hole = strokes([points], { ...box, brush, stroke: colour("--ink-page") });
  const dots = { brush: 0.006, stroke: colour("--doubted"), dashes: "6 7.5" };
  return drawn + hole + strokes([points], { ...box, ...dots });
}

/** The page's name, its sentence, and which network read. */
function title(root, right, colour) {
  const x = MARGIN + HEAD + 40;
  const width = right - ANSWER - 40 - x;
  const quiet = { size: 18, fill: colour("--quiet") };
  const name = label(x, MARGIN + 16, root.querySelector("h1").textContent, quiet);
  const sentence = lines(root.querySelector(".sentence").textContent, width, {
    x,
    y: MARGIN + 76,
    size: 34,
    weight: 650,
    fill: colour("--text"),
  });
  const place = { ...quiet, x, y: sentence.bottom + 40 };
  const model = lines(root.querySelector(".model").textContent, width, place);
  return name + sentence.text + model.text;
}

/**
 * Whose answer, the digit, or why there is none, and the bars.
 * @param element `.answer`
 * @param place {x, top}; ANSWER wide, HEAD high
 */
function answer(element, { x, top }, colour) {
  const right = x + ANSWER;
  const isRejected = element.classList.contains("rejected");
  const isDoubted = element.classList.contains("doubted");
  const text = (selector) => element.querySelector(selector).textContent;
  const middle = { anchor: "middle", fill: colour(isDoubted ? "--doubted" : "--text") };
  const heading = { x, y: top + 16, size: 16, weight: 650, fill: colour("--text") };
  const parts = [lines(told(element.querySelector("h2")), 190, heading).text];
  if (isRejected) {
    const doubt = { ...middle, size: 24, weight: 650, fill: colour("--text") };
    const doubted = lines(text(".doubt"), 180, { ...doubt, x: x + 90, y: top + 120 });
    parts.push(doubted.text, label(x + 90, doubted.bottom + 34, text(".guess"), { ...doubt, size: 20 }));
  } else {
    parts.push(label(x + 90, top + 232, text(".digit"), { ...middle, size: 230, weight: 700 }));
  }
  element.querySelectorAll(".bars li").forEach((bar, digit) => {
    const y = top + digit * (HEAD / 10);
    const isWinner = bar.classList.contains("winner");
    const style = {
      size: 16,
      weight: isWinner ? 700 : 400,
      fill: colour(isWinner ? "--text" : "--quiet"),
      anchor: "end",
    };
    const track = { x: x + 228, y: y + 8, height: 14 };
    const [, part] = bar.querySelector(".track i").style.transform.match(/scaleX\(([\d.]+)\)/);
    parts.push(
      label(x + 218, y + 21, bar.querySelector("b").textContent, style),
      rect({ ...track, width: BAR, fill: colour("--belief-zero") }),
      rect({ ...track, width: BAR * part, fill: colour(isDoubted ? "--doubted" : "--accent") }),
      label(right, y + 21, bar.querySelector(".value").textContent, style),
    );
  });
  return parts.join("\n");
}

// The panels of a poster: image, causes, states and belief, row by row, and their scales.


const AXIS = 30;
const ROW = 16;
const GAP = 32;
const STATES = 411; // of a reader's panel, about

/**
 * All panels of a reading that are to be seen.
 * @param element `.reading`
 * @param top of the rows
 * @param from where the states begin at the least
 * @returns {text, top, bottom, right, states}; bottom is the rows', states where these begin
 */
function reading(app, element, top, colour, from = 0) {
  const { root, config, cursor: { row } } = app;
  const height = config.steps * ROW;
  // All but the states have the page's proportions.
  const scale = height / root.querySelector("canvas.image").clientHeight;
  const parts = [axis(element, config.steps, row, top, colour)];
  let x = MARGIN + AXIS;
  let [begin, end] = [null, x]; // of all panels
  let states = null;
  for (const panel of element.querySelectorAll(".panel:has(.rows)")) {
    if (!panel.offsetParent) continue; // hidden
    const image = pixels(whatShows(panel));
    const isStates = panel.classList.contains("states-panel");
    if (isStates && states === null) states = x = Math.max(x, from);
    const width = isStates ? statesWidth(image) : Math.round(panel.querySelector("canvas").clientWidth * scale);
    parts.push(panelOf(panel, image, { x, top, width, height, row, colour }));
    begin ??= x;
    end = x + width;
    x = end + (panel.querySelector(".leaders") ? 80 : 0) + GAP;
  }
  if (row !== null) parts.unshift(rowMark(row, { top, left: begin - AXIS, right: end }, colour));
  return { text: parts.join("\n"), top, bottom: top + height, right: x - GAP, states };
}

/** A panel's picture: the gradient that lies over it, where that is chosen. */
function whatShows(panel) {
  const [canvas, ...over] = panel.querySelectorAll("canvas");
  const why = over.find((layer) => layer.matches(".why-layer"));
  return why && getComputedStyle(why).visibility === "visible" ? why : canvas;
}

/** All units equally wide, in whole pixels. */
function statesWidth({ width }) {
  return width * Math.max(1, Math.round(STATES / width));
}

/** A panel: its title, its note, its cells and what stands below each column. */
function panelOf(panel, image, { x, top, width, height, row, colour }) {
  const quiet = { size: 13, fill: colour("--quiet") };
  const parts = [
    label(x, top - 30, panel.querySelector("h2").textContent, { size: 16, weight: 650, fill: colour("--text") }),
    label(x, top - 11, told(panel.querySelector("header p")), quiet),
    rect({ x, y: top, width, height, fill: colour("--page") }),
    cells(image, { x, y: top, width, height }),
    hairlines({ x, y: top, width, height, step: ROW, stroke: colour("--page"), opacity: hair(panel) }),
    rect({ x, y: top, width, height, stroke: colour("--line") }),
  ];
  if (panel.querySelector(".hole")?.offsetParent) {
    const place = { x, y: top + row * ROW, width, height: ROW };
    parts.push(hatching({ ...place, fill: colour("--ink-page"), stroke: colour("--doubted") }));
  }
  const marks = [...panel.querySelectorAll("footer span")].filter(({ style }) => style.left);
  for (const mark of marks) {
    const at = x + (width * parseFloat(mark.style.left)) / 100;
    parts.push(label(at, top + height + 19, mark.textContent, { ...quiet, anchor: "middle" }));
  }
  if (!marks.length) parts.push(label(x, top + height + 19, told(panel.querySelector("footer")), quiet));
  for (const leader of panel.querySelectorAll(".leaders li")) {
    parts.push(leaderOf(leader, x + width + 10, top, colour));
  }
  if (row !== null) {
    const frame = { x: x - 3, y: top + row * ROW - 2, width: width + 6, height: ROW + 4, rx: 3 };
    parts.push(rect({ ...frame, stroke: colour("--cursor"), "stroke-width": 2 }));
  }
  return parts.join("\n");
}

/** How much a hairline between two rows covers: as on the page. */
function hair(panel) {
  const share = getComputedStyle(panel.querySelector(".rows")).getPropertyValue("--hair");
  return parseFloat(share || "40%") / 100;
}

function leaderOf(leader, x, top, colour) {
  const [from, rows] = ["--from", "--rows"].map((name) => Number(leader.style.getPropertyValue(name)));
  const isUnsure = leader.classList.contains("unsure");
  const y = top + from * ROW + 1;
  const height = rows * ROW - 2;
  const style = {
    size: Math.min(height, 26),
    weight: isUnsure ? 400 : 700,
    fill: colour(isUnsure ? "--quiet" : "--text"),
  };
  return [
    rect({ x, y, width: 3, height, fill: colour(isUnsure ? "--line" : "--accent") }),
    label(x + 12, y + height / 2 + 0.36 * style.size, leader.textContent, style),
  ].join("\n");
}

function axis(element, steps, marked, top, colour) {
  const ticks = [...element.querySelectorAll(".axis > span")].slice(0, steps);
  const style = { size: 12, fill: colour("--quiet"), anchor: "end" };
  const isFree = (row) => marked === null || Math.abs(row - marked) > 1; // the mark covers its neighbours
  return ticks
    .map((tick, row) => isFree(row) && label(MARGIN + AXIS - 8, top + (row + 0.5) * ROW + 4, tick.textContent, style))
    .filter(Boolean)
    .join("\n");
}

/** The row cursor: a line behind the panels, and the row's number. */
function rowMark(row, { top, left, right }, colour) {
  const y = top + (row + 0.5) * ROW;
  const fill = colour("--cursor");
  return [
    rect({ x: left, y: y - 1, width: right - left, height: 2, fill }),
    rect({ x: MARGIN - 8, y: y - 11, width: AXIS, height: 22, rx: 4, fill }),
    label(MARGIN - 8 + AXIS / 2, y + 5, row + 1, {
      size: 14,
      weight: 700,
      fill: colour("--page"),
      anchor: "middle",
    }),
  ].join("\n");
}

/** The colour scales with their ends. */
function legend(element, y, colour) {
  let x = MARGIN + AXIS;
  const style = { size: 13, fill: colour("--quiet") };
  const parts = [];
  for (const scale of element.querySelectorAll(".scale:has(canvas)")) {
    if (!scale.offsetParent) continue; // hidden
    const canvas = scale.querySelector("canvas");
    const name = told(scale.querySelector("span:not(.ramp)"));
    const meaning = lines(name, 560, { ...style, x, y: y + 4 });
    x += meaning.width + (name ? 16 : 0);
    parts.push(meaning.text, cells(pixels(canvas), { x, y: y - 10, width: 140, height: 10 }));
    [...scale.querySelectorAll("b")].forEach((end, i, { length }) => {
      const at = x + (140 * i) / (length - 1);
      parts.push(label(at, y + 16, end.textContent, { ...style, anchor: ["start", "middle", "end"][i] }));
    });
    x += 140 + 2 * GAP;
  }
  return parts.join("\n");
}

// What is to be seen on the page, read back: colours, pictures and texts.

/** (name of a variable in theme.css) → its colour now. */
function colours(root) {
  const style = getComputedStyle(root);
  return (name) => style.getPropertyValue(name).trim();
}

/** Every picture on the page is made of whole cells, and has no more pixels than it needs. */
function pixels(canvas) {
  const { width, height } = canvas;
  // A copy: reading back the original would take it off the graphics card.
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, width, height);
}

/** What an element tells now: its parts that are to be seen, where it has some, else its text. */
function told(element) {
  if (!element?.children.length) return plain(element?.textContent ?? "");
  const seen = [...element.children].filter((part) => part.offsetParent);
  return seen.map((part) => plain(part.textContent)).filter(Boolean).join("\u2003");
}

/** Without the line breaks and indents of HTML. */
const plain = (text) => text.trim().replaceAll(/[ \n]+/g, " ");
