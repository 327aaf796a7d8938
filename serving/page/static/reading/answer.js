// The full network's answer: one large digit, or why there is none, and ten bars.
//
// Half a digit is often no digit yet, so the verdict on a drawing comes and goes while the
// pen moves. Words that come and go cannot be read: until the pen rests, a doubted digit
// only turns grey, in its place; then the reason takes that place.

import { setText } from "../core/dom.js";
import * as words from "../core/strings.js";

export class Answer {
  /** @param element that holds `.digit`, `.doubt`, `.guess` and the list `.bars` */
  constructor(element, digits) {
    this.element = element;
    this.digit = element.querySelector(".digit");
    this.doubt = element.querySelector(".doubt");
    this.guess = element.querySelector(".guess");
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

  /**
   * @param probabilities of the digits, or null where there is no digit to read
   * @param verdict {rejected, reason, between} of the server
   * @param isAtRest whether the pen rests, so that the drawing may be complete
   */
  show(probabilities, verdict, isAtRest) {
    const winner = probabilities && argmax(probabilities);
    setText(this.digit, winner ?? words.NO_DIGIT);
    this.digit.classList.toggle("blank", !probabilities);
    this.#judge(winner, Boolean(probabilities) && verdict.rejected, verdict, isAtRest);
    this.bars.forEach(({ item, fill, text }, digit) => {
      item.classList.toggle("winner", digit === winner);
      const part = probabilities ? probabilities[digit] : 0;
      fill.style.transform = `scaleX(${part.toFixed(3)})`;
      setText(text, probabilities ? words.percent(part) : "");
    });
  }

  #judge(winner, isDoubted, { between, reason }, isAtRest) {
    const isRejected = isDoubted && isAtRest;
    this.element.classList.toggle("doubted", isDoubted);
    this.element.classList.toggle("rejected", isRejected);
    this.element.classList.toggle("between", isRejected && Boolean(between));
    if (!isRejected) return setText(this.guess, words.ONLY_A_GUESS); // seen when doubted
    const doubt = reason === words.SEVERAL ? words.MORE_THAN_ONE : words.NOT_A_DIGIT;
    setText(this.doubt, between ? words.NOT_SURE : doubt);
    setText(this.guess, between ? words.eitherOr(between) : words.bestGuess(winner));
  }
}

/** Index of the largest value in `values[from .. from + length]`, counted from `from`. */
export function argmax(values, from = 0, length = values.length) {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[from + i] > values[from + best]) best = i;
  return best;
}
