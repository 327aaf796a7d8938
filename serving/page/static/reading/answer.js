// The full network's answer: one large digit, or why there is none, and ten bars.
//
// Half a digit is often no digit yet, so the verdict on a drawing comes and goes while the
// pen moves. Words that come and go cannot be read: until the pen rests, a doubted digit
// only turns grey, in its place; then the reason takes that place.

import { setText } from "../core/dom.js";
import * as strings from "../core/strings.js";

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
    setText(this.digit, winner ?? strings.NO_DIGIT);
    this.digit.classList.toggle("blank", !probabilities);
    this.#judge(winner, Boolean(probabilities) && verdict.rejected, verdict, isAtRest);
    this.bars.forEach(({ item, fill, text }, digit) => {
      item.classList.toggle("winner", digit === winner);
      const part = probabilities ? probabilities[digit] : 0;
      fill.style.transform = `scaleX(${part.toFixed(3)})`;
      setText(text, probabilities ? strings.percent(part) : "");
    });
  }

  #judge(winner, isDoubted, { between, reason }, isAtRest) {
    const isRejected = isDoubted && isAtRest;
    this.element.classList.toggle("doubted", isDoubted);
    this.element.classList.toggle("rejected", isRejected);
    this.element.classList.toggle("between", isRejected && Boolean(between));
    if (!isRejected) return setText(this.guess, strings.ONLY_A_GUESS); // seen when doubted
    const doubt = reason === strings.SEVERAL ? strings.MORE_THAN_ONE : strings.NOT_A_DIGIT;
    setText(this.doubt, between ? strings.NOT_SURE : doubt);
    setText(this.guess, between ? strings.eitherOr(between) : strings.bestGuess(winner));
  }
}

/** Index of the largest value in `values[from .. from + length]`, counted from `from`. */
export function argmax(values, from = 0, length = values.length) {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[from + i] > values[from + best]) best = i;
  return best;
}

// The downward reader's belief, row by row: which digit leads where, and when it settles.


/** Leading digit and its probability after each row. */
export function leaders({ shape: [rows, digits], data }) {
  return Array.from({ length: rows }, (_, row) => {
    const digit = argmax(data, row * digits, digits);
    return { digit, probability: data[row * digits + digit] };
  });
}

const MORE_THAN_ALL_OTHERS = 0.5;

/** The first row (0 for the top) of the image that has ink; `rows` where none has. */
export function firstInk({ shape: [rows, width], data }) {
  const at = data.findIndex((pixel) => pixel > 0);
  return at < 0 ? rows : Math.floor(at / width);
}

/** Whether the leader is believed: there is ink so far, and it outweighs all others together. */
export function isBelieved({ probability }, row, ink) {
  return row >= ink && probability > MORE_THAN_ALL_OTHERS;
}

/**
 * First row (0 for the top) from which one digit is believed to the end; null if none is.
 * @param ink first row with ink
 */
export function settledAt(leading, ink) {
  const final = leading.at(-1).digit;
  let row = leading.length;
  while (row > 0 && leading[row - 1].digit === final && isBelieved(leading[row - 1], row - 1, ink)) row--;
  return row < leading.length ? row : null;
}

/** Runs of rows with one leader, bold where it is believed; beside the picture, to be read from afar. */
export class Leaders {
  constructor(list) {
    this.list = list;
    this.shown = "";
  }

  show(leading, ink) {
    const runs = [];
    leading.forEach((leader, row) => {
      const isSure = isBelieved(leader, row, ink);
      const last = runs.at(-1);
      if (last?.digit === leader.digit && last.isSure === isSure) last.rows++;
      else runs.push({ digit: leader.digit, row, rows: 1, isSure });
    });
    const key = JSON.stringify(runs);
    if (key === this.shown) return; // most strokes change no leader: leave the page alone
    this.shown = key;
    this.list.replaceChildren(
      ...runs.map(({ digit, row, rows, isSure }) => {
        const item = document.createElement("li");
        item.style.setProperty("--from", row);
        item.style.setProperty("--rows", rows);
        item.classList.toggle("unsure", !isSure);
        item.textContent = rows > 1 ? digit : "";
        return item;
      }),
    );
  }
}
