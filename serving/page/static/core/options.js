// What the page's parts have been set to, as far as a link should carry it: the network
// compared with, the speed, and the like. Each part knows its own; none knows the others'.

/** Short texts by name. */
export class Options {
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
