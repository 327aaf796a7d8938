// Into one unit: its weights come from the server, its states from the reading.

import { address } from "../core/app.js";
import { button, leave, setText } from "../core/dom.js";
import { el } from "../core/elements.js";
import { DIRECTIONS, diverging, Heatmap } from "../reading/panels.js";
import { Curve } from "./curve.js";
import { Picker } from "./picker.js";
import { StateSum } from "./state-sum.js";
import * as strings from "../core/strings.js";

const UNIT = "unit"; // among the app's options: reader and number, as "forward-38"

export function installInspector(app) {
  const inspector = new Inspector(app);
  for (const direction of DIRECTIONS) new Picker(app, direction, inspector);
}

/** What is known of the unit chosen. */
class Inspector {
  constructor(app) {
    const { root, events, config, options } = app;
    this.app = app;
    this.listeners = [];
    this.find = (selector) => root.querySelector(`.inspector ${selector}`);
    this.box = this.find(".unit");
    this.box.innerHTML = `
      <div class="unit-input"><h3></h3><div class="strips"></div><p></p></div>
      <div class="unit-trace"><h3></h3><div class="trace" role="img"></div></div>
      <div class="unit-from"><h3></h3><ol></ol></div>
      <div class="unit-to"><h3></h3><ol></ol></div>
      <div class="unit-votes"><h3></h3><ol></ol><p></p></div>
      <div class="unit-exciting"><h3></h3><div class="exciting"></div></div>
      <div class="unit-state"></div>`;
    const close = button(strings.CLOSE, { className: "close" }); // of the sheet that this is on a phone
    close.addEventListener("click", () => {
      leave(this.find("h2").parentElement);
      this.close();
    });
    this.find("h2").before(close);
    this.sum = new StateSum(app, this.find(".unit-state"));
    setText(this.find(".unit-exciting h3"), strings.EXCITING);
    setText(this.find(".unit-input h3"), strings.INPUT);
    setText(this.find(".unit-trace h3"), strings.TRACE);
    setText(this.find(".unit-from h3"), strings.FROM);
    setText(this.find(".unit-to h3"), strings.TO);
    this.curve = new Curve(this.find(".trace"), config.steps);
    events.addEventListener("reading", () => this.#trace());
    events.addEventListener("row", () => this.curve.mark(app.cursor.row));
    for (const event of ["layer", "model"]) events.addEventListener(event, () => this.close());
    new MutationObserver(() => this.#paintStrips()).observe(document.body, { attributeFilter: ["class"] });
    options.changed(UNIT, () => this.#follow());
    this.#blankOut();
    this.#follow();
  }

  /** Call `listener()` whenever another unit is chosen. */
  onChoice(listener) {
    this.listeners.push(listener);
  }

  close() {
    this.#blankOut();
    this.app.options.set(UNIT, null);
  }

  /** Look into the unit that the options name; a link may name one that is not there. */
  #follow() {
    const text = this.app.options.get(UNIT);
    if (text === this.#option) return;
    const [direction, number] = (text ?? "").split("-");
    const { units } = (DIRECTIONS.includes(direction) && this.app.view.layer[direction]) || { units: 0 };
    const isThere = this.app.config.explain && /^\d+$/.test(number) && Number(number) < units;
    if (isThere) this.open(direction, Number(number));
    else this.close();
  }

  get #option() {
    return this.unit === null ? null : `${this.direction}-${this.unit}`;
  }

  #blankOut() {
    this.request?.abort();
    this.direction = this.unit = this.details = null;
    this.box.hidden = true;
    this.sum.show(null);
    setText(this.find("h2"), strings.UNIT);
    setText(this.find(".inspector-hint"), strings.PICK_UNIT);
    for (const listener of this.listeners) listener();
  }

  /** Look into a unit of the reader `direction` of the layer shown. */
  async open(direction, unit) {
    const { app } = this;
    const { number, [direction]: reader } = app.view.layer;
    Object.assign(this, { direction, unit, details: null });
    app.options.set(UNIT, this.#option);
    for (const listener of this.listeners) listener();
    this.request?.abort();
    const request = (this.request = new AbortController());
    const url = address(app.config.explain.unitPath, app.config.model.name);
    url.searchParams.set("output", reader.name);
    url.searchParams.set("unit", unit);
    try {
      const response = await fetch(url, { signal: request.signal });
      if (!response.ok) throw new Error(`${response.status}`);
      const details = await response.json();
      if (request !== this.request) return;
      this.details = details;
    } catch {
      if (request !== this.request || request.signal.aborted) return;
      this.close();
      setText(this.find(".inspector-hint"), strings.UNIT_FAILED);
      return;
    }
    const layers = app.config.layers.length;
    setText(this.find("h2"), strings.unitTitle({ unit, direction, layer: number, layers }));
    setText(this.find(".inspector-hint"), strings.unitActivity(digitOf(reader, unit)));
    this.box.hidden = false;
    this.#show();
    this.#trace();
    this.sum.show({ output: reader.name, direction, unit });
  }

  #show() {
    const { input, votes, votes_in } = this.details;
    setText(this.find(".unit-input p"), input ? strings.inputNote(input.length) : strings.NO_INPUT);
    this.#paintStrips();
    for (const way of ["from", "to"]) this.#partners(this.find(`.unit-${way} ol`), this.details[way]);
    setText(this.find(".unit-votes h3"), strings.votes(votes_in, this.app.config.outputs));
    setText(this.find(".unit-votes p"), votes ? "" : strings.NO_VOTES);
    this.find(".exciting").replaceChildren(...this.details.exciting.map((drawing) => thumbnail(drawing, this.app.config)));
    this.find(".unit-votes ol").replaceChildren(...bars(votes ?? []).map((bar, digit) => item(digit, bar)));
  }

  #paintStrips() {
    const rows = this.details?.input ?? [];
    const limit = Math.max(...rows.flat().map(Math.abs)) || 1;
    this.find(".strips").replaceChildren(
      ...rows.map((weights) => {
        const canvas = document.createElement("canvas");
        const strip = new Heatmap(canvas);
        strip.layOut(1, [...weights.keys()]);
        strip.paint({ shape: [1, weights.length], data: weights }, this.app.view.palette.state, diverging(limit));
        return canvas;
      }),
    );
  }

  #partners(list, partners) {
    const sizes = bars(partners.map(({ weight }) => weight));
    list.replaceChildren(
      ...partners.map(({ unit, weight }, i) => {
        const partner = button("", { ariaLabel: strings.partnerLabel(unit, weight) });
        partner.append(item(unit, sizes[i], "span"));
        partner.addEventListener("click", async () => {
          await this.open(this.direction, unit);
          this.find("h2").focus({ preventScroll: true }); // the button is no more
        });
        const entry = document.createElement("li");
        entry.append(partner);
        return entry;
      }),
    );
  }

  #trace() {
    const { app, details, direction, unit } = this;
    if (!details || !app.reading) return;
    if (!app.reading?.has_ink) return this.#blank();
    const { shape: [rows, units], data } = app.reading.tensors[app.view.layer[direction].name];
    const states = Array.from({ length: rows }, (_, row) => data[row * units + unit]);
    const high = Math.max(...states, 0);
    const low = Math.min(...states, 0);
    const reach = high - low || 1;
    const ends = [...new Set([low, 0, high])];
    const ticks = ends.map((value) => ({ at: (value - low) / reach, text: strings.number(value) }));
    this.curve.show(states.map((state) => (state - low) / reach), ticks);
    this.curve.mark(app.cursor.row);
    this.find(".trace").setAttribute("aria-label", strings.traceLabel(states));
  }

  /** Nothing is drawn, so no reader has states. */
  #blank() {
    this.curve.show([], [{ at: 0, text: strings.number(0) }]);
    this.curve.mark(null);
    this.find(".trace").setAttribute("aria-label", strings.NO_INK);
  }
}

/** A drawing that excites a unit, with a mark at the row. */
function thumbnail({ digit, row, state, image }, { steps, pixels }) {
  const canvas = el("canvas", { width: pixels, height: steps, role: "img", "aria-label": strings.excitingLabel({ digit, row, state }) });
  const context = canvas.getContext("2d");
  const data = context.createImageData(pixels, steps);
  image.forEach((ink, i) => data.data.set([ink, ink, ink, 255], 4 * i));
  context.putImageData(data, 0, 0);
  const mark = el("i", { style: `--row-share: ${(row - 0.5) / steps}` });
  return el("figure", {}, el("div", {}, canvas, mark), el("figcaption", {}, strings.excitingNote({ row, state })));
}

/** The digit whose logit a unit raises most, null where it does nothing. */
const digitOf = ({ groups }, unit) => groups.find(({ units }) => units.includes(unit)).digit;

/** Signed values as bars: {value, size: −1..1 of the largest}. */
function bars(values) {
  const most = Math.max(...values.map(Math.abs)) || 1;
  return values.map((value) => ({ value, size: value / most }));
}

function item(name, { value, size }, tag = "li") {
  const element = document.createElement(tag);
  element.className = "signed";
  element.innerHTML = "<b></b><span><i></i></span><small></small>";
  element.querySelector("b").textContent = name;
  const bar = element.querySelector("i");
  bar.className = size < 0 ? "against" : "for";
  bar.style.setProperty("--size", Math.abs(size));
  element.querySelector("small").textContent = strings.number(Number(value.toFixed(2)));
  return element;
}
