// Time: the readers sweep over the rows from both ends, played, stepped or scrubbed.

import { setText } from "../core/dom.js";
import * as strings from "../core/strings.js";

const STEP = 250; // milliseconds a row at speed 1
const HOLD = 6; // steps for which the meeting and the end stand still, to be read
const SPEED = "speed"; // among the app's options

export function installPlayer(app) {
  new Player(app);
}

/** Play what is drawn, at once or when it has been read: a network just chosen has not yet. */
export function playWhenRead(app) {
  const play = app.root.querySelector(".transport .play");
  const act = () => play.classList.contains("playing") || play.click();
  if (app.reading?.has_ink) act();
  else app.events.addEventListener("reading", act, { once: true });
}

/**
 * `time` is the number of rows that each reader has read, null when nothing is being played
 * and everything shows. Dispatches on the app's events: sweep, with `time` as its detail.
 */
class Player {
  constructor(app) {
    this.app = app;
    this.time = null;
    this.timer = null; // runs while playing
    const find = (selector) => app.root.querySelector(`.transport ${selector}`);
    this.buttons = {
      back: find(".step-back"),
      play: find(".play"),
      on: find(".step-on"),
    };
    this.scrub = find(".scrub");
    this.speed = find(".speed");
    this.calm = find(".calm");
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
    this.#listen();
    this.#offer();
  }

  get #end() {
    return this.app.config.steps;
  }

  get #meeting() {
    return this.#end / 2;
  }

  get #isPlaying() {
    return this.timer !== null;
  }

  /** Go on from here; from the start where nothing, or all, has been played. */
  play() {
    if (!this.app.reading?.has_ink) return;
    this.app.cursor.pin(null);
    if (this.reduced.matches) return this.seek(this.#meeting);
    this.#goTo(this.time === null || this.time === this.#end ? 0 : this.time);
    this.#schedule();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.#show();
  }

  /** Show everything again. */
  stop() {
    if (this.time === null) return;
    this.time = null;
    this.pause();
    this.#tell();
  }

  /** Stand still after `time` rows. */
  seek(time) {
    if (!this.app.reading?.has_ink) return;
    this.app.cursor.pin(null);
    this.#goTo(Math.min(this.#end, Math.max(0, time)));
    this.pause();
  }

  /** One row on or back, as far as there is one: at rest all rows are read. */
  step(by) {
    const { root, reading } = this.app;
    const from = this.time ?? this.#end;
    if (!reading?.has_ink || from === (by > 0 ? this.#end : 0)) return;
    this.seek(from + by);
    setText(root.querySelector(".spoken"), root.querySelector(".sentence").textContent);
  }

  #schedule() {
    const isHeld = this.time === this.#end || (this.#hasBackward && this.time === this.#meeting);
    const wait = (STEP * (isHeld ? HOLD : 1)) / Number(this.speed.value);
    this.timer = setTimeout(() => {
      if (this.time === this.#end) return this.stop();
      this.#goTo(this.time + 1);
      this.#schedule();
    }, wait);
    this.#show();
  }

  get #hasBackward() {
    return Boolean(this.app.config.layers[0].backward);
  }

  #goTo(time) {
    this.time = time;
    this.#tell();
  }

  #tell() {
    this.app.view.mark(this.time === null ? this.app.cursor.row : null);
    this.app.view.sweep(this.time);
    this.#show();
    this.app.events.dispatchEvent(new CustomEvent("sweep", { detail: this.time }));
  }

  /** Make the controls say what is. */
  #show() {
    const { root, reading } = this.app;
    const { back, play, on } = this.buttons;
    const time = this.time ?? this.#end;
    for (const control of [play, this.scrub]) control.disabled = !reading?.has_ink;
    this.scrub.value = time;
    for (const [control, end] of [[back, 0], [on, this.#end]]) {
      // A button that is disabled lets no key through: the slider goes on in its place.
      if (time === end && control.matches(":focus")) this.scrub.focus({ preventScroll: true });
      control.disabled = !reading?.has_ink || time === end;
    }
    const said = root.querySelector(".sentence").textContent;
    this.scrub.setAttribute("aria-valuetext", this.time === null ? strings.ALL_READ : said);
    play.classList.toggle("playing", this.#isPlaying);
    const label = this.#isPlaying ? strings.PAUSE : strings.PLAY;
    setText(play.querySelector("span"), this.reduced.matches ? strings.HALF_WAY : label);
  }

  /** @param value one of those offered, else the speed is 1; a link may hold anything */
  #setSpeed(value) {
    const isOffered = [...this.speed.options].some((option) => option.value === value);
    this.speed.value = isOffered ? value : "1";
  }

  #listen() {
    const { root, events, options, cursor, shortcuts } = this.app;
    const { back, play, on } = this.buttons;
    const toggle = () => (this.#isPlaying ? this.pause() : this.play());
    play.addEventListener("click", toggle);
    back.addEventListener("click", () => this.step(-1));
    on.addEventListener("click", () => this.step(1));
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.speed.addEventListener("change", () => {
      options.set(SPEED, this.speed.value === "1" ? null : this.speed.value);
    });
    options.changed(SPEED, (value) => this.#setSpeed(value));
    this.#setSpeed(options.get(SPEED));
    this.reduced.addEventListener("change", () => this.#offer());

    events.addEventListener("drawing", () => this.stop());
    events.addEventListener("model", () => this.stop());
    events.addEventListener("reading", ({ detail: reading }) => {
      if (this.scrub.disabled === reading.has_ink) this.#show();
    });
    events.addEventListener("row", ({ detail: row }) => {
      if (this.time === null || row === null) return;
      if (cursor.pinned !== null) this.stop();
      else if (this.#isPlaying) this.app.view.mark(null); // the pointer only happens to be there
    });
    this.#playOnce();

    shortcuts.add(" ", toggle, play);
    shortcuts.add(",", () => this.step(-1), back, { repeats: true });
    shortcuts.add(".", () => this.step(1), on, { repeats: true });
    root.ownerDocument.addEventListener("keydown", ({ key }) => key === "Escape" && this.stop());
  }

  /** When the first example has been drawn, unless someone has begun to do something. */
  #playOnce() {
    const { root, events, pad } = this.app;
    const own = new AbortController();
    const busy = () => own.abort();
    const once = { signal: own.signal, once: true };
    for (const action of ["pointerdown", "keydown", "wheel", "touchstart"]) {
      root.ownerDocument.addEventListener(action, busy, { ...once, passive: true, capture: true });
    }
    events.addEventListener("row", busy, once);
    events.addEventListener(
      "rest",
      () => {
        own.abort();
        if (pad.isExample && !this.reduced.matches) this.play();
      },
      once,
    );
  }

  /** Play, or where motion is reduced a still to step from. */
  #offer() {
    this.calm.hidden = !this.reduced.matches;
    this.speed.hidden = this.reduced.matches;
    if (this.reduced.matches && this.#isPlaying) this.pause();
    this.#show();
  }
}
