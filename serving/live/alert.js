// The one place for trouble; it hides itself when the next reading arrives.

export class Alert {
  constructor(element) {
    this.element = element;
    this.retry = element.querySelector(".retry");
  }

  /** @param onRetry what the button does; without it there is no button */
  show(text, onRetry = null) {
    this.element.querySelector(".alert-text").textContent = text;
    this.retry.hidden = !onRetry;
    this.retry.onclick = onRetry;
    this.element.hidden = false;
  }

  hide() {
    this.element.hidden = true;
  }
}
