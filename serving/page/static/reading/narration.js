// A reading in words: one sentence, and what the readers know, or what to do next.

import { argmax, isBelieved, settledAt } from "./answer.js";
import * as strings from "../core/strings.js";

/**
 * @param view a `View`: its reading, the layer, the marked row, where the readers are in a sweep
 * @returns {sentence, knowledge}
 */
export function tell(view) {
  const { config, reading, stale, row, time, leading } = view;
  if (stale) return { sentence: stale, knowledge: "" };
  if (!reading) return { sentence: strings.WAITING, knowledge: "" };
  if (!reading.has_ink || !leading) return { sentence: strings.NO_INK, knowledge: "" };
  const told = {
    steps: config.steps,
    layer: view.layer.number,
    hasBackward: Boolean(config.layers[0].backward),
    answer: argmax(reading.tensors[config.outputs.answer].data),
    ...reading.verdict,
  };
  if (row === null && time !== null) return underWay(view, told);
  const { sentence, knowledge } = row === null ? atRest(view, told) : atRow(view, told);
  // The answer is then one without a part, beside which the sentence would seem to be of it, too.
  return { sentence: view.supposed ? strings.ofTheWhole(sentence) : sentence, knowledge };
}

function atRow({ row, leading, ink }, told) {
  const at = { ...told, row: row + 1 };
  const isSure = isBelieved(leading[row], row, ink) && !told.rejected; // else "only a guess" stands beside it
  const sentence = strings.atRow({ ...at, ...leading[row], isBelieved: isSure, inkAbove: row >= ink });
  return { sentence, knowledge: strings.knowledge(at) };
}

function atRest({ leading, ink }, told) {
  const settled = settledAt(leading, ink);
  const settledRow = settled === null ? null : settled + 1;
  const lastDigit = leading.at(-1).digit;
  return {
    sentence: strings.overview({ ...told, settledRow, lastDigit }),
    knowledge: strings.invitation(told),
  };
}

/** Where the readers are in their sweep, and what that tells them. */
function underWay({ time, leading, ink }, told) {
  const leader = leading[time - 1];
  return strings.sweep({
    ...told,
    time,
    digit: leader?.digit,
    isBelieved: Boolean(leader) && isBelieved(leader, time - 1, ink),
    inkAbove: time > ink,
  });
}
