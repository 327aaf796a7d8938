// One state in numbers: the sum of inputs, states and bias that it is tanh or relu of.

import { activationCurve } from "../core/activation.js";
import { address } from "../core/app.js";
import { el, svg } from "../core/elements.js";
import { packDrawing } from "../core/protocol.js";
import * as strings from "../core/strings.js";

export class StateSum {
  /** @param place filled with the state of the unit that `show` names, at the marked row */
  constructor(app, place) {
    Object.assign(this, { app, place, unit: null });
    for (const event of ["row", "rest"]) app.events.addEventListener(event, () => this.#ask());
    app.events.addEventListener("drawing", () => place.classList.add("old"));
  }

  /** @param unit {output, direction, unit}, or null for none */
  show(unit) {
    this.unit = unit;
    this.place.replaceChildren();
    this.#ask();
  }

  /** The row whose state is shown: the marked one, else that which the reader reads last. */
  get #row() {
    const { cursor, config } = this.app;
    const last = this.unit.direction === "backward" ? 1 : config.steps;
    return cursor.row === null ? last : cursor.row + 1;
  }

  async #ask() {
    const { app, unit } = this;
    this.request?.abort();
    if (!unit || !app.reading?.has_ink || app.shown < app.sequence) return;
    const request = (this.request = new AbortController());
    const row = this.#row;
    const url = address(app.config.explain.statePath, app.config.model.name);
    for (const [name, value] of Object.entries({ output: unit.output, unit: unit.unit, row })) url.searchParams.set(name, value);
    try {
      const response = await fetch(url, { method: "POST", body: packDrawing(app.sequence, app.pad.drawing), signal: request.signal });
      if (!response.ok) throw new Error(`${response.status}`);
      const sum = await response.json();
      if (request === this.request) this.#show(sum, row);
    } catch {
      if (request === this.request) this.place.classList.add("old"); // the stream tells of a server in trouble
    }
  }

  #show(sum, row) {
    const { direction, unit } = this.unit;
    const letter = direction === "backward" ? "k" : "h";
    const name = `${letter}${strings.lowered(row)}[${unit}]`;
    const equation = strings.stateSum({ name, letter, ...sum });
    this.place.classList.remove("old");
    this.place.replaceChildren(
      el("h3", {}, strings.stateAt(row, this.app.cursor.row === null)),
      el("p", { class: "state-equation", role: "status" }, equation),
      el("div", { class: "state-terms" },
        svg("svg", { viewBox: "0 0 220 150", role: "img", "aria-label": equation }, activationCurve({ x: 4, y: 0, width: 212, height: 150 }, sum)),
        terms(strings.INPUT_TERMS, sum.inputs, (of) => strings.inputOf(of)),
        terms(strings.stateTerms(letter), sum.recurrent, (of) => strings.stateOf(of, letter, direction === "backward" ? row + 1 : row - 1))));
  }
}

function terms(caption, found, name) {
  const rows = found.map(({ of, weight, value, term }) => {
    return el("tr", {}, el("th", { scope: "row" }, name(of)), el("td", {}, `${strings.number(weight)} · ${strings.number(value)}`), el("td", {}, strings.number(term)));
  });
  return el("table", {}, el("caption", {}, caption), el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", {}, strings.NO_TERMS))));
}
