// The pictures as a table, for those who do not see them: a line for each row that is read.

import { el } from "../core/elements.js";
import { withoutRow } from "../explain/why.js";
import { DIRECTIONS } from "./panels.js";
import * as strings from "../core/strings.js";

const STRONGEST = 3; // units of a reader that are named

export function installTable(app) {
  const { root, events } = app;
  const table = el("table");
  const details = el("details", { class: "as-table" }, el("summary", {}, strings.AS_TABLE), table);
  root.querySelector(".legend").after(details);
  let explanation = null;
  const show = () => {
    if (!details.open) return;
    const { reading } = app;
    if (reading?.has_ink) table.replaceChildren(...content(app, explanation?.sequence === reading.sequence ? explanation : null));
    else table.replaceChildren(el("caption", {}, strings.NO_INK));
  };
  root.addEventListener("explained", ({ detail }) => {
    explanation = detail;
    show();
  });
  details.addEventListener("toggle", show);
  for (const event of ["rest", "layer", "model"]) events.addEventListener(event, show);
}

/** Of the reading: what it believes after each row, its strongest units, and what the row is worth. */
function content({ config, reading, view }, explanation) {
  const readers = DIRECTIONS.filter((direction) => view.layer[direction]);
  const belief = reading.tensors[config.outputs.belief].data;
  const digits = belief.length / config.steps;
  const head = [strings.ROW, strings.BELIEVED, ...readers.map(strings.strongestUnits), ...(explanation ? [strings.WITHOUT_IT] : [])];
  const lines = Array.from({ length: config.steps }, (_, row) => {
    const beliefs = [...belief.slice(row * digits, (row + 1) * digits)];
    const digit = beliefs.indexOf(Math.max(...beliefs));
    const states = readers.map((direction) => {
      const { data, shape: [, units] } = reading.tensors[view.layer[direction].name];
      return strongest([...data.slice(row * units, (row + 1) * units)]);
    });
    const cells = [strings.believed(digit, beliefs[digit]), ...states, ...(explanation ? [withoutRow(explanation, row)] : [])];
    return el("tr", {}, el("th", { scope: "row" }, row + 1), ...cells.map((cell) => el("td", {}, cell)));
  });
  return [
    el("caption", {}, strings.tableCaption(config.model.name, view.layer.number)),
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...lines),
  ];
}

function strongest(states) {
  const order = [...states.keys()].sort((one, other) => Math.abs(states[other]) - Math.abs(states[one]));
  return order.slice(0, STRONGEST).map((unit) => strings.unitState(unit, states[unit])).join(", ");
}
