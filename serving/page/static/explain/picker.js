// A unit is named where the pointer is, and chosen by a click or a key. Its number is its place
// in the network's arrays, from 0. Columns are narrower than a finger: dragged sideways, it moves
// through a magnified strip, a unit for every few pixels.

import { placeIn, setText } from "../core/dom.js";
import { el } from "../core/elements.js";
import { groupColumns } from "../reading/panels.js";
import * as strings from "../core/strings.js";

const REACH = 7; // columns on either side of the middle of the strip
const STRIDE = 9; // pixels that the finger moves for a unit
const VALUE = ["aria-valuenow", "aria-valuetext"];

/** The picture of one reader's states: says which unit a column is, and lets one choose it. */
export class Picker {
  constructor(app, direction, inspector) {
    const { root, events } = app;
    Object.assign(this, { app, direction, inspector });
    this.hasInk = Boolean(app.reading?.has_ink);
    this.canvas = root.querySelector(`canvas.${direction}`);
    this.label = this.canvas.getAttribute("aria-label"); // where there is nothing to choose
    this.tag = document.createElement("span");
    this.tag.className = "unit-tag";
    this.tag.innerHTML = "<span></span><span class='more-of-it'></span>";
    this.tag.setAttribute("aria-hidden", "true");
    this.canvas.after(this.tag);
    const rows = this.canvas.parentElement;
    this.strip = el("canvas", { width: 2 * REACH + 1, height: app.config.steps });
    this.magnifier = el("span", { class: "magnifier", "aria-hidden": "true", hidden: "" }, this.strip, el("i"));
    this.tag.after(this.magnifier);
    this.drag = null; // {finger, x, unit, row} where a finger came down
    this.isChosen = false; // by a drag, so short that a browser may take it for a tap, too
    rows.addEventListener("pointerdown", (event) => this.#touch(event));
    rows.addEventListener("pointermove", (event) => this.#move(event));
    rows.addEventListener("pointerup", (event) => this.#lift(event));
    rows.addEventListener("pointercancel", () => this.#drop());
    rows.addEventListener("pointerleave", () => this.#name(null));
    rows.addEventListener("click", (event) => {
      if (!this.isChosen) this.#choose(this.#unitAt(event));
      this.isChosen = false;
    });
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const event of ["layer", "model"]) events.addEventListener(event, () => this.#layOut());
    events.addEventListener("reading", ({ detail: { has_ink } }) => {
      if (has_ink === this.hasInk) return;
      this.hasInk = has_ink;
      this.#show();
    });
    inspector.onChoice(() => this.#show());
    this.#layOut();
  }

  #layOut() {
    const groups = this.app.view.layer[this.direction]?.groups ?? [];
    this.columns = groupColumns(groups);
    this.units = groups.flatMap(({ units }) => units);
    this.digits = new Map(groups.flatMap(({ digit, units }) => units.map((unit) => [unit, digit])));
    this.hovered = null;
    const { canvas, units } = this;
    const attributes = { tabindex: 0, role: "slider", "aria-label": strings.unitPicker(this.direction) };
    Object.assign(attributes, { "aria-valuemin": 0, "aria-valuemax": units.length - 1 });
    if (this.app.config.explain) {
      for (const [name, value] of Object.entries(attributes)) canvas.setAttribute(name, value);
    } else {
      for (const name of [...Object.keys(attributes), ...VALUE]) canvas.removeAttribute(name);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", this.label);
    }
    this.#show();
  }

  #unitAt(event) {
    const column = Math.floor(placeIn(this.canvas, event).x * this.columns.length);
    const unit = this.columns[column] ?? -1;
    return unit < 0 ? null : unit;
  }

  #name(unit) {
    if (unit === this.hovered) return;
    this.hovered = unit;
    this.#show();
  }

  #touch(event) {
    this.isChosen = false;
    if (event.pointerType !== "touch" || !event.isPrimary || !this.app.config.explain) return;
    this.#drop();
    const unit = this.#unitAt(event);
    if (unit === null) return;
    const { y } = placeIn(this.canvas, event);
    this.drag = { finger: event.pointerId, x: event.clientX, unit, row: Math.floor(y * this.app.config.steps) };
  }

  #move(event) {
    if (!this.drag) return this.#name(this.#unitAt(event));
    const { finger, x, unit } = this.drag;
    if (event.pointerId !== finger) return;
    const moved = Math.round((event.clientX - x) / STRIDE);
    if (this.magnifier.hidden && !moved) return;
    const last = this.units.length - 1;
    const at = Math.min(last, Math.max(0, this.units.indexOf(unit) + moved));
    this.magnifier.hidden = false;
    this.#name(this.units[at]);
    const column = this.columns.indexOf(this.units[at]);
    const context = this.strip.getContext("2d");
    context.clearRect(0, 0, this.strip.width, this.strip.height);
    context.drawImage(this.canvas, REACH - column, 0);
    this.magnifier.style.setProperty("--place", (column + 0.5) / this.columns.length);
  }

  #lift({ pointerId }) {
    const { drag, hovered } = this;
    if (pointerId !== drag?.finger) return;
    this.isChosen = !this.magnifier.hidden;
    this.#drop();
    if (!this.isChosen) return; // a tap, which is a click
    this.app.cursor.pin(drag.row);
    this.#choose(hovered);
  }

  #drop() {
    this.drag = null;
    this.magnifier.hidden = true;
    this.#name(null);
  }

  #choose(unit) {
    if (unit === null || !this.app.config.explain) return;
    this.inspector.open(this.direction, unit);
    this.canvas.focus({ preventScroll: true }); // the keys go on from here
    this.canvas.scrollIntoView({ block: "nearest" }); // above the sheet, on a phone
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.units.length) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.units.indexOf(this.#chosen ?? -1);
    const last = this.units.length - 1;
    const next = at < 0 ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, at + step));
    this.#choose(this.units[next]);
  }

  get #chosen() {
    const { unit, direction } = this.inspector;
    return direction === this.direction ? unit : null;
  }

  #show() {
    const chosen = this.#chosen;
    const unit = this.hovered ?? (this.hasInk ? chosen : null); // an empty picture shows no unit's states
    this.tag.hidden = unit === null;
    const label = unit === null ? strings.NO_UNIT : strings.unitName(unit, this.digits.get(unit));
    if (this.app.config.explain) {
      this.canvas.setAttribute("aria-valuenow", Math.max(0, this.units.indexOf(chosen ?? -1)));
      this.canvas.setAttribute("aria-valuetext", chosen === null ? strings.NO_UNIT : strings.unitName(chosen, this.digits.get(chosen)));
    }
    if (unit === null) return;
    setText(this.tag.firstChild, label);
    setText(this.tag.lastChild, this.app.config.explain ? strings.moreOfUnit(unit === chosen) : "");
    const place = (this.columns.indexOf(unit) + 0.5) / this.columns.length;
    this.tag.style.setProperty("--place", place);
  }
}
