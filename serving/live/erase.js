// What the answer would be without a row or a stroke: told at once, and shown on request.

import { button, setText } from "./dom.js";
import { flippingRows, isGuess, likeliest } from "./why.js";
import * as words from "./words.js";

export class Erase {
  constructor(app) {
    const { root, events, pad } = app;
    this.app = app;
    this.explanation = null;
    this.isErasing = false; // the marked row
    this.stroke = null; // index of the one that is looked at
    this.find = (selector) => root.querySelector(selector);
    this.button = this.find(".erase");
    this.button.addEventListener("click", () => this.#toggle());
    app.shortcuts.add("e", () => this.#toggle(), this.button);
    events.addEventListener("row", () => this.#show());
    events.addEventListener("drawing", () => {
      this.stroke = null;
      this.#show();
    });
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
    if (this.button.disabled) return;
    this.isErasing = !this.isErasing;
    this.#show();
  }

  #look(stroke) {
    if (stroke === this.stroke) return;
    this.stroke = stroke;
    this.#show();
  }

  #show() {
    const { app, explanation, stroke } = this;
    const row = explanation && app.cursor.row;
    if (row === null) this.isErasing = false;
    const isMarked = row !== null;
    if (!isMarked && this.button.matches(":focus")) app.cursor.slider.focus({ preventScroll: true });
    this.button.disabled = !isMarked;
    this.button.setAttribute("aria-pressed", this.isErasing);
    setText(this.button, words.eraseRow(isMarked ? row + 1 : null));
    const strokes = stroke === null ? null : explanation?.erasedStrokes;
    const missing = strokes
      ? { tensor: strokes, index: stroke, part: words.theStroke(stroke + 1) }
      : isMarked && { tensor: explanation.erasedRows, index: row, part: words.theRow(row + 1) };
    setText(this.find(".without"), this.#sentence(missing));
    const isNewest = explanation?.sequence === app.sequence; // else it would replace a newer answer
    const isShown = isNewest && Boolean(missing) && (Boolean(strokes) || this.isErasing);
    app.root.classList.toggle("erasing", isShown && !strokes);
    app.root.classList.toggle("missing-stroke", isShown && Boolean(strokes));
    if (strokes) this.#outline(app.pad.strokes[stroke] ?? []);
    if (!isShown) return app.view.suppose(null);
    const { shape: [, digits], data } = missing.tensor;
    const from = missing.index * digits;
    app.view.suppose(data.slice(from, from + digits), words.withoutPart(missing.part));
  }

  #sentence(missing) {
    const { explanation } = this;
    if (missing) return this.#told(missing);
    if (!explanation) return words.MARK_A_ROW;
    return words.whatIf(flippingRows(explanation).map(({ row }) => row + 1), isGuess(explanation));
  }

  #told({ tensor, index, part }) {
    const { digit: answer } = this.explanation;
    return words.without({ part, ...likeliest(tensor, index), answer, isGuess: isGuess(this.explanation) });
  }

  /** One button for each stroke; they stay while the drawing changes, so that focus does too. */
  #chips() {
    const tensor = this.explanation?.erasedStrokes;
    const chips = this.find(".chips");
    const count = tensor ? tensor.shape[0] : 0;
    while (chips.children.length > count) chips.lastChild.remove();
    while (chips.children.length < count) chips.append(this.#chip(chips.children.length));
    if (this.stroke !== null && this.stroke >= count) this.stroke = null;
    [...chips.children].forEach((chip, index) => {
      const { digit } = likeliest(tensor, index);
      const [name, result] = words.chip(index + 1, digit);
      setText(chip.querySelector("b"), name);
      setText(chip.querySelector("small"), result);
      chip.classList.toggle("flips", digit !== this.explanation.digit);
      const part = words.theStroke(index + 1);
      chip.setAttribute("aria-label", `${name}. ${this.#told({ tensor, index, part })}`);
    });
  }

  #chip(index) {
    const chip = button("");
    chip.innerHTML = "<b></b><small></small>";
    for (const [event, stroke] of [["pointerenter", index], ["pointerleave", null], ["focus", index], ["blur", null]]) {
      chip.addEventListener(event, () => this.#look(stroke));
    }
    return chip;
  }

  #outline(points) {
    const text = points.map((point) => point.join(",")).join(" ");
    for (const line of this.ghost.children) line.setAttribute("points", text);
  }
}
