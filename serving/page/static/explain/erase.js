// What the answer would be without a row or a stroke: told at once, and shown on request.

import { button, setText } from "../core/dom.js";
import { flippingRows, hasInk, isGuess, likeliest, withoutPart, withoutRow } from "./why.js";
import * as strings from "../core/strings.js";

const ERASE = "erase"; // among the app's options: what is erased until further notice
const ROW = "row"; // the marked one; else the number of a stroke, 1 for the first

export class Erase {
  constructor(app) {
    const { root, events, options, pad } = app;
    this.app = app;
    this.explanation = null;
    this.pointed = null; // index of the stroke that pointer or focus is at
    this.find = (selector) => root.querySelector(selector);
    this.button = this.find(".erase");
    this.button.addEventListener("click", () => this.#toggle());
    app.shortcuts.add("e", () => this.#toggle(), this.button);
    events.addEventListener("row", () => this.#show());
    events.addEventListener("drawing", () => {
      this.pointed = null;
      this.#putStrokeBack();
      this.#show();
    });
    events.addEventListener("sweep", ({ detail: time }) => time !== null && this.#putStrokeBack());
    options.changed(ERASE, () => this.#show());
    this.hole = document.createElement("i");
    this.hole.className = "hole";
    this.find(".image-panel .rows").append(this.hole);
    this.ghost = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.ghost.setAttribute("viewBox", "0 0 1 1");
    this.ghost.setAttribute("class", "missing");
    this.ghost.innerHTML = `<polyline stroke-width="${pad.brush}"/><polyline/>`;
    this.find(".pad").append(this.ghost);
    this.#show();
  }

  /** @param explanation of `explanation.js`, or null */
  show(explanation) {
    this.explanation = explanation;
    this.#chips();
    this.#show();
  }

  #toggle() {
    if (!this.button.disabled) this.#erase(this.#isErasing ? null : ROW);
  }

  /** @param what `ROW`, the number of a stroke, or null for nothing */
  #erase(what) {
    this.app.options.set(ERASE, what);
  }

  /** A stroke stays erased no longer: the drawing is another, or is being read anew. */
  #putStrokeBack() {
    if (!this.#isErasing) this.#erase(null);
  }

  get #isErasing() {
    return this.app.options.get(ERASE) === ROW;
  }

  /** Index of the stroke that is shown as missing, or null. */
  get #stroke() {
    const count = this.explanation?.erasedStrokes?.shape[0] ?? 0;
    const stroke = this.pointed ?? Number(this.app.options.get(ERASE)) - 1;
    return Number.isInteger(stroke) && stroke >= 0 && stroke < count ? stroke : null; // a link may hold anything
  }

  #look(stroke) {
    if (stroke === this.pointed) return;
    this.pointed = stroke;
    this.#show();
  }

  #show() {
    const { app, explanation } = this;
    if (app.cursor.row === null && this.#isErasing) return this.#erase(null); // which comes back here
    const row = explanation && app.cursor.row;
    this.#offer(row);
    const stroke = this.#stroke;
    const missing = this.#missing(row, stroke);
    setText(this.find(".without"), this.#sentence(row, stroke));
    [...this.find(".chips").children].forEach((chip, index) => {
      chip.setAttribute("aria-pressed", app.options.get(ERASE) === String(index + 1));
    });
    // An explanation of an earlier drawing would replace a newer answer.
    const isShown = Boolean(missing) && explanation.sequence === app.sequence;
    app.root.classList.toggle("erasing", isShown && stroke === null);
    app.root.classList.toggle("missing-stroke", isShown && stroke !== null);
    if (stroke !== null) this.#outline(app.pad.strokes[stroke] ?? []);
    this.#suppose(isShown ? missing : null);
  }

  /** Make the button say what it would erase, or why there is nothing to erase. */
  #offer(row) {
    const { app, button, explanation } = this;
    let reason = "";
    if (!explanation) reason = strings.ERASE_LATER;
    else if (row === null) reason = strings.MARK_FIRST;
    else if (!hasInk(explanation, row)) reason = strings.noInk(row + 1);
    if (reason && button.matches(":focus")) app.cursor.slider.focus({ preventScroll: true });
    button.disabled = Boolean(reason);
    button.title = reason;
    button.setAttribute("aria-description", reason);
    button.setAttribute("aria-pressed", this.#isErasing);
    setText(button, strings.eraseRow(row === null ? null : row + 1));
  }

  /** What the answer is shown without: {tensor, index, part}, or null. */
  #missing(row, stroke) {
    const { explanation } = this;
    if (stroke !== null) return { tensor: explanation.erasedStrokes, index: stroke, part: strings.theStroke(stroke + 1) };
    if (row === null || !this.#isErasing || !hasInk(explanation, row)) return null;
    return { tensor: explanation.erasedRows, index: row, part: strings.theRow(row + 1) };
  }

  #sentence(row, stroke) {
    const { explanation } = this;
    if (!explanation) return strings.MARK_A_ROW;
    if (stroke !== null) return withoutPart(explanation, this.#missing(row, stroke));
    if (row !== null) return withoutRow(explanation, row);
    return strings.whatIf(flippingRows(explanation).map(({ row }) => row + 1), isGuess(explanation));
  }

  #suppose(missing) {
    const { view } = this.app;
    const before = Boolean(view.supposed);
    if (missing) {
      const { shape: [, digits], data } = missing.tensor;
      const from = missing.index * digits;
      view.suppose(data.slice(from, from + digits), strings.withoutPart(missing.part));
    } else {
      view.suppose(null);
    }
    if (before !== Boolean(missing)) view.mark(view.row); // its sentence says which drawing it is of
  }

  /** One button for each stroke; they stay while the drawing changes, so that focus does too. */
  #chips() {
    const tensor = this.explanation?.erasedStrokes;
    const chips = this.find(".chips");
    const count = tensor ? tensor.shape[0] : 0;
    while (chips.children.length > count) chips.lastChild.remove();
    while (chips.children.length < count) chips.append(this.#chip(chips.children.length));
    [...chips.children].forEach((chip, index) => {
      const { digit } = likeliest(tensor, index);
      const [name, result] = strings.chip(index + 1, digit);
      setText(chip.querySelector("b"), name);
      setText(chip.querySelector("small"), result);
      chip.classList.toggle("flips", digit !== this.explanation.digit);
      const part = strings.theStroke(index + 1);
      chip.setAttribute("aria-label", `${name}. ${withoutPart(this.explanation, { tensor, index, part })}`);
    });
  }

  #chip(index) {
    const chip = button("");
    chip.innerHTML = "<b></b><small></small>";
    for (const [event, stroke] of [["pointerenter", index], ["pointerleave", null], ["focus", index], ["blur", null]]) {
      chip.addEventListener(event, () => this.#look(stroke));
    }
    chip.addEventListener("click", () => {
      const number = String(index + 1);
      this.#erase(this.app.options.get(ERASE) === number ? null : number);
    });
    return chip;
  }

  #outline(points) {
    const text = points.map((point) => point.join(",")).join(" ");
    for (const line of this.ghost.children) line.setAttribute("points", text);
  }
}
