// Keys without Ctrl or Alt that do something wherever the focus is. Who speaks to the computer, or
// hits keys by mistake, must be able to switch them off (WCAG 2.2, 2.1.4).

import { isCommand, isTyping } from "./dom.js";

const KEPT = "scanline.shortcuts"; // in the browser; a link must not switch off another's keys
const OFF = "off";
const PRESSED_BY_SPACE = "button, a, summary, [type=checkbox], [type=radio]";

export class Shortcuts {
  /** @param box the checkbox that switches them */
  constructor(box) {
    this.known = new Map();
    this.box = box;
    box.checked = recall() !== OFF;
    box.addEventListener("change", () => {
      keep(box.checked ? null : OFF);
      for (const [key, { button }] of this.known) this.#announce(key, button);
    });
    box.ownerDocument.addEventListener("keydown", (event) => this.#press(event));
  }

  /**
   * @param key a single character
   * @param act called on a press, and again while the key is held if `repeats`
   * @param button that does the same
   */
  add(key, act, button, { repeats = false } = {}) {
    this.known.set(key, { act, button, repeats });
    this.#announce(key, button);
  }

  #announce(key, button) {
    if (this.box.checked) button.setAttribute("aria-keyshortcuts", key === " " ? "Space" : key);
    else button.removeAttribute("aria-keyshortcuts");
  }

  #press(event) {
    const shortcut = this.known.get(event.key.toLowerCase());
    if (this.box.closest(".scanline").hidden) return; // another tab is shown
    if (!shortcut || !this.box.checked || isTyping(event) || isCommand(event)) return;
    if (event.key === " " && event.target.matches(PRESSED_BY_SPACE)) return;
    event.preventDefault();
    if (!event.repeat || shortcut.repeats) shortcut.act();
  }
}

// A browser that keeps nothing for this page throws.

function recall() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    if (value === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, value);
  } catch {
    // it then holds until the page is left
  }
}
