// What can be changed in a panel, as texts by name. Each is an option of the page, `lab-NAME`, where
// it differs from the panel's own value.

import { el, lowered } from "./elements.js";
import * as strings from "./strings.js";

/**
 * Kinds of controls, each {name, kind, value, label, local, as}; what is `local` the page alone uses,
 * all others are sent, under the name `as` if there is one. One that `isAsked` goes to other panels only.
 * - number: {step}
 * - range: whole numbers, {min, max}, label a function of the value; both it and max may depend on
 *   all values
 * - choice: {choices: [[value, text]]}
 * - flag: "1" or ""
 * - text
 * - series: T numbers with a slider for T (none if there is but one), {min, max, more: values of further steps}, label a letter
 */
export class Controls {
  /** @param onChange (name) when somebody has changed one */
  constructor(options, controls, onChange) {
    Object.assign(this, { options, controls, onChange });
    this.values = Object.fromEntries(controls.map((control) => [control.name, this.#linked(control)]));
    this.parts = new Map();
    const fields = controls.filter(({ kind, isHidden }) => kind && !isHidden).map((control) => this.#field(control));
    this.element = el("div", { class: "lab-controls", role: "group", "aria-label": strings.CONTROLS }, fields);
  }

  /** A link's text, or another panel's, whose series may be longer. */
  #linked({ name, kind, value, max }) {
    const text = this.options.get(`lab-${name}`) ?? value;
    return kind === "series" ? text.split(",").slice(0, max).join() : text;
  }

  /** What is sent to the server; a flag that is off is left out. */
  get query() {
    const sent = this.controls.filter(({ local, kind, name }) => !local && !(kind === "flag" && !this.values[name]));
    return Object.fromEntries(sent.map(({ name, as = name }) => [as, this.values[name]]));
  }

  set(name, text) {
    this.values[name] = String(text);
    const { value } = this.controls.find((control) => control.name === name);
    this.options.set(`lab-${name}`, this.values[name] === value ? null : this.values[name]);
    for (const show of this.parts.values()) show(); // what one allows may depend on another
    this.onChange(name);
  }

  #field(control) {
    const { name, label } = control;
    const kinds = { range: this.#range, choice: this.#choice, flag: this.#flag, series: this.#series };
    if (kinds[control.kind]) return kinds[control.kind].call(this, control);
    const input = el("input", { type: control.kind, step: control.step ?? "any", value: this.values[name], "data-key": `control-${name}` });
    if (control.kind === "number") input.step = control.step ?? 0.1;
    this.#bind(input, name);
    return el("label", { class: control.kind }, el("span", {}, label), input);
  }

  #bind(input, name) {
    input.addEventListener("input", () => this.set(name, input.value));
    this.parts.set(name, () => input.value !== this.values[name] && (input.value = this.values[name]));
  }

  #range({ name, label, min, max }) {
    const text = el("span", {});
    const input = el("input", { type: "range", min, step: 1, "data-key": `control-${name}` });
    input.addEventListener("input", () => this.set(name, input.value));
    const show = () => {
      input.max = typeof max === "function" ? max(this.values) : max;
      input.value = this.values[name];
      text.textContent = label(input.value, this.values);
    };
    this.parts.set(name, show);
    show();
    return el("label", { class: "range" }, text, input);
  }

  #choice({ name, label, choices }) {
    const input = el("select", { "data-key": `control-${name}` }, choices.map(([value, text]) => el("option", { value }, text)));
    input.value = this.values[name];
    this.#bind(input, name);
    return el("label", { class: "choice" }, el("span", {}, label), input);
  }

  #flag({ name, label }) {
    const input = el("input", { type: "checkbox", "data-key": `control-${name}` });
    input.checked = Boolean(this.values[name]);
    input.addEventListener("change", () => this.set(name, input.checked ? "1" : ""));
    this.parts.set(name, () => (input.checked = Boolean(this.values[name])));
    return el("label", { class: "lab-switch" }, input, el("span", {}, label));
  }

  #series({ name, label, min, max, more, step = 0.1 }) {
    const place = el("div", { class: "series" });
    const count = el("input", { type: "range", min, max, step: 1, "data-key": `control-${name}-T` });
    const text = el("span", {});
    count.addEventListener("input", () => {
      const numbers = this.values[name].split(",");
      const longer = [...numbers, ...more.slice(numbers.length)];
      this.set(name, longer.slice(0, Number(count.value)).join());
    });
    const show = () => {
      const numbers = this.values[name].split(",");
      count.value = numbers.length;
      text.textContent = strings.STEPS(numbers.length);
      const inputs = [...place.querySelectorAll("input")];
      if (inputs.length === numbers.length) {
        inputs.forEach((input, i) => input.value !== numbers[i] && (input.value = numbers[i]));
        return;
      }
      place.replaceChildren(...numbers.map((number, i) => this.#one(name, `${label}${lowered(i + 1)}`, i, number, step)));
    };
    this.parts.set(name, show);
    show();
    return [min < max ? el("label", { class: "range" }, text, count) : null, place];
  }

  #one(name, label, i, number, step) {
    const input = el("input", { type: "number", step, value: number, "data-key": `control-${name}-${i + 1}` });
    input.addEventListener("input", () => {
      const numbers = this.values[name].split(",");
      numbers[i] = input.value;
      this.set(name, numbers.join());
    });
    return el("label", { class: "number" }, el("span", {}, label), input);
  }
}
