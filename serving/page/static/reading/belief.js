// The downward reader's belief, row by row: which digit leads where, and when it settles.

import { argmax } from "./answer.js";

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
