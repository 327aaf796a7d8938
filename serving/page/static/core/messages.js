// The one place for trouble; it hides itself when the next reading arrives.

import { leave, setText } from "./dom.js";

export class Alert {
  constructor(element) {
    this.element = element;
    this.retry = element.querySelector(".retry");
  }

  /** @param onRetry what the button does; without it there is no button */
  show(text, onRetry = null) {
    setText(this.element.querySelector(".alert-text"), text); // else it is read out again
    this.retry.hidden = !onRetry;
    this.retry.onclick = onRetry;
    this.element.hidden = false;
  }

  hide() {
    leave(this.element);
    this.element.hidden = true;
  }
}

// A short message that needs no answer: it goes away by itself.

const SHOWN = 6000; // milliseconds

let timer;

/** Say `text` at the foot of the window, and to a screen reader. */
export function notify(root, text) {
  const element = root.querySelector(".notice");
  element.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (element.textContent = ""), SHOWN);
}
