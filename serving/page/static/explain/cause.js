// Why the network answers as it does: the parts of the page that show the server's explanation.

import { firstInk } from "../reading/belief.js";
import { Curve } from "./curve.js";
import { setText } from "../core/dom.js";
import { Erase } from "./erase.js";
import { Explainer } from "./explanation.js";
import { Why } from "./why.js";
import * as words from "../core/strings.js";

export function installCause(app) {
  const { root, events } = app;
  const configure = () => {
    const { explain, model } = app.config;
    root.classList.toggle("unexplained", !explain);
    setText(root.querySelector(".unexplained-note"), explain ? "" : words.unexplained(model.name));
  };
  configure();
  const parts = [new Why(app), new Erase(app), new ThroughTime(app)];
  new Explainer(app, (explanation) => {
    for (const part of parts) part.show(explanation);
  });
  events.addEventListener("model", configure);
}

const FEWEST_POWERS = 2; // of ten, on the axis
const MOST_POWERS = 8;

/** How strongly the last belief depends on the memory after each row, on a logarithmic axis. */
class ThroughTime {
  constructor(app) {
    this.app = app;
    this.box = app.root.querySelector(".felt");
    this.note = app.root.querySelector(".felt-note");
    this.curve = new Curve(this.box, app.config.steps);
    app.events.addEventListener("row", () => this.#say());
    this.show(null);
  }

  /** @param explanation of `explanation.js`, or null */
  show(explanation) {
    this.explanation = explanation;
    const { throughTime } = explanation ?? {};
    const last = throughTime?.data.at(-1);
    this.ratios = last ? Array.from(throughTime.data, (norm) => norm / last) : [];
    const powers = this.ratios.filter((ratio) => ratio > 0).map(Math.log10);
    const high = Math.max(0, Math.ceil(Math.max(0, ...powers) - 0.05));
    const low = Math.max(high - MOST_POWERS, Math.min(high - FEWEST_POWERS, Math.floor(Math.min(0, ...powers))));
    const place = (power) => Math.max(0, (power - low) / (high - low));
    const step = Math.ceil((high - low) / 4);
    const ticks = [];
    for (let power = high; power >= low; power -= step) ticks.push({ at: place(power), text: words.tick(power) });
    this.curve.show(this.ratios.map((ratio) => (ratio > 0 ? place(Math.log10(ratio)) : 0)), ticks);
    this.#say();
  }

  #say() {
    const { explanation, ratios, app } = this;
    if (!ratios.length) {
      this.curve.mark(null);
      setText(this.note, words.NOT_FELT);
      this.box.setAttribute("aria-label", words.NOT_FELT);
      return;
    }
    const ink = firstInk(explanation.image);
    const row = app.cursor.row ?? Math.min(ink, ratios.length - 1);
    this.curve.mark(row);
    const text = words.felt({
      row: row + 1,
      last: ratios.length,
      digit: explanation.beliefDigit,
      ratio: ratios[row],
      isFirstInk: app.cursor.row === null,
    });
    setText(this.note, text);
    this.box.setAttribute("aria-label", text);
  }
}
