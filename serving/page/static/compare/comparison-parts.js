// What a second reading is shown in: copies of the page's own parts.

import * as words from "../core/strings.js";

const HEAD = `
  <header>
    <h2>${words.COMPARED_WITH}</h2>
    <p class="model"></p>
    <p class="about"></p>
    <p class="trouble"></p>
  </header>
  <p class="said" role="status" aria-live="polite" aria-atomic="true">
    <span class="name"></span>: <span class="spoken"></span>
  </p>`;
// What stands once on the page: the drawing, the first network's explanation, the row cursor.
const ONCE = ".image-panel, .why-panel, .shows, .of-why, .meaning, .flips-key";
const CURSOR = ["tabindex", "role", "aria-label", "aria-orientation", "aria-valuemin", "aria-valuemax"];

/**
 * The content of `.second`, not yet on the page.
 * @param root holds view.html, with nothing put into it yet
 */
export function copyParts(root) {
  const copy = (selector) => root.querySelector(selector).cloneNode(true);
  const [answer, reading, legend] = [".answer", ".reading", ".legend"].map(copy);
  for (const part of [reading, legend]) {
    for (const element of part.querySelectorAll(ONCE)) element.remove();
  }
  answer.removeAttribute("aria-labelledby");
  answer.querySelector("h2").removeAttribute("id");
  legend.querySelector(".model").remove();
  const axis = reading.querySelector(".axis");
  for (const name of CURSOR) axis.removeAttribute(name);
  axis.setAttribute("aria-hidden", "true");

  const card = document.createElement("div"); // where the first reading has the drawing
  card.className = "card";
  card.innerHTML = '<p class="sentence"></p><p class="knowledge"></p>';
  card.prepend(answer);
  reading.querySelector(".axis-panel").after(card);
  const parts = document.createElement("template").content;
  parts.append(document.createRange().createContextualFragment(HEAD), reading, legend);
  return parts;
}
