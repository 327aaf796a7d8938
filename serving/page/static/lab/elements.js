// Pictures and tables of numbers, and how the Lab writes a number.

import { el, svg } from "../core/elements.js";

export { lowered } from "../core/strings.js";
export { el, svg };

const SMALL = 700;

/**
 * A picture with a name for those who do not see it; texts in it have at least 14 of its units.
 * @param holdsControls whether something in it can be chosen
 */
export function picture({ width, height, label, holdsControls = false }, ...children) {
  const named = holdsControls ? {} : { role: "img", "aria-label": label };
  const size = { viewBox: `0 0 ${width} ${height}`, style: `--width: ${width}px`, ...named };
  const kind = width <= SMALL ? "lab-picture small" : "lab-picture"; // small: tables stand beside it
  return el("div", { class: kind, tabindex: 0, role: "group", "aria-label": label }, svg("svg", size, children));
}

/**
 * A table of numbers.
 * @param head texts of the columns, that of the rows' names first; rows: [name, ...cells], a cell
 *   a text or an element, or {text, changed: true} to mark it
 */
export function table(caption, head, rows) {
  const heads = head.map((text) => el("th", { scope: "col" }, text));
  const cell = (of) => (of?.text === undefined ? el("td", {}, of) : el("td", { class: of.changed ? "lab-changed" : null }, of.text));
  const body = rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.map(cell)));
  return captioned(caption, el("table", { "aria-label": caption }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body)));
}

/** A table with its caption, in a box that scrolls sideways by itself. */
export function captioned(caption, whole) {
  const box = el("div", { class: "lab-scroll", tabindex: 0, role: "group", "aria-label": caption }, whole);
  return el("div", { class: "lab-table" }, el("p", { class: "lab-caption", "aria-hidden": "true" }, caption), box);
}

/** Three significant digits; two decimals on paper. */
export function format(value, paper = false) {
  if (value === null || value === undefined) return "–";
  const text = paper ? value.toFixed(2) : shortened(value);
  return text.replace("-", "−").replace(/^−(0[.0]*)$/, "$1");
}

function shortened(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return String(Number(value.toPrecision(3)));
  const [digits, exponent] = value.toExponential(2).split("e");
  return `${Number(digits)}·10${raised(Number(exponent))}`;
}

const raised = (number) => [...String(number)].map((letter) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(letter)]).join("");

/** A number that somebody has typed, with a comma or a minus of any kind; NaN where it is none. */
export const typed = (text) => (text.trim() ? Number(text.trim().replace(",", ".").replace(/[−–]/, "-")) : NaN);
