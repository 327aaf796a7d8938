// Why the network answers as it does: the parts of the page that show the server's explanation.

import { address } from "../core/app.js";
import { setText } from "../core/dom.js";
import { packDrawing, readFrame } from "../core/protocol.js";
import { firstInk } from "../reading/answer.js";
import { Curve } from "./curve.js";
import { Erase } from "./erase.js";
import { Why } from "./why.js";
import * as strings from "../core/strings.js";

export function installExplanation(app) {
  const { root, events } = app;
  const configure = () => {
    const { explain, model } = app.config;
    root.classList.toggle("unexplained", !explain);
    setText(root.querySelector(".unexplained-note"), explain ? "" : strings.unexplained(model.name));
  };
  configure();
  const parts = [new Why(app), new Erase(app), new ThroughTime(app)];
  new Explainer(app, (explanation) => {
    for (const part of parts) part.show(explanation);
    root.dispatchEvent(new CustomEvent("explained", { detail: explanation }));
  });
  events.addEventListener("model", configure);
}

const FEWEST_POWERS = 2; // of ten, on the axis
const MOST_POWERS = 8;

/** How strongly the last belief depends on the state after each row, on a logarithmic axis. */
class ThroughTime {
  constructor(app) {
    Object.assign(this, { app, ratios: [], second: null, other: null });
    this.box = app.root.querySelector(".felt");
    this.note = app.root.querySelector(".felt-note");
    this.key = app.root.querySelector(".felt-key");
    this.curve = new Curve(this.box, app.config.steps);
    app.events.addEventListener("row", () => this.#say());
    app.events.addEventListener("rest", () => this.#askSecond());
    app.events.addEventListener("second", ({ detail }) => {
      this.other = detail;
      this.#askSecond();
    });
    this.show(null);
  }

  /** @param explanation of `explanation.js`, or null */
  show(explanation) {
    this.explanation = explanation;
    this.ratios = explanation ? sharesOfLast(explanation.throughTime) : [];
    if (this.second && this.second.sequence !== explanation?.sequence) this.second = null; // of an earlier drawing
    this.#draw();
  }

  /** The same of the network that is compared with, once the pen rests. */
  async #askSecond() {
    const { app } = this;
    this.request?.abort();
    this.second = null;
    this.#draw();
    if (!this.other?.explain || !app.config.explain || !app.reading?.has_ink || app.shown < app.sequence) return;
    const request = (this.request = new AbortController());
    const { name } = this.other.model;
    try {
      const frame = await ask(app, name, request.signal);
      if (request !== this.request) return;
      this.second = { name, sequence: frame.sequence, ratios: sharesOfLast(frame.tensors[app.config.explain.throughTime]) };
      this.#draw();
    } catch {
      // a server in trouble: the first one's line stays alone
    }
  }

  #draw() {
    const { ratios } = this;
    const others = this.second?.ratios ?? [];
    const powers = [...ratios, ...others].filter((ratio) => ratio > 0).map(Math.log10);
    const high = Math.max(0, Math.ceil(Math.max(0, ...powers) - 0.05));
    const low = Math.max(high - MOST_POWERS, Math.min(high - FEWEST_POWERS, Math.floor(Math.min(0, ...powers))));
    const place = (power) => Math.max(0, (power - low) / (high - low));
    const heights = (of) => of.map((ratio) => (ratio > 0 ? place(Math.log10(ratio)) : 0));
    const step = Math.ceil((high - low) / 4);
    const ticks = [];
    for (let power = high; power >= low; power -= step) ticks.push({ at: place(power), text: strings.tick(power) });
    this.curve.show(heights(ratios), ticks, heights(others));
    this.key.hidden = !this.second;
    const names = [this.app.config.model.name, this.second?.name ?? ""];
    this.key.querySelectorAll("span").forEach((span, i) => setText(span, names[i]));
    this.#say();
  }

  #say() {
    const { explanation, ratios, app, second } = this;
    if (!ratios.length) {
      this.curve.mark(null);
      setText(this.note, strings.NOT_FELT);
      this.box.setAttribute("aria-label", strings.NOT_FELT);
      return;
    }
    const ink = firstInk(explanation.image);
    const row = app.cursor.row ?? Math.min(ink, ratios.length - 1);
    this.curve.mark(row);
    const text = strings.felt({
      row: row + 1,
      last: ratios.length,
      digit: explanation.beliefDigit,
      ratio: ratios[row],
      isFirstInk: app.cursor.row === null,
    }) + (second ? strings.feltBySecond({ name: second.name, row: row + 1, ratio: second.ratios[row] }) : "");
    setText(this.note, text);
    this.box.setAttribute("aria-label", text);
  }
}

/** Norms by row as shares of the last row's. */
function sharesOfLast({ data }) {
  const last = data.at(-1);
  return last ? Array.from(data, (norm) => norm / last) : [];
}

/** The server's frame on why the network `name` answers as it does. @throws where there is none */
async function ask(app, name, signal) {
  const body = packDrawing(app.sequence, app.pad.drawing);
  const response = await fetch(address(app.config.explain.path, name), { method: "POST", body, signal });
  if (!response.ok) throw Object.assign(new Error(`${response.status}`), { status: response.status });
  return readFrame(await response.arrayBuffer());
}

// Asks the server why the network answers as it does, and never delays the drawing for it:
// one question at a time, a few a second, and none while a newer drawing waits to be read.


const PAUSE = 125; // milliseconds from one question to the next, at least
const LONGEST_PAUSE = 4000;
const LONGEST_WAIT = 10_000;
const BUSY = 503; // too many ask: come back
const SHARE = 5; // a question that took 40 ms is followed by the next after 5 times that

class Explainer {
  /**
   * @param onExplanation called with the newest explanation (`named`), or null where there is
   *   nothing to explain: a blank page, another network, one without weights
   */
  constructor(app, onExplanation) {
    Object.assign(this, { app, onExplanation });
    this.pause = PAUSE;
    this.started = -Infinity;
    this.asked = 0; // sequence of the drawing last asked about
    this.oldest = 0; // explanations of earlier drawings come too late
    this.explained = null; // sequence of the drawing that is explained on the page
    app.events.addEventListener("reading", ({ detail }) => this.#follow(detail));
    app.events.addEventListener("model", () => this.#forget());
  }

  #follow(reading) {
    if (!this.app.config.explain) return;
    this.#age();
    if (reading.has_ink) return this.#plan();
    this.oldest = reading.sequence + 1;
    this.#tell(null);
  }

  #tell(explanation) {
    this.explained = explanation && explanation.sequence;
    this.onExplanation(explanation);
    this.#age();
  }

  /** Dim what explains an earlier drawing than the one that is shown. */
  #age() {
    const isOld = this.explained !== null && this.explained < this.app.shown;
    this.app.root.classList.toggle("explains-earlier", isOld);
  }

  #forget() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.timer = this.request = null;
    this.asked = 0;
    this.#tell(null);
  }

  #plan() {
    if (this.timer || this.request) return;
    const wait = Math.max(0, this.started + this.pause - performance.now());
    this.timer = setTimeout(() => this.#ask(), wait);
  }

  async #ask() {
    const { app } = this;
    this.timer = null;
    // While a newer drawing waits, its reading will bring us here again.
    if (app.shown < app.sequence || app.sequence === this.asked) return;
    const request = (this.request = new AbortController());
    const { reading } = app; // of the same drawing
    this.started = performance.now();
    this.asked = app.sequence;
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(LONGEST_WAIT)]);
      this.#receive(await ask(app, app.config.model.name, signal), reading, request);
    } catch (error) {
      this.#fail(request, error.status === BUSY || error.name === "TimeoutError");
    }
  }

  /** The stream tells of a server in trouble; all there is to do here is not to add to it. */
  #fail(request, isWorthAsking) {
    if (this.request !== request) return; // of a network that no longer reads
    this.request = null;
    this.asked = 0;
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    this.#tell(null); // what is shown explains an earlier drawing
    if (isWorthAsking) this.#plan();
  }

  #receive(frame, reading, request) {
    if (this.request !== request) return;
    this.request = null;
    // A busy server is to read drawings first.
    const took = performance.now() - this.started;
    this.pause = Math.min(Math.max(PAUSE, SHARE * took), LONGEST_PAUSE);
    if (frame.sequence >= this.oldest) {
      this.oldest = frame.sequence;
      const { explain, outputs } = this.app.config;
      const image = reading.tensors[outputs.image];
      this.#tell(frame.has_ink ? { ...named(frame, explain), image, reading } : null);
    }
    if (this.app.sequence > this.asked) this.#plan(); // it has changed since
  }
}

/**
 * What a frame holds, by the names that the page uses. Tensors are {shape, data}:
 * influence (28), gradient (28, 28), erasedRows (28, 10), throughTime (28); erasedStrokes (n, 10)
 * or null; states (28, units) by the output's name. digit is explained, beliefDigit is the
 * last belief's. The explanation has besides the `reading` of the same
 * drawing, and its `image`.
 */
function named({ sequence, digit, belief_digit, tensors }, names) {
  const states = Object.entries(names.states).map(([output, name]) => [output, tensors[name]]);
  return {
    sequence,
    digit,
    beliefDigit: belief_digit,
    gradient: tensors[names.rowGradient],
    influence: tensors[names.rowInfluence],
    erasedRows: tensors[names.erasedRows],
    erasedStrokes: tensors[names.erasedStrokes] ?? null,
    throughTime: tensors[names.throughTime],
    states: Object.fromEntries(states),
  };
}
