// The reading as one picture, made of what is on the screen: its texts, numbers, colours and
// cells. Everything is vectors and text, so that it stays sharp and can be edited.

import { head, HEAD, MARGIN } from "./poster-head.js";
import { colours, pixels, plain, told } from "./seen.js";
import { cells, hairlines, label, lines, rect, svg } from "./shapes.js";

const ROW = 16;
const GAP = 32;
const AXIS = 30;
const STATES = 411; // of a reader's panel, about
const LEAST = 1200;
const PNG_SCALE = 2;

/** The reading as the text of an SVG file. */
export function toSvg(app) {
  const { root, config } = app;
  const colour = colours(root);
  const height = config.steps * ROW;
  const top = MARGIN + HEAD + 84; // of the rows
  // All but the states have the page's proportions.
  const scale = height / root.querySelector(".reading canvas.image").clientHeight;
  const parts = [];
  let x = MARGIN + AXIS;
  let end = x; // of the last panel
  for (const panel of root.querySelector(".reading").querySelectorAll(".panel:has(.rows)")) {
    if (!panel.offsetParent) continue; // hidden
    const canvas = panel.querySelector("canvas");
    const image = pixels(whatShows(panel));
    const isStates = panel.classList.contains("states-panel");
    const width = isStates ? statesWidth(image) : Math.round(canvas.clientWidth * scale);
    const { row } = app.cursor;
    parts.push(panelOf(panel, image, { x, top, width, height, row, colour }));
    end = x + width;
    x = end + (panel.querySelector(".leaders") ? 80 : 0) + GAP;
  }
  const right = Math.max(x - GAP, LEAST - MARGIN);
  parts.push(axis(root, config.steps, app.cursor.row, top, colour));
  if (app.cursor.row !== null) parts.unshift(rowMark(app.cursor.row, top, end, colour));
  parts.push(head(app, right, colour), legend(root, top + height + 74, colour));
  return svg({
    width: right + MARGIN,
    height: top + height + 136,
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

function axis(root, steps, marked, top, colour) {
  const ticks = [...root.querySelectorAll(".axis > span")].slice(0, steps);
  const style = { size: 12, fill: colour("--quiet"), anchor: "end" };
  return ticks
    .map((tick, row) => row !== marked && label(MARGIN + AXIS - 8, top + (row + 0.5) * ROW + 4, tick.textContent, style))
    .filter(Boolean)
    .join("\n");
}

/** The row cursor: a line behind the panels and the row's number. */
function rowMark(row, top, right, colour) {
  const y = top + (row + 0.5) * ROW;
  const fill = colour("--cursor");
  return [
    rect({ x: MARGIN, y: y - 1, width: right - MARGIN, height: 2, fill }),
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
function legend(root, y, colour) {
  let x = MARGIN + AXIS;
  const style = { size: 13, fill: colour("--quiet") };
  const parts = [];
  for (const scale of root.querySelector(".legend").querySelectorAll(".scale:has(canvas)")) {
    if (!scale.offsetParent) continue; // hidden
    const canvas = scale.querySelector("canvas");
    const name = plain(scale.querySelector("span").textContent);
    const meaning = lines(name, 560, { ...style, x, y: y + 4 });
    x += meaning.width + 16;
    parts.push(meaning.text, cells(pixels(canvas), { x, y: y - 10, width: 140, height: 10 }));
    [...scale.querySelectorAll("b")].forEach((end, i, { length }) => {
      const at = x + (140 * i) / (length - 1);
      parts.push(label(at, y + 16, end.textContent, { ...style, anchor: ["start", "middle", "end"][i] }));
    });
    x += 140 + 2 * GAP;
  }
  return parts.join("\n");
}
