// One row cursor for all panels: hover shows a row, a click or the arrow keys pin it.

import { isCommand, isTyping, placeIn } from "../core/dom.js";

const LEAP = 7; // rows of Page Up and Page Down: a quarter of the image
const FREE_KEYS = ["ArrowUp", "ArrowDown", "Escape"]; // the others scroll the page

export class RowCursor {
  /**
   * @param root element whose key presses count; arrows and Escape also count while nothing
   *   on the page has the focus, the other keys only on a panel
   * @param panels elements whose height is divided into rows
   * @param slider element that stands for the cursor in the accessibility tree
   * @param onMove () when `row` or `pinned` has changed
   */
  constructor({ root, panels, slider, steps, onMove }) {
    Object.assign(this, { slider, steps, onMove });
    this.panels = [];
    this.hovered = null;
    this.pinned = null;
    for (const panel of panels) this.watch(panel);
    root.addEventListener("keydown", (event) => this.#key(event));
    const { body } = root.ownerDocument;
    body.addEventListener("keydown", (event) => {
      if (!root.hidden && event.target === body && FREE_KEYS.includes(event.key)) this.#key(event);
    });
  }

  /** Let the pointer mark rows on one more element whose height is divided into rows. */
  watch(panel) {
    this.panels.push(panel);
    panel.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") this.#set({ hovered: this.#rowAt(event) });
    });
    panel.addEventListener("pointerleave", () => this.#set({ hovered: null }));
    panel.addEventListener("click", (event) => {
      const row = this.#rowAt(event);
      this.#set({ pinned: row === this.pinned ? null : row });
      this.slider.focus({ preventScroll: true });
    });
  }

  /** The row that all panels mark, 0 for the first; null for none. */
  get row() {
    return this.hovered ?? this.pinned;
  }

  /** Mark `row` until another is marked; null for none. */
  pin(row) {
    this.#set({ hovered: null, pinned: row });
  }

  #rowAt(event) {
    const row = Math.floor(placeIn(event.currentTarget, event).y * this.steps);
    return Math.min(this.steps - 1, Math.max(0, row));
  }

  #key(event) {
    if (isTyping(event) || isCommand(event) || event.target.matches("input")) return; // its own arrows
    if (!FREE_KEYS.includes(event.key) && !this.panels.some((panel) => panel.contains(event.target))) return;
    const last = this.steps - 1;
    const from = this.row;
    const rows = {
      ArrowDown: from === null ? 0 : from + 1,
      ArrowUp: from === null ? last : from - 1,
      PageDown: (from ?? -1) + LEAP,
      PageUp: (from ?? last + 1) - LEAP,
      Home: 0,
      End: last,
      Escape: null,
    };
    if (!(event.key in rows)) return;
    const row = rows[event.key];
    event.preventDefault();
    this.#set({ hovered: null, pinned: row === null ? null : Math.min(last, Math.max(0, row)) });
  }

  #set(change) {
    const { row, pinned } = this;
    Object.assign(this, change);
    if (this.row !== row || this.pinned !== pinned) this.onMove();
  }
}
