// The downward reader's belief, row by row: which digit leads where, and when it settles.

import { argmax } from "./answer.js";

/** Leading digit and its probability after each row. */
export function leaders({ shape: [rows, digits], data }) {
  return Array.from({ length: rows }, (_, row) => {
    const digit = argmax(data, row * digits, digits);
    return { digit, probability: data[row * digits + digit] };
  });
}

/** First row (0 for the top) from which the leader stays the same to the end. */
export function settledAt(leading) {
  const final = leading.at(-1).digit;
  let row = leading.length - 1;
  while (row > 0 && leading[row - 1].digit === final) row--;
  return row;
}

/** Runs of rows with one leader, quiet until it is more likely than all others together; written beside the picture so that it can be read from afar. */
export class Leaders {
  constructor(list) {
    this.list = list;
    this.shown = "";
  }

  show(leading) {
    const runs = [];
    leading.forEach(({ digit, probability }, row) => {
      const isSure = probability > 0.5;
      const last = runs.at(-1);
      if (last?.digit !== digit) runs.push({ digit, row, rows: 1, isSure });
      else Object.assign(last, { rows: last.rows + 1, isSure: last.isSure || isSure });
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
