// Two networks on the same drawing: the choice of the second, and what keeps it in step.

import { fetchConfig, streamUrl } from "../core/app.js";
import { Connection } from "../core/connection.js";
import { labelledSelect, setText } from "../core/dom.js";
import { el } from "../core/elements.js";
import { networkOption } from "./networks.js";
import { notify } from "../core/messages.js";
import { View } from "../reading/view.js";
import * as strings from "../core/strings.js";

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
    this.select = labelledSelect(root.querySelector(".networks"), strings.COMPARE_WITH);
    this.which = root.querySelector(".which");
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
    this.#offerBoth(name);
    this.#tell(null);
    if (name === null) return options.set(LAYER, null);
    let second;
    try {
      second = await fetchConfig(name);
    } catch (error) {
      if (name !== options.get(NAME)) return;
      notify(root, strings.networkUnusable(name, error.message));
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
    this.#tell(config);
  }

  #tell(config) {
    this.app.events.dispatchEvent(new CustomEvent("second", { detail: config }));
  }

  #make(config) {
    const { root, options, cursor, blank } = this.app;
    const place = root.querySelector(".comparison");
    place.append(copyParts(blank));
    for (const panel of place.querySelectorAll(".rows, .axis")) cursor.watch(panel);
    return new Comparison(place, config, (number) => options.set(LAYER, number === 1 ? null : number));
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
    else this.#offerBoth(options.get(NAME));
  }

  /** Where both readings have no room, one is shown: which one. */
  #offerBoth(second) {
    this.which.hidden = second === null;
    this.#showOnly(0);
    this.which.replaceChildren(
      el("legend", {}, strings.SHOWN),
      ...[this.first, second].map((name, i) =>
        el("label", {}, el("input", { type: "radio", name: "which", checked: !i, onchange: () => this.#showOnly(i) }), el("span", {}, name))),
    );
  }

  #showOnly(place) {
    this.app.root.classList.toggle("shows-second", place === 1);
  }

  #offer() {
    const { models, model } = this.app.config;
    const others = models.filter(({ name }) => name !== model.name);
    this.select.replaceChildren(
      new Option(strings.COMPARE_NONE, ""),
      ...others.map(networkOption),
    );
    this.select.value = this.app.options.get(NAME) ?? "";
  }
}

// A second reading below the first: another network's, of the same drawing.


class Comparison {
  /**
   * @param place filled by `copyParts`
   * @param config of the network, from the server
   * @param onLayer (number) after another of its layers was chosen
   */
  constructor(place, config, onLayer) {
    this.place = place;
    this.view = new View(place, config, onLayer);
    this.connection = null;
    this.use(config);
  }

  /** Let this network read from now on. */
  use(config) {
    this.close();
    this.config = config;
    this.shown = 0; // sequence of the newest reading shown
    this.rested = Infinity; // sequence that was newest when the pen came to rest
    this.view.configure(config);
    const { name, description } = config.model;
    this.place.hidden = false;
    this.place.setAttribute("aria-label", strings.secondReading(name));
    setText(this.place.querySelector(".name"), name);
    setText(this.place.querySelector(".about"), strings.about(description, config));
    this.#trouble("");
    this.connection = new Connection(streamUrl(config), {
      onReading: (reading) => this.#show(reading),
      onRefusal: (reason) => this.#trouble(strings.refused(reason)),
      onLost: () => this.view.age(true),
      onConnected: () => {},
    });
  }

  /** Read the drawing as soon as the one in flight is back. */
  read(sequence, drawing) {
    this.rested = Infinity; // the pen may go on
    this.connection.send(sequence, drawing);
  }

  /** The pen rests, and `sequence` is the newest drawing. */
  rest(sequence) {
    this.rested = sequence;
    if (this.shown >= sequence) this.view.rest();
  }

  close() {
    this.connection?.close();
    this.connection = null;
    this.place.hidden = true;
  }

  #show(reading) {
    if (reading.sequence < this.shown) return;
    this.shown = reading.sequence;
    this.#trouble("");
    this.view.show(reading);
    this.rest(this.rested);
  }

  #trouble(text) {
    setText(this.place.querySelector(".trouble"), text);
    this.view.age(Boolean(text));
  }
}

// What a second reading is shown in: copies of the page's own parts.


const HEAD = `
  <header>
    <h2>${strings.COMPARED_WITH}</h2>
    <p class="model"></p>
    <p class="about"></p>
    <p class="trouble"></p>
  </header>
  <p class="said" role="status" aria-live="polite" aria-atomic="true">
    <span class="name"></span>: <span class="spoken"></span>
  </p>`;
// What stands once on the page: the drawing, the first network's explanation, the row cursor.
const ONCE = ".image-panel, .why-panel, .shows, .of-why, .meaning, .flips-key";
const CURSOR = ["tabindex", "role", "aria-label", "aria-orientation", "aria-valuemin", "aria-valuemax"];

/**
 * The content of `.comparison`, not yet on the page.
 * @param root holds index.html's parts, with nothing put into them yet
 */
function copyParts(root) {
  const copy = (selector) => root.querySelector(selector).cloneNode(true);
  const [answer, reading, legend] = [".answer", ".reading", ".legend"].map(copy);
  for (const part of [reading, legend]) {
    for (const element of part.querySelectorAll(ONCE)) element.remove();
  }
  answer.removeAttribute("aria-labelledby");
  answer.querySelector("h2").removeAttribute("id");
  legend.querySelector(".network").remove();
  const axis = reading.querySelector(".axis");
  for (const name of CURSOR) axis.removeAttribute(name);
  axis.setAttribute("aria-hidden", "true");

  const card = document.createElement("div"); // where the first reading has the drawing
  card.className = "card";
  card.innerHTML = '<p class="sentence"></p><p class="knowledge"></p>';
  card.prepend(answer);
  reading.querySelector(".axis-panel").after(card);
  const parts = document.createElement("template").content;
  parts.append(document.createRange().createContextualFragment(HEAD), reading, legend);
  return parts;
}
