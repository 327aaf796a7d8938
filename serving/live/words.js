// Every sentence that the page makes up while it runs; the fixed words are in view.html.

const NARROW = "\u202f"; // a narrow space that does not break

export const percent = (probability) => `${Math.round(100 * probability)}${NARROW}%`;

export const PAD_EMPTY = "Draw a digit here";
export const PAD_EXAMPLE = "An example. Draw your own.";
export const PAD_FULL = "The pad is full: undo a stroke or clear it.";
export const STALE = "Not read yet: what is shown belongs to an earlier drawing.";
export const NO_INK = "Nothing is drawn yet, so there is no digit to read.";
export const NO_DIGIT = "–";
export const NO_ROW = "no row";
export const NOT_A_DIGIT = "Not a digit, I think";
export const ONLY_A_GUESS = "only a guess";
export const NOT_SURE = "Not sure:";
export const eitherOr = ([first, second]) => `${first} or ${second}`;
export const bestGuess = (digit) => `best guess: ${digit}`;

/** What the downward reader thinks, with nobody pointing at a row; `settledRow` may be null. */
export function overview({ steps, settledRow, lastDigit, answer, rejected, between }) {
  if (rejected && !between) {
    return `Reading down, it leans to ${lastDigit}; the full network sees no digit.`;
  }
  const settled =
    settledRow === null
      ? `Reading down, it never settles; at the end it leans to ${lastDigit}.`
      : `Reading down, it settles on ${lastDigit} at row ${settledRow} of ${steps}.`;
  if (lastDigit === answer) return settled;
  return `${settled} The full network ${rejected ? "leans to" : "answers"} ${answer}.`;
}

/** What the downward reader believes after `row` rows. */
export function atRow({ row, steps, digit, probability, inkAbove }) {
  const belief = `${digit}, ${percent(probability)}`;
  if (!inkAbove) return `After row ${row} of ${steps} it has met no ink; its first guess is ${belief}.`;
  return `After row ${row} of ${steps}, reading down, it believes ${belief}.`;
}

const POINT = matchMedia("(hover: none)").matches
  ? "Tap a row to see what it knows there."
  : "Point at a row, or use the arrow keys, to see what it knows there.";

/** What to do next, and why the belief does not change with the layer. */
export function invitation({ layer, hasBackward }) {
  if (layer === 1 || !hasBackward) return POINT;
  return `${POINT} The belief stays layer 1’s: layer ${layer} knows all rows at once.`;
}

/** What the shown states know at a row, said plainly. */
export function knowledge({ row, steps, layer, hasBackward }) {
  if (!hasBackward) {
    return `This network has no upward reader: its states here know rows 1 to ${row} and no more.`;
  }
  if (layer === 1) {
    return `Here the downward reader knows rows 1 to ${row}; the upward one, rows ${steps} to ${row}.`;
  }
  return `Belief comes from layer 1, which knows rows 1 to ${row}. The states of layer ${layer} know the whole image, through layer ${layer - 1}.`;
}

/** One line under each panel's title. */
export function notes({ layer, forward, backward, hasBackward }) {
  const above = "knows the whole image";
  const causal = layer === 1 || !hasBackward;
  return {
    forward: `${forward} units · ${causal ? "knows only the rows above" : above}`,
    backward: `${backward} units · ${causal ? "knows only the rows below" : above}`,
    belief: causal ? "of the downward reader" : "still that of layer 1",
  };
}

/** For a screen reader, once the pen rests. */
export function spoken({ answer, probability, rejected, between }) {
  if (between) return `The network is not sure whether this is ${eitherOr(between)}.`;
  if (rejected) return `The network thinks that this is not a digit. Its best guess is ${answer}.`;
  return `The network reads ${answer}, ${percent(probability)}.`;
}

export function lost(seconds) {
  return `The server does not answer. Your drawing is kept. Next attempt in ${seconds}${NARROW}s.`;
}

export const refused = (reason) => `The server could not read this drawing: ${reason}.`;

export function number(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isInteger(value) ? String(value).replace("-", "−") : value.toFixed(digits).replace("-", "−");
}

/** An end of a scale of states; some lie beyond it if it is cut. */
export function end(value, isCut) {
  if (!isCut) return number(value);
  return `${value < 0 ? "≤" : "≥"}${NARROW}${number(value)}`;
}

/** The network in one line, as far as its card tells. */
export function model({ name, preset, parameters, testErrorPercent }) {
  const facts = [preset && preset !== name ? `${name}, ${preset}` : name];
  if (parameters) facts.push(`${parameters.toLocaleString("en")} weights`);
  if (testErrorPercent !== null) facts.push(`${testErrorPercent}${NARROW}% MNIST test error`);
  return facts.join(" · ");
}
