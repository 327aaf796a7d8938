// The pictures of the states: one for each reader of the layer shown, in one scale.

import { setText } from "../core/dom.js";
import { compressed, DIRECTIONS, diverging, extent, groupColumns, Heatmap, paintRamp, quantile, TOLD_APART } from "./panels.js";
import * as strings from "../core/strings.js";

export class States {
  /** @param root holds the readers' panels and the legend of their colours */
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    const maps = DIRECTIONS.map((direction) => [direction, new Heatmap(this.find(`canvas.${direction}`))]);
    this.maps = Object.fromEntries(maps);
  }

  /** Show this layer of the network from now on. */
  configure(config, layer) {
    this.range = config.range;
    this.layer = layer;
    this.directions = DIRECTIONS.filter((direction) => layer[direction]);
    for (const direction of this.directions) this.#layOut(direction, config.steps);
  }

  /**
   * @param tensors of the reading by name; null where there is nothing to read
   * @param ramp the palette's, from the lowest state to the highest
   */
  paint(tensors, ramp) {
    const shown = this.directions.map((direction) => tensors && tensors[this.layer[direction].name]);
    const states = shown.filter(Boolean);
    const [low, high] = this.range ?? extent(states);
    // Both directions of one layer share a scale, with 0 in its middle.
    const reach = Math.max(Math.abs(low), Math.abs(high));
    const most = Number.isFinite(reach) && reach > 0 ? reach : 1;
    const limit = (!this.range && quantile(states, TOLD_APART)) || most;
    // Unbounded states have a long tail: their colours go by the square root.
    const scale = this.range ? diverging(limit) : compressed(limit);
    this.directions.forEach((direction, i) => this.maps[direction].paint(shown[i], ramp, scale));
    this.#explain({ isOneSided: low >= 0, limit, isCut: limit < most }, ramp);
  }

  /** What the colours mean, in the legend. */
  #explain({ isOneSided, limit, isCut }, ramp) {
    if (isOneSided !== this.isOneSided || ramp !== this.ramp) {
      Object.assign(this, { isOneSided, ramp });
      paintRamp(this.find(".scale-ramp"), ramp, isOneSided ? 0.5 : 0);
    }
    setText(this.find(".scale-low"), isOneSided ? "0" : strings.end(-limit, isCut));
    setText(this.find(".scale-middle"), strings.number(isOneSided ? limit / 4 : 0));
    setText(this.find(".scale-high"), strings.end(limit, isCut));
  }

  #layOut(direction, steps) {
    const { groups } = this.layer[direction];
    const columns = groupColumns(groups);
    this.maps[direction].layOut(steps, columns);
    let from = 0;
    const labels = groups.map(({ digit, units }) => {
      const label = { digit, at: from + units.length / 2, title: strings.groupTitle(digit, units.length) };
      from += units.length + 1;
      return label;
    });
    label(this.find(`.${direction}-panel .groups`), labels, columns.length);
  }
}

/** Digits below a picture: [{digit, at: column, title}]. */
export function label(element, labels, columns) {
  element.replaceChildren(
    ...labels.map(({ digit, at, title = "" }) => {
      const span = document.createElement("span");
      Object.assign(span, { textContent: digit, title });
      span.style.left = `${(100 * at) / columns}%`;
      return span;
    }),
  );
}
