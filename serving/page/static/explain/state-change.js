// What a stroke changes: beside each row of the states' pictures, a bar as long as the row's
// states have moved since the stroke began. It fades once the pen rests.

import { setText } from "../core/dom.js";
import { DIRECTIONS } from "../reading/panels.js";
import * as strings from "../core/strings.js";

const LONGEST = 24; // canvas pixels of a bar
const NOTICED = 0.05; // of the strongest change; less does not count as changed
const PAUSE = 100; // milliseconds from one picture to the next: the reading comes first

export function installStateChange(app) {
  new Ghost(app);
}

class Ghost {
  constructor(app) {
    const { root, events, options } = app;
    this.app = app;
    this.strokes = app.pad.strokes;
    this.before = null; // the newest reading from before the stroke
    this.began = 0; // sequence of the last drawing before it
    this.note = root.querySelector(".changed-note");
    this.margins = Object.fromEntries(
      DIRECTIONS.map((direction) => {
        const margin = document.createElement("div");
        margin.className = "changed";
        margin.setAttribute("aria-hidden", "true");
        margin.innerHTML = `<canvas width="${LONGEST}" height="${app.config.steps}"></canvas><span></span>`;
        setText(margin.lastChild, strings.CHANGED);
        root.querySelector(`.${direction}-panel .rows`).append(margin);
        return [direction, margin];
      }),
    );
    const box = root.querySelector(".shows-change");
    box.addEventListener("change", () => options.set("change", box.checked ? null : "off"));
    const choose = () => {
      box.checked = options.get("change") !== "off";
      root.classList.toggle("hides-change", !box.checked);
    };
    options.changed("change", choose);
    choose();
    events.addEventListener("drawing", ({ detail }) => this.#follow(detail.sequence));
    events.addEventListener("reading", ({ detail }) => this.#read(detail));
    events.addEventListener("rest", () => {
      root.classList.add("change-fades");
      this.#show();
      this.#say();
    });
    // The view has read the new theme's colours by then: it watched first.
    new MutationObserver(() => this.#show()).observe(document.body, { attributeFilter: ["class"] });
    events.addEventListener("layer", () => {
      this.#show();
      this.#say();
    });
    events.addEventListener("model", () => this.#forget());
    this.#show();
    this.#say();
  }

  /** Undo, clear and examples show other drawings; only a stroke more is a change by the pen. */
  #follow(sequence) {
    const { pad, reading, root } = this.app;
    const { strokes } = pad;
    const isSame = strokes === this.strokes;
    const isOneMore =
      strokes.length === this.strokes.length + 1 && this.strokes.every((stroke, i) => stroke === strokes[i]);
    this.strokes = strokes;
    if (isSame) return root.classList.remove("change-fades");
    if (!isOneMore || !reading) return this.#forget();
    this.before = reading;
    this.began = sequence - 1;
    root.classList.remove("change-fades");
  }

  #read(reading) {
    if (!this.before) return;
    if (reading.sequence <= this.began) this.before = reading; // it was still on its way
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.#show();
    }, PAUSE);
  }

  #forget() {
    if (!this.before) return;
    this.before = null;
    this.#show();
    this.#say();
  }

  #show() {
    const { app, before } = this;
    const now = before && app.reading?.sequence > this.began ? app.reading : null;
    this.changes = DIRECTIONS.map((direction) => {
      const name = app.view.layer[direction]?.name;
      return now && name ? change(before.tensors[name], now.tensors[name]) : null;
    });
    this.most = Math.max(...this.changes.map((sizes) => (sizes ? Math.max(...sizes) : 0)));
    DIRECTIONS.forEach((direction, i) => this.#paint(this.margins[direction], this.changes[i]));
  }

  #say() {
    const runs = this.changes.map((sizes) => sizes && runsAbove(sizes, NOTICED * this.most));
    const [forward, backward] = runs;
    setText(this.note, forward ? strings.changed({ forward, backward }) : strings.NOT_CHANGED);
  }

  #paint(margin, sizes) {
    margin.hidden = !sizes || !this.most;
    if (margin.hidden) return;
    const canvas = margin.firstChild;
    const image = new ImageData(canvas.width, canvas.height);
    const cells = new Uint32Array(image.data.buffer);
    const colour = this.app.view.palette.belief.at(-1);
    sizes.forEach((size, row) => {
      const from = row * canvas.width;
      cells.fill(colour, from, from + Math.round((LONGEST * size) / this.most));
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
}

/** Length of the difference of two tensors (rows, units), by row. */
function change({ shape: [rows, units], data: before }, { data: after }) {
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * units; i < (row + 1) * units; i++) sum += (after[i] - before[i]) ** 2;
    return Math.sqrt(sum);
  });
}

/** Runs of rows whose size is above `least`: [{from, to}], 1 for the first row. */
function runsAbove(sizes, least) {
  const runs = [];
  sizes.forEach((size, row) => {
    if (size <= least) return;
    const last = runs.at(-1);
    if (last?.to === row) last.to = row + 1;
    else runs.push({ from: row + 1, to: row + 1 });
  });
  return runs;
}
