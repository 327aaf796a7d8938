// The full network's answer: one large digit and ten bars.

import { setText } from "./dom.js";
import * as words from "./words.js";

export class Answer {
  /** @param element that holds `.digit` and the list `.bars` */
  constructor(element, digits) {
    this.digit = element.querySelector(".digit");
    this.bars = Array.from({ length: digits }, (_, digit) => {
      const item = document.createElement("li");
      item.innerHTML = "<b></b><span class='track'><i></i></span><span class='value'></span>";
      item.querySelector("b").textContent = digit;
      element.querySelector(".bars").append(item);
      return {
        item,
        fill: item.querySelector("i"),
        text: item.querySelector(".value"),
      };
    });
  }

  /** @param probabilities of the digits, or null where there is no digit to read */
  show(probabilities) {
    const winner = probabilities && argmax(probabilities);
    setText(this.digit, winner ?? words.NO_DIGIT);
    this.digit.classList.toggle("blank", !probabilities);
    this.bars.forEach(({ item, fill, text }, digit) => {
      item.classList.toggle("winner", digit === winner);
      const part = probabilities ? probabilities[digit] : 0;
      fill.style.transform = `scaleX(${part.toFixed(3)})`;
      setText(text, probabilities ? words.percent(part) : "");
    });
  }
}

/** Index of the largest value in `values[from .. from + length]`, counted from `from`. */
export function argmax(values, from = 0, length = values.length) {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[from + i] > values[from + best]) best = i;
  return best;
}
