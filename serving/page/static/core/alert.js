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
