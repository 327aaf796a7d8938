// How a picture became 28 × 28: its stages as a row of small pictures, to be closed and
// opened again for as long as the pad shows it.

import { button, leave } from "../core/dom.js";
import * as words from "../core/strings.js";

export class PictureSteps {
  constructor({ root, pad, events }) {
    this.pad = pad;
    this.known = new WeakMap(); // the server's answer for each image that was on the pad
    this.shown = null;

    this.opener = button(words.STEPS_OPEN, { className: "steps-open" });
    this.opener.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.setAttribute("aria-controls", "picture-steps");
    this.opener.addEventListener("click", () => this.#open(this.panel.hidden));
    root.querySelector(".pad").append(this.opener);

    this.panel = document.createElement("section");
    Object.assign(this.panel, { className: "picture-steps", id: "picture-steps", hidden: true });
    this.panel.setAttribute("aria-labelledby", "picture-steps-title");
    this.panel.innerHTML = `<header><h2 id="picture-steps-title"></h2></header><ol tabindex="0"></ol>`;
    this.panel.querySelector("h2").textContent = words.STEPS_TITLE;
    this.list = this.panel.querySelector("ol");
    this.list.setAttribute("aria-label", words.STEPS_TITLE);
    const close = button("×", { className: "steps-close" });
    close.setAttribute("aria-label", words.CLOSE);
    close.addEventListener("click", () => this.#close());
    this.panel.querySelector("header").append(close);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // the row cursor's mark stays
      this.#close();
    });
    root.querySelector(".tools").after(this.panel);
    events.addEventListener("drawing", () => this.#follow());
  }

  /** Tell these steps when the pad shows `image`, the first time without being asked. */
  add(image, answer) {
    this.known.set(image, answer);
    this.isNews = true;
  }

  #follow() {
    const { image = null } = this.pad.drawing;
    if (image === this.shown) return;
    this.shown = image;
    const answer = this.known.get(image);
    if (answer) this.list.replaceChildren(...answer.stages.map((stage) => item(stage, answer)));
    this.opener.hidden = !answer;
    this.#open(Boolean(answer) && this.isNews);
    this.isNews = false;
  }

  #open(isOpen) {
    if (!isOpen) leave(this.panel);
    this.panel.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", isOpen);
  }

  #close() {
    this.#open(false);
    this.opener.focus();
  }
}

function item({ name, image }, { inverted }) {
  const [title, explanation] = words.step(name, inverted);
  const element = document.createElement("li");
  element.dataset.stage = name;
  element.innerHTML = "<img alt=''><b></b> <small></small>";
  element.querySelector("img").src = image;
  element.querySelector("b").textContent = title;
  element.querySelector("small").textContent = explanation;
  return element;
}
