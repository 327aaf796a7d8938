// The panels of a poster: image, causes, states and belief, row by row, and their scales.

import { MARGIN } from "./poster-head.js";
import { pixels, told } from "./dom-snapshot.js";
import { cells, hairlines, hatching, label, lines, rect } from "./svg.js";

export const AXIS = 30;
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
export function reading(app, element, top, colour, from = 0) {
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
export function legend(element, y, colour) {
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
