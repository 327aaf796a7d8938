// Two networks on the same drawing: the choice of the second, and what keeps it in step.

import { fetchConfig } from "../core/app.js";
import { labelledSelect } from "../core/dom.js";
import { notify } from "../core/notice.js";
import { Second } from "./comparison.js";
import * as words from "../core/strings.js";

const NAME = "compare"; // among the app's options
const LAYER = "layer2";

export function installCompare(app) {
  if (app.config.models.length > 1) new Compare(app);
}

class Compare {
  constructor(app) {
    const { root, events, options, view } = app;
    this.app = app;
    this.second = null; // made when first wanted
    this.first = app.config.model.name;
    this.select = labelledSelect(root.querySelector(".networks"), words.COMPARE_WITH);
    this.#offer();
    this.select.addEventListener("change", () => options.set(NAME, this.select.value || null));
    options.changed(NAME, () => this.#choose());
    options.changed(LAYER, () => this.#chooseLayer());

    const follow = (event, act) => events.addEventListener(event, ({ detail }) => {
      if (this.isOn) act(this.second, detail);
    });
    // The first network's reading is on the screen by then: it never waits for the second's.
    follow("reading", (second) => second.read(app.sequence, app.pad.drawing));
    follow("rest", (second, { sequence }) => second.rest(sequence));
    follow("row", ({ view: below }) => below.mark(view.row));
    follow("sweep", ({ view: below }, time) => {
      below.mark(view.row);
      below.sweep(time);
    });
    events.addEventListener("model", () => this.#swap());
    this.#choose();
  }

  get isOn() {
    return Boolean(this.second?.connection);
  }

  /** Let the network read that the options name. */
  async #choose() {
    const { root, options, config } = this.app;
    const name = options.get(NAME);
    this.select.value = name ?? "";
    if (name === config.model.name) return options.set(NAME, null); // a link may say so
    if (this.isOn && this.second.config.model.name === name) return;
    this.second?.close();
    root.classList.toggle("comparing", name !== null);
    if (name === null) return options.set(LAYER, null);
    let second;
    try {
      second = await fetchConfig(name);
    } catch (error) {
      if (name !== options.get(NAME)) return;
      notify(root, words.networkUnusable(name, error.message));
      return options.set(NAME, null);
    }
    if (name === options.get(NAME)) this.#show(second); // else another was chosen meanwhile
  }

  #show(config) {
    const { options, view, sequence, pad, reading } = this.app;
    const layer = options.get(LAYER);
    if (this.second) this.second.use(config);
    else this.second = this.#make(config);
    options.set(LAYER, layer); // a new network starts with its first
    this.#chooseLayer();
    this.second.view.mark(view.row);
    this.second.view.sweep(view.time);
    this.second.read(sequence, pad.drawing);
    if (view.isAtRest) this.second.rest(reading.sequence);
  }

  #make(config) {
    const { root, options, cursor, secondParts } = this.app;
    const place = root.querySelector(".second");
    place.append(secondParts);
    for (const panel of place.querySelectorAll(".rows, .axis")) cursor.watch(panel);
    return new Second(place, config, (number) => options.set(LAYER, number === 1 ? null : number));
  }

  #chooseLayer() {
    if (!this.isOn) return;
    const { layers } = this.second.config;
    const number = Number(this.app.options.get(LAYER) ?? 1);
    const { view } = this.second;
    if (layers[number - 1] && view.layer.number !== number) view.chooseLayer(number);
  }

  /** Another network is the first: where it was the second, they change places. */
  #swap() {
    const { config, options } = this.app;
    const { name } = config.model;
    const before = this.first;
    this.first = name;
    this.#offer();
    if (options.get(NAME) === name) options.set(NAME, before === name ? null : before);
  }

  #offer() {
    const { models, model } = this.app.config;
    const others = models.filter(({ name }) => name !== model.name);
    this.select.replaceChildren(
      new Option(words.COMPARE_NONE, ""),
      ...others.map((other) => new Option(other.name)),
    );
    this.select.value = this.app.options.get(NAME) ?? "";
  }
}
