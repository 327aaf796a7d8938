// Which rows and pixels decided: a bar beside each row, and on request the gradient over the
// pictures. Orange and to the right speaks for the digit, blue and to the left against it.

import { setText } from "../core/dom.js";
import { argmax } from "../reading/answer.js";
import { compressed, diverging, groupColumns, Heatmap, quantile, TOLD_APART } from "../reading/panels.js";
import * as strings from "../core/strings.js";

const HALF = 60; // canvas pixels of the longest bar
const CELL = 10; // canvas pixels of one pixel of the image

/**
 * The row whose erasing costs the digit most probability: {row (1 for the top), before, after,
 * digit: what is then likeliest}; null where no row has ink.
 */
function costliestRow(explanation, answer) {
  const { digit, erasedRows: { shape: [rows, digits], data } } = explanation;
  const after = Array.from({ length: rows }, (_, row) => data[row * digits + digit]);
  const inked = [...after.keys()].filter((row) => hasInk(explanation, row));
  if (!inked.length) return null;
  const row = inked.reduce((worst, other) => (after[other] < after[worst] ? other : worst));
  return { row: row + 1, before: answer.data[digit], after: after[row], digit: argmax(data, row * digits, digits) };
}

/** Whether what is explained is but the best guess of a drawing that was rejected. */
export const isGuess = ({ reading }) => reading.verdict.rejected;

/** Rows whose loss changes the answer: [{row, digit}], digit being what it would say. */
export function flippingRows({ erasedRows: { shape, data }, digit }) {
  const [rows, digits] = shape;
  return Array.from({ length: rows }, (_, row) => ({ row, digit: argmax(data, row * digits, digits) }))
    .filter((without) => without.digit !== digit);
}

export class Why {
  constructor(app) {
    const { root, config, options } = app;
    this.app = app;
    this.explanation = null;
    this.isLater = false; // the readers sweep: they do not know the answer yet
    this.find = (selector) => root.querySelector(selector);
    this.bars = this.find("canvas.why");
    this.bars.width = 2 * HALF + 1;
    this.bars.height = config.steps;
    this.layers = Object.fromEntries(
      ["image", "forward", "backward"].map((name) => {
        const canvas = document.createElement("canvas");
        canvas.className = "why-layer";
        this.find(`canvas.${name}`).after(canvas);
        return [name, canvas];
      }),
    );
    this.layers.image.width = CELL * config.pixels;
    this.layers.image.height = CELL * config.steps;
    this.maps = {
      image: new Heatmap(document.createElement("canvas")), // enlarged, for a fine outline
      forward: new Heatmap(this.layers.forward),
      backward: new Heatmap(this.layers.backward),
    };
    this.maps.image.layOut(config.steps, [...Array(config.pixels).keys()]);
    for (const input of root.querySelectorAll(".shows input")) {
      input.addEventListener("change", () => options.set("show", input.value === "why" ? "why" : null));
    }
    options.changed("show", () => this.#choose());
    app.events.addEventListener("row", () => this.#say());
    for (const event of ["layer", "model"]) app.events.addEventListener(event, () => this.#paintLayers());
    app.events.addEventListener("sweep", ({ detail: time }) => {
      this.isLater = time !== null && time < config.steps;
      this.#say();
    });
    setText(this.find(".flips-key b"), strings.NO_DIGIT);
    setText(this.find(".flips-key span"), strings.FLIPS);
    // The view has read the new theme's colours by then: it watched first.
    new MutationObserver(() => this.#paint()).observe(document.body, { attributeFilter: ["class"] });
    this.show(null);
    this.#choose();
  }

  /** @param explanation of `explanation.js`, or null */
  show(explanation) {
    this.explanation = explanation;
    const answer = explanation?.reading.tensors[this.app.config.outputs.answer];
    this.costliest = explanation && costliestRow(explanation, answer);
    this.#say();
    this.#paint();
  }

  get #isOn() {
    return this.app.options.get("show") === "why" && Boolean(this.app.config.explain);
  }

  #choose() {
    this.find(`.shows input[value="${this.#isOn ? "why" : "states"}"]`).checked = true;
    this.#paintLayers();
  }

  #say() {
    const { explanation, costliest } = this;
    const { row } = this.app.cursor;
    const isLater = this.isLater && row === null;
    let title = strings.whyTitle(null);
    let because = "";
    let label = strings.NO_WHY;
    if (explanation && isLater) {
      because = label = strings.WHY_LATER;
    } else if (explanation) {
      const { digit, influence } = explanation;
      const guess = isGuess(explanation);
      title = strings.whyTitle(digit, guess);
      const lowest = argmax(influence.data.map((value) => -value));
      const against = influence.data[lowest] < 0 ? lowest + 1 : null;
      label = strings.whyLabel({ digit, costliest, against, isGuess: guess });
      because = row === null ? strings.matters(costliest, digit, guess) : withoutRow(explanation, row);
    }
    setText(this.find(".why-panel h2"), title);
    setText(this.find(".because"), because);
    this.bars.setAttribute("aria-label", label);
    setText(this.find(".why-legend"), strings.whyLegend(explanation?.digit));
  }

  #paint() {
    this.#paintBars();
    this.#paintFlips();
    this.#paintLayers();
  }

  #paintBars() {
    const { width, height } = this.bars;
    const image = new ImageData(width, height);
    const cells = new Uint32Array(image.data.buffer);
    const values = this.explanation?.influence.data ?? [];
    const most = Math.max(...values.map(Math.abs)) || 1;
    values.forEach((value, row) => {
      const length = Math.round((HALF * Math.abs(value)) / most);
      const from = row * width + (value < 0 ? HALF - length : HALF + 1);
      cells.fill(this.app.view.palette.state.at(value < 0 ? 0 : -1), from, from + length);
    });
    this.bars.getContext("2d").putImageData(image, 0, 0);
  }

  #paintFlips() {
    const runs = [];
    for (const { row, digit } of this.explanation ? flippingRows(this.explanation) : []) {
      const last = runs.at(-1);
      if (last?.digit === digit && last.row + last.rows === row) last.rows++;
      else runs.push({ digit, row, rows: 1 });
    }
    const key = JSON.stringify(runs);
    if (key === this.flips) return;
    this.flips = key;
    this.find(".flips-key").classList.toggle("idle", !runs.length);
    if (runs.length) setText(this.find(".flips-key b"), runs[0].digit);
    this.find(".flips").replaceChildren(
      ...runs.map(({ digit, row, rows }) => {
        const item = document.createElement("li");
        item.style.setProperty("--from", row);
        item.style.setProperty("--rows", rows);
        item.textContent = digit;
        return item;
      }),
    );
  }

  #paintLayers() {
    const { explanation, app } = this;
    const { forward, backward } = this.maps;
    const isShown = this.#isOn && Boolean(explanation);
    app.root.classList.toggle("shows-why", isShown);
    if (!isShown) return;
    this.#paintPixels();
    const readers = Object.entries({ forward, backward }).map(([direction, map]) => ({ map, reader: app.view.layer[direction] }))
      .filter(({ reader }) => explanation.states[reader?.name] && explanation.reading.tensors[reader.name]);
    const products = readers.map(({ reader }) => {
      return product(explanation.states[reader.name], explanation.reading.tensors[reader.name]);
    });
    const limit = quantile(products, TOLD_APART) || 1;
    readers.forEach(({ map, reader }, i) => {
      map.layOut(app.config.steps, groupColumns(reader.groups));
      map.paint(products[i], this.app.view.palette.state, compressed(limit));
    });
  }

  /** The gradient by pixel, with the outline of the ink. */
  #paintPixels() {
    const { gradient } = this.explanation;
    const [rows, columns] = gradient.shape;
    const { data: ink } = this.explanation.image;
    const scale = diverging(quantile([gradient], TOLD_APART) || 1);
    const small = this.maps.image;
    small.paint(gradient, this.app.view.palette.state, scale);
    const context = this.layers.image.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small.canvas, 0, 0, CELL * columns, CELL * rows);
    const isInk = (row, column) => column < columns && row < rows && ink[row * columns + column] > this.app.config.white / 2;
    context.beginPath();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const [x, y] = [CELL * (column + 1), CELL * (row + 1)];
        if (isInk(row, column) !== isInk(row, column + 1)) context.rect(x - 1, y - CELL, 2, CELL);
        if (isInk(row, column) !== isInk(row + 1, column)) context.rect(x - CELL, y - 1, CELL, 2);
      }
    }
    context.fillStyle = getComputedStyle(this.app.root).getPropertyValue("--text");
    context.fill();
  }
}

/** The digit that leads in a row of a tensor (rows, digits), and its probability. */
export function likeliest({ shape: [, digits], data }, row) {
  const digit = argmax(data, row * digits, digits);
  return { digit, probability: data[row * digits + digit] };
}

/** Whether there is something to erase in a row. */
export function hasInk({ image: { shape: [, width], data } }, row) {
  return data.subarray(row * width, (row + 1) * width).some((pixel) => pixel > 0);
}

/** The answer without a part, in words: row `index` of `tensor` has its probabilities. */
export function withoutPart(explanation, { tensor, index, part }) {
  const { digit: answer } = explanation;
  return strings.without({ part, ...likeliest(tensor, index), answer, isGuess: isGuess(explanation) });
}

/** The same of a row; one without ink teaches nothing. */
export function withoutRow(explanation, row) {
  if (!hasInk(explanation, row)) return strings.noInk(row + 1);
  return withoutPart(explanation, { tensor: explanation.erasedRows, index: row, part: strings.theRow(row + 1) });
}

/** Gradient times state: what each state gives to the digit, by a small share. */
function product(gradient, states) {
  return { shape: states.shape, data: gradient.data.map((value, i) => value * states.data[i]) };
}
