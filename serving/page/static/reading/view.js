// Everything that shows a reading. It keeps the newest one, the layer and the marked row,
// and can paint itself anew whenever one of them, or the theme, changes.

import { setText } from "../core/dom.js";
import { Answer, argmax, firstInk, isBelieved, leaders, Leaders } from "./answer.js";
import { tell } from "./narration.js";
import { Heatmap, linear, paintRamp, readPalette } from "./panels.js";
import { label, States } from "./states.js";
import * as strings from "../core/strings.js";

export class View {
  /**
   * @param root element that holds all parts of index.html; it may lack the image
   * @param config of the network, from the server
   * @param onLayer (number) after another layer was chosen
   */
  constructor(root, config, onLayer = () => {}) {
    Object.assign(this, { root, onLayer });
    this.stale = null; // why what is shown is an earlier drawing's
    this.row = null;
    this.time = null;
    this.find = (selector) => root.querySelector(selector);

    const digits = Array.from({ length: 10 }, (_, digit) => digit);
    this.answer = new Answer(this.find(".answer"), digits.length);
    this.leaders = new Leaders(this.find(".leaders"));
    const names = ["image", "belief"].filter((name) => this.find(`canvas.${name}`));
    this.maps = Object.fromEntries(names.map((name) => [name, new Heatmap(this.find(`canvas.${name}`))]));
    this.states = new States(root);
    this.maps.image?.layOut(config.steps, [...Array(config.pixels).keys()]);
    this.maps.belief.layOut(config.steps, digits);
    label(this.find(".digits"), digits.map((digit) => ({ digit, at: digit + 0.5 })), digits.length);
    this.#axis(config.steps);
    this.configure(config);
    this.#watchTheme();
  }

  /** Show readings of this network from now on. */
  configure(config) {
    this.config = config;
    this.reading = null;
    this.isAtRest = false;
    this.#layerChoice();
    this.find(".model").textContent = strings.model(config.model);
    this.find(".spoken").textContent = ""; // another network's
    this.chooseLayer(1); // the one whose downward states know rows 1..t alone
    if (this.palette) this.#paint(); // over another network's pictures
  }

  /** A new reading of the drawing. */
  show(reading) {
    this.reading = reading;
    this.isAtRest = false;
    this.#paint();
  }

  /** The pen rests: give the verdict, on the page and to a screen reader. */
  rest() {
    this.isAtRest = true;
    this.#showAnswer();
    this.#say();
    const answer = this.#answer && argmax(this.#answer);
    this.find(".spoken").textContent = this.#hasInk
      ? strings.spoken({ answer, probability: this.#answer[answer], ...this.reading.verdict })
      : strings.NO_INK;
  }

  /** Show another answer than the reading's, with `note` on what it is of; null ends it. */
  suppose(probabilities, note = strings.OF_THE_NETWORK) {
    if (!probabilities && !this.supposed) return;
    this.supposed = probabilities;
    setText(this.find(".answer small"), note);
    this.root.classList.toggle("supposing", Boolean(probabilities));
    this.#showAnswer();
  }

  /** Dim what is shown, and say why, if it is not of what was drawn last. */
  age(isStale) {
    const stale = isStale ? strings.STALE : null;
    if (stale === this.stale) return;
    this.stale = stale;
    this.root.classList.toggle("stale", isStale);
    this.#say();
  }

  #paint() {
    const { image, belief } = this.#tensors();
    const { ink, belief: beliefRamp } = this.palette;
    this.maps.image?.paint(image, ink, linear(this.config.white));
    this.maps.belief.paint(belief, beliefRamp, linear(1));
    this.leading = belief && leaders(belief);
    this.ink = image && firstInk(image);
    this.leaders.show(this.leading ?? [], this.ink);
    this.#showAnswer();
    this.#paintStates();
    this.#say();
  }

  /** Mark a row (0 for the first) in all panels; null for none. */
  mark(row) {
    this.row = row;
    this.find(".reading").classList.toggle("marked", row !== null);
    this.find(".reading").style.setProperty("--at", row ?? 0);
    if (this.time !== null) this.#showAnswer(); // which tells the belief where none is marked
    this.#say();
  }

  /** Show what the readers know after `time` rows each, as they sweep; null for everything. */
  sweep(time) {
    this.time = time;
    this.find(".reading").classList.toggle("sweeping", time !== null);
    this.find(".reading").classList.toggle("beginning", time === 0);
    this.find(".reading").classList.toggle("ended", time === this.config.steps);
    this.find(".reading").style.setProperty("--time", time ?? 0);
    this.#showAnswer();
    this.#say();
  }

  chooseLayer(number) {
    this.layer = this.config.layers[number - 1];
    const { forward, backward } = this.layer;
    const notes = strings.notes({
      layer: number,
      forward: forward.units,
      backward: backward?.units,
      hasBackward: Boolean(backward),
    });
    this.find(".backward-panel").hidden = !backward;
    this.root.classList.toggle("one-way", !backward);
    this.find(".forward-note").textContent = notes.forward;
    this.find(".backward-note").textContent = notes.backward;
    this.find(".belief-note").textContent = notes.belief;
    this.states.configure(this.config, this.layer);
    this.find(`.layers input[value="${number}"]`).checked = true;
    this.#paintStates();
    this.#say();
    this.onLayer(number);
  }

  get #hasInk() {
    return Boolean(this.reading?.has_ink);
  }

  /** Probabilities of the digits; null where there is nothing to read. */
  get #answer() {
    return this.#hasInk ? this.reading.tensors[this.config.outputs.answer].data : null;
  }

  #showAnswer() {
    const isUnderWay = this.time !== null && this.row === null && this.time < this.config.steps;
    const isBelief = isUnderWay && !this.supposed && this.#hasInk && Boolean(this.leading);
    this.find(".answer").classList.toggle("believing", isBelief);
    if (isBelief) return this.#showBelief(this.time - 1);
    const verdict = this.reading?.verdict ?? {};
    // Nobody has judged what is supposed: a doubted drawing with a part missing stays doubted.
    if (this.supposed) return this.answer.show(this.supposed, { rejected: verdict.rejected }, false);
    this.answer.show(this.#answer, verdict, this.isAtRest);
  }

  /** In the answer's place: what the downward reader believes after `row`, -1 before all. */
  #showBelief(row) {
    const { shape, data } = this.#tensors().belief;
    const belief = row < 0 ? null : data.subarray(row * shape[1], (row + 1) * shape[1]);
    const isDoubted = row >= 0 && !isBelieved(this.leading[row], row, this.ink);
    this.answer.show(belief, { rejected: isDoubted }, false);
  }

  /** Image and belief of the reading; null where there is nothing to read. */
  #tensors() {
    const { image, belief } = this.config.outputs;
    const tensors = this.#hasInk ? this.reading.tensors : {};
    return { image: tensors[image] ?? null, belief: tensors[belief] ?? null };
  }

  #paintStates() {
    if (!this.palette) return;
    this.states.paint(this.#hasInk ? this.reading.tensors : null, this.palette.state);
  }

  #say() {
    const { sentence, knowledge } = tell(this);
    setText(this.find(".sentence"), sentence);
    setText(this.find(".knowledge"), knowledge);
    const slider = this.find(".axis");
    slider.setAttribute("aria-valuenow", this.row === null ? 1 : this.row + 1);
    // While a drawing changes, a screen reader would have to say every reading of it.
    if (this.row === this.toldRow && !this.isAtRest) return;
    this.toldRow = this.row;
    slider.setAttribute("aria-valuetext", this.row === null ? strings.NO_ROW : sentence);
  }

  #axis(steps) {
    for (let row = 1; row <= steps; row++) {
      const tick = document.createElement("span");
      const isLabelled = row === 1 || row % 7 === 0;
      tick.textContent = isLabelled ? row : "";
      this.find(".axis").append(tick);
    }
    this.find(".axis").setAttribute("aria-valuemax", steps);
  }

  #layerChoice() {
    const { layers } = this.config;
    this.find(".layers").hidden = layers.length < 2;
    this.find(".layers").replaceChildren(this.find(".layers legend"));
    for (const { number } of layers) {
      const choice = document.createElement("label");
      choice.innerHTML = `<input type="radio" value="${number}"><span>${number}</span>`;
      const input = choice.firstChild;
      input.name = `layer of ${this.config.model.name}`; // two networks are two groups
      input.addEventListener("change", () => this.chooseLayer(number));
      this.find(".layers").append(choice);
    }
  }

  #watchTheme() {
    const repaint = () => {
      this.palette = readPalette(this.root);
      paintRamp(this.find(".belief-ramp"), this.palette.belief);
      const why = this.find(".why-ramp"); // a second network's view has none
      if (why) paintRamp(why, this.palette.state);
      this.#paint();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    repaint();
  }
}
