// A panel's exercise on the real network, with what is drawn on the first tab.

import { packDrawing } from "../core/protocol.js";
import { Controls } from "./controls.js";
import { el, format } from "./elements.js";
import { numbers, Refusal } from "./server.js";
import * as strings from "./strings.js";

/**
 * `spec.drawing`: {controls, show(c)}; the panel's text `drawing` says what it is. `show` gives elements of the server's `c.numbers`
 * (`POST lab/drawing/PANEL.json`), `c.values`, `c.f`, `c.set`, `c.go`, which opens a panel or the
 * first tab (null), and `c.app`. With `recorded: NAME` `c.recorded` has `lab/recorded/NAME.json`,
 * false where there is none;
 * with `isAsked: false` nothing else is asked for.
 */
export class Drawing {
  constructor(app, spec, signal, go) {
    Object.assign(this, { app, spec, signal, go });
    const { options } = app;
    this.controls = new Controls(options, spec.drawing.controls ?? [], (name) => this.#changed(name));
    this.image = el("canvas", { class: "lab-drawn", width: 28, height: 28, role: "img", "aria-label": strings.THE_DRAWING });
    this.place = el("div", { class: "lab-drawing-result" });
    this.status = el("p", { class: "lab-status", role: "status" });
    const change = el("button", { type: "button", onclick: () => go(null) }, strings.CHANGE_DRAWING);
    this.element = el("details", { class: "lab-drawing" }, el("summary", {}, strings.ON_YOUR_DRAWING),
      el("p", { class: "lab-lead" }, strings.PANELS[spec.name].drawing),
      el("div", { class: "lab-drawing-head" }, el("div", { class: "lab-yours" }, this.image, change), this.controls.element),
      this.status, this.place);
    this.element.open = Boolean(options.get("lab-drawing"));
    this.element.addEventListener("toggle", () => {
      options.set("lab-drawing", this.element.open ? 1 : null);
      this.ask();
    });
    app.events.addEventListener("reading", () => this.ask(), { signal });
    this.ask();
  }

  #changed(name) {
    if (this.spec.drawing.controls.find((control) => control.name === name).local) this.#render();
    else this.ask();
  }

  async ask() {
    this.isDue = true;
    if (this.isAsking || !this.element.open || this.app.root.hidden === false) return;
    this.isAsking = true;
    while (this.isDue && !this.signal.aborted) {
      this.isDue = false;
      await this.#fetch();
    }
    this.isAsking = false;
  }

  async #fetch() {
    const { app, spec } = this;
    const { drawing } = spec;
    if (!app.reading?.has_ink) {
      this.status.textContent = strings.NO_DRAWING;
      return;
    }
    this.#showImage();
    try {
      if (drawing.recorded) this.recorded ??= await recorded(drawing.recorded);
      if (drawing.isAsked !== false) {
        this.numbers = await numbers(`drawing/${spec.name}`, this.controls.query, packDrawing(0, app.pad.drawing));
      }
      this.status.textContent = "";
      this.#render();
    } catch (error) {
      this.status.textContent = error instanceof Refusal ? error.message : strings.NO_ANSWER;
    }
  }

  #render() {
    if (this.signal.aborted || (!this.numbers && this.spec.drawing.isAsked !== false)) return;
    const key = document.activeElement?.dataset?.key;
    const found = this.spec.drawing.show({
      app: this.app,
      texts: strings.PANELS[this.spec.name],
      numbers: this.numbers,
      recorded: this.recorded,
      values: this.controls.values,
      f: format,
      set: (name, text) => this.controls.set(name, text),
      go: this.go,
    });
    this.place.replaceChildren(...[found].flat(Infinity).filter(Boolean));
    if (key) this.element.querySelector(`[data-key="${key}"]`)?.focus();
  }

  #showImage() {
    const { data } = this.app.reading.tensors[this.app.config.outputs.image];
    const context = this.image.getContext("2d");
    const pixels = context.createImageData(28, 28);
    data.forEach((ink, i) => pixels.data.set([ink, ink, ink, 255], 4 * i));
    context.putImageData(pixels, 0, 0);
  }
}

async function recorded(name) {
  try {
    return await numbers(`recorded/${name}`, {});
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
