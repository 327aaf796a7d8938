// What every part of the page shares: the drawing, the network that reads it, the newest
// reading and the marked row. Parts talk through `events`, never to each other.

import { Pad } from "../drawing/pad.js";
import { RowCursor } from "../reading/cursor.js";
import { View } from "../reading/view.js";
import { Connection } from "./connection.js";
import { Alert } from "./messages.js";
import { Shortcuts } from "./shortcuts.js";
import * as strings from "./strings.js";

const REST = 700; // milliseconds without a change after which the drawing may be complete
const CONFIG_RETRY = 2000;

/** The app, once the server has told what the page must know. */
export async function open(root) {
  const alert = new Alert(root.querySelector(".alert"));
  return new App(root, alert, await loadConfig(alert));
}

/**
 * `events` dispatches, each with `detail`:
 * - drawing {sequence, time}: the pad's content has changed
 * - reading: the newest reading (`protocol.js`), after the pictures were painted
 * - rest: the reading, when nothing has changed for 0.7 s
 * - row: the marked row, 0 for the first, or null
 * - layer: the layer chosen, 1 for the first
 * - model: the new config, when another network reads
 * - second: the config of the network that is compared with, null when there is none
 * - link: a link has been followed, after the options have changed
 * - sweep: rows that each reader has read, while that is played or stepped; null when it ends
 */
class App {
  constructor(root, alert, config) {
    Object.assign(this, { root, alert, config });
    this.events = new EventTarget();
    this.options = new Options();
    this.shortcuts = new Shortcuts(root.querySelector(".uses-keys"));
    this.reading = null;
    // A drawing's number grows with every change, so a result is stale if it is lower than
    // one already shown.
    this.sequence = 0;
    this.shown = 0;
    this.isRestored = false; // a link has brought the drawing
    this.isTroubled = false; // lost or refused, and nothing read since
    this.blank = root.cloneNode(true); // with nothing put into it yet
    this.view = new View(root, config, (layer) => this.#tell("layer", layer));
    this.connection = this.#connect();
    this.pad = new Pad(root.querySelector(".pad-ink"), {
      brush: config.brush,
      limits: config.limits,
      onFull: () => alert.show(strings.PAD_FULL),
      onChange: (time) => this.#read(time),
    });
    this.cursor = new RowCursor({
      root,
      panels: root.querySelectorAll(".rows, .axis"),
      slider: root.querySelector(".axis"),
      steps: config.steps,
      onMove: () => {
        this.view.mark(this.cursor.row);
        this.#tell("row", this.cursor.row);
      },
    });
  }

  /**
   * Let another network read what is drawn.
   * @throws when the server does not know it; everything then stays as it is
   */
  async useModel(name) {
    const isHere = () => this.config.model.name === name;
    this.wanted = name; // also if it is here: another one may be on its way
    if (isHere()) return;
    const config = await fetchConfig(name);
    if (this.wanted !== name || isHere()) return; // another was chosen meanwhile, or came first
    this.config = config;
    this.reading = null; // it is the other network's
    this.connection.close();
    this.view.configure(this.config);
    this.#tell("model", this.config);
    this.connection = this.#connect();
    this.#read(performance.now());
  }

  #connect() {
    const connection = new Connection(streamUrl(this.config), {
      onReading: (reading) => this.#show(reading),
      onRefusal: (reason) => this.#trouble(strings.refused(reason)),
      onLost: (wait, reason) => {
        const { admitted } = this.config;
        const text = admitted ? strings.lost(wait / 1000, reason) : strings.notAdmitted(location.origin);
        this.#trouble(text, () => connection.open());
      },
      onConnected: () => this.alert.hide(),
    });
    return connection;
  }

  #read(time) {
    this.sequence++;
    clearTimeout(this.restTimer);
    if (!this.isTroubled && !this.pad.isFull) this.alert.hide(); // of something else than this
    this.connection.send(this.sequence, this.pad.drawing);
    this.#showAge();
    this.#tell("drawing", { sequence: this.sequence, time });
    this.root.dispatchEvent(
      new CustomEvent("drawn", { detail: { sequence: this.sequence, time } }),
    );
  }

  #show(reading) {
    if (reading.sequence < this.shown) return;
    this.shown = reading.sequence;
    this.reading = reading;
    if (this.isTroubled) this.alert.hide();
    this.isTroubled = false;
    this.view.show(reading);
    this.#showAge();
    clearTimeout(this.restTimer);
    if (reading.sequence === this.sequence) this.restTimer = setTimeout(() => this.#rest(), REST);
    this.#tell("reading", reading);
    this.root.dispatchEvent(
      new CustomEvent("painted", { detail: { sequence: reading.sequence } }),
    );
  }

  #rest() {
    this.view.rest();
    this.#tell("rest", this.reading);
  }

  #trouble(text, onRetry) {
    this.isTroubled = true;
    this.#showAge();
    this.alert.show(text, onRetry);
  }

  #showAge() {
    this.view.age(this.isTroubled && this.sequence > this.shown);
  }

  #tell(name, detail) {
    this.events.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** The address of a page's own file or route, for the network `model`. */
export function address(path, model) {
  const url = new URL(path, document.baseURI);
  if (model) url.searchParams.set("model", model);
  return url;
}

export function streamUrl({ stream, model }) {
  const url = address(stream, model.name);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** @throws with the server's reason when the network cannot be had */
export async function fetchConfig(model) {
  const url = address("live/config.json", model);
  url.searchParams.set("origin", location.origin); // which browsers do not send with it
  const asked = model ? null : globalThis.scanlineConfig; // by index.html
  if (asked) globalThis.scanlineConfig = null;
  const response = await (asked ?? fetch(url)).catch(() => {
    throw new Error(strings.NO_ANSWER); // the browser's own words are not for people
  });
  if (response.ok) return response.json();
  const { error } = await response.json().catch(() => ({})); // a proxy's page is no JSON
  throw new Error(error ?? strings.answered(response.status));
}

async function loadConfig(alert) {
  for (;;) {
    try {
      const config = await fetchConfig();
      alert.hide();
      return config;
    } catch {
      // no server at all, or one in trouble: wait and ask again
    }
    alert.show(strings.lost(CONFIG_RETRY / 1000));
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY));
  }
}

// What the page's parts have been set to, as far as a link should carry it: the network
// compared with, the speed, and the like. Each part knows its own; none knows the others'.

/** Short texts by name. */
class Options {
  #values = new Map();
  #listeners = new Map();

  /** The text of `name`, null where nothing is set. */
  get(name) {
    return this.#values.get(name) ?? null;
  }

  /** @param value kept as text; null for what a page without a link has */
  set(name, value) {
    const text = value === null || value === undefined ? null : String(value);
    if (text === this.get(name)) return;
    if (text === null) this.#values.delete(name);
    else this.#values.set(name, text);
    this.#tell(name, text);
    this.#tell(ANY, text);
  }

  /** Call `onChange(text or null)` whenever `name` is set to something else, by whomever. */
  changed(name, onChange) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), onChange]);
  }

  /** Call `onChange()` whenever any is set to something else. */
  changedAny(onChange) {
    this.changed(ANY, onChange);
  }

  /** All that are set, as [name, text], by name. */
  get entries() {
    return [...this.#values].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  /** Set exactly these, and forget all others. */
  replace(entries) {
    const next = new Map(entries);
    for (const name of [...this.#values.keys()]) if (!next.has(name)) this.set(name, null);
    for (const [name, text] of next) this.set(name, text);
  }

  #tell(name, text) {
    for (const onChange of this.#listeners.get(name) ?? []) onChange(text);
  }
}

const ANY = Symbol("any");
