// Every sentence that the page makes up while it runs; the fixed words are in index.html.

const NARROW = "\u202f"; // a narrow space that does not break

/** In whole percent; 100 % is for what is certain alone. */
export function percent(probability) {
  const rounded = Math.round(100 * probability);
  return rounded === 100 && probability < 1 ? `>${NARROW}99${NARROW}%` : `${rounded}${NARROW}%`;
}

export const PAD_EMPTY = "Draw a digit here";
export const PAD_EXAMPLE = "An example. Draw your own.";
export const PAD_FULL = "The pad is full: undo a stroke or clear it.";
export const STALE = "Not read yet: what is shown belongs to an earlier drawing.";
export const STAYS = "What is shown is of the drawing before.";
export const NO_EXAMPLES = "The examples could not be loaded. Try again when the server answers.";
export const SURPRISE = "Surprise me";
export const SURPRISE_TITLE = "Some digit, written differently each time (S)";
export const example = (digit) => `Draw ${digit === 8 ? "an" : "a"} ${digit} (key ${digit})`;
export const PLAY = "Watch it read";
export const PAUSE = "Pause";
export const HALF_WAY = "Half way";
export const ALL_READ = "all rows read";
export const NO_INK = "Nothing is drawn yet, so there is no digit to read.";
export const WAITING = "Waiting for the network …";
export const NO_DIGIT = "–";
export const NO_ROW = "no row";
export const NOT_A_DIGIT = "Not a digit, I think";
export const MORE_THAN_ONE = "More than one digit";
/** The verdict's `reason` for it (model/verdict.py). */
export const SEVERAL = "more than one digit";
export const ONLY_A_GUESS = "only a guess";
/** Why it believes in a digit where it sees none. */
export const MUST_CHOOSE = `The bars always share 100${NARROW}% among the ten digits, even for a scribble. Whether it is a digit at all is judged separately.`;
export const NOT_SURE = "Not sure:";
export const eitherOr = ([first, second]) => `${first} or ${second}`;
export const bestGuess = (digit) => `best guess: ${digit}`;

/** What the downward reader thinks, with nobody pointing at a row; `settledRow` may be null. */
export function overview({ steps, settledRow, lastDigit, answer, rejected, between, reason }) {
  if (reason === SEVERAL) {
    return `Reading down, it ends with ${lastDigit}; but there seems to be more than one digit, and it can read only one.`;
  }
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

/** Of a sentence beside an answer without a part. */
export const ofTheWhole = (sentence) => `With nothing erased: ${sentence[0].toLowerCase()}${sentence.slice(1)}`;

/** What the downward reader believes after `row` rows. */
export function atRow({ row, steps, digit, probability, isBelieved, inkAbove }) {
  const belief = `${digit}, ${percent(probability)}`;
  if (!inkAbove) return `After row ${row} of ${steps} it has met no ink; its first guess is ${belief}.`;
  return `After row ${row} of ${steps}, reading down, it ${isBelieved ? "believes" : "leans to"} ${belief}.`;
}

const POINT = matchMedia("(hover: none)").matches
  ? "Tap a row to see what it knows there."
  : "Point at a row, or use the arrow keys, to see what it knows there.";

/** What to do next; else what is odd here: no digit believed in, or a belief of another layer. */
export function invitation({ layer, hasBackward, rejected, between }) {
  if (rejected && !between) return MUST_CHOOSE;
  if (layer === 1 || !hasBackward) return POINT;
  return `Layer ${layer} reads both states of layer ${layer - 1}: each row knows the whole image. The belief is layer 1’s.`;
}

/** What the shown states know at a row, said plainly. */
export function knowledge({ row, steps, layer, hasBackward, rejected, between }) {
  if (rejected && !between) {
    return `After ${rows(1, row)} it must choose a digit; only the full network can say that it is no digit.`;
  }
  if (!hasBackward) {
    return `This network has no upward reader: its states here know rows 1 to ${row} and no more.`;
  }
  if (layer === 1) {
    return `Here the downward reader knows rows 1 to ${row}; the upward one, rows ${steps} to ${row}.`;
  }
  return `Layer ${layer} reads both states of layer ${layer - 1}: it knows the whole image. The belief is layer 1’s, of rows 1 to ${row}.`;
}

const END = "Its answer comes from what both know at the end.";
const MET = "Here they meet: together they know the whole image, neither does alone.";
const metAbove = (layer) => `Here they meet: each has read half of layer ${layer}’s states.`;

/**
 * Where the readers are after `time` rows each: a sentence, and what they know together.
 * Ends with the full network's answer, as both are through.
 */
export function sweep({ time, steps, layer, hasBackward, ...reading }) {
  const up = steps - time + 1;
  const unread = steps - 2 * time;
  if (time === 0) {
    const sentence = hasBackward ? "One reader starts at the top, the other at the bottom." : "It starts at the top.";
    return { sentence, knowledge: "Nothing is read yet." };
  }
  if (time === steps) {
    const through = hasBackward ? "Both readers are through" : "All rows are read";
    const knowledge = reading.rejected && !reading.between ? MUST_CHOOSE : END;
    return { sentence: `${through}: the full network ${conclusion(reading)}.`, knowledge };
  }
  const { digit, isBelieved, inkAbove } = reading;
  const thinks = isBelieved ? `it believes ${digit}` : inkAbove ? `it leans to ${digit}` : "no ink yet";
  const downward = `Row ${time}: ${thinks}.`;
  if (!hasBackward) return { sentence: downward, knowledge: `It has not seen ${rows(time + 1, steps)} yet.` };
  let knowledge = "Every row has been read once; each reader now reads the half that the other began with.";
  if (unread > 0) knowledge = `Nobody has read ${rows(time + 1, up - 1)} yet.`;
  if (layer > 1) {
    knowledge = `Layer ${layer} begins once layer ${layer - 1} is through, and reads its states row by row. The belief is layer 1’s.`;
  }
  if (unread === 0) knowledge = layer > 1 ? metAbove(layer - 1) : MET;
  return { sentence: `${downward} The upward reader is at row ${up}.`, knowledge };
}

function conclusion({ answer, rejected, between, reason }) {
  if (reason === SEVERAL) return "is shown more than one digit";
  if (between) return `is not sure: ${eitherOr(between)}`;
  return rejected ? "sees no digit" : `answers ${answer}`;
}

/** One line under each panel's title. */
export function notes({ layer, forward, backward, hasBackward }) {
  const above = `reads both of layer ${layer - 1}`;
  const causal = layer === 1 || !hasBackward;
  return {
    forward: `${forward} units · ${causal ? "knows only the rows above" : above}`,
    backward: `${backward} units · ${causal ? "knows only the rows below" : above}`,
    belief: causal ? "while reading down" : "of layer 1",
  };
}

/** For a screen reader, once the pen rests. */
export function spoken({ answer, probability, rejected, between, reason }) {
  if (reason === SEVERAL) return `There seems to be more than one digit. Draw one at a time. The best guess is ${answer}.`;
  if (between) return `The network is not sure whether this is ${eitherOr(between)}.`;
  if (rejected) return `The network thinks that this is not a digit. Its best guess is ${answer}.`;
  return `The network reads ${answer}, ${percent(probability)}.`;
}

export function lost(seconds, reason = null) {
  const what = reason ? `The server cannot read now: ${reason}` : "The server does not answer";
  return `${what}. Your drawing is kept. Next attempt in ${seconds}${NARROW}s.`;
}

/** The page's address, `origin`, is not the server's own, nor listed there. */
export const notAdmitted = (origin) =>
  `The server takes ${origin} for another site, so it does not read your drawing here. Whoever runs it: start it with --cors-origins ${origin}, or let the proxy pass the Host header on unchanged, with its port.`;

export const refused = (reason) => `The server could not read this drawing: ${reason}.`;

export function number(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number.isInteger(value) ? String(value).replace("-", "−") : value.toFixed(digits).replace("-", "−");
}

export const AS_TABLE = "The reading as a table";
export const tableCaption = (name, layer) => `How ${name} reads your drawing, row by row; states of layer ${layer}`;
export const ROW = "Row";
export const BELIEVED = "Belief after it";
export const WITHOUT_IT = "Why: the answer without it";
export const believed = (digit, probability) => `${digit}, ${percent(probability)}`;
export const strongestUnits = (direction) => `Strongest units, reading ${direction === "forward" ? "down" : "up"}`;
export const unitState = (unit, state) => `unit ${unit}: ${number(state)}`;

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

export const LINK_BROKEN = "This link is damaged or cut short, so the page starts afresh.";
export const LINK_COPIED = "Link copied: it reopens this drawing with its answer, row, unit and network.";

export function linkedModelMissing(wanted, present) {
  return `The link’s network, ${wanted}, cannot be had here; ${present} reads the drawing instead.`;
}

export const COPY_LINK = "Copy link";
export const SAVE = "Save";
export const SAVE_TITLE = "Save or copy what is shown";
/** What the menu offers: its line, and what that is good for. */
export const EXPORT = {
  png: ["Picture, PNG", "the whole reading, for slides"],
  svg: ["Picture, SVG", "the same, sharp at every size"],
  csv: ["Numbers, CSV", "one line for each: output, row, of, index, value"],
  npz: ["Numbers, NPZ", "all arrays, for numpy.load"],
  python: ["Copy Python", "asks this server the same question"],
  curl: ["Copy curl", "the same for a terminal"],
};
export const CODE_COPIED = "Code copied: it gets this answer from this server.";
export const NOT_COPIED = "This browser does not let the page copy. Select and copy the text here:";
export const NOT_SAVED = "This could not be made: the server does not answer. Try again in a moment.";
export const CLOSE = "Close";
export const NOTHING_TO_EXPORT = "Nothing is drawn yet, so there is nothing to take along.";

export const LATENCY = "Response time";
export const LATENCY_NONE = "draw to measure";

export function latency({ last, median, count, server }) {
  const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)}${NARROW}ms`;
  return `${ms(last)} from pen to picture, median of ${count}: ${ms(median)}; of that the server ${ms(server)}`;
}

export const OF_THE_NETWORK = "of the full network";

function rows(from, to) {
  if (from === to) return `row ${from}`;
  return `rows ${from} ${to === from + 1 ? "and" : "to"} ${to}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** The row whose erasing costs the digit, or the best guess, most: measured, not a gradient. */
export function matters(costliest, digit, isGuess) {
  if (!costliest) return "";
  const { row, before, after } = costliest;
  if (costliest.digit !== digit) return `Without row ${row}, ${isGuess ? "its best guess would be" : "it would say"} ${costliest.digit}.`;
  if (before - after < NOTICED) return `No row matters alone: ${digit} keeps ${percent(after)}.`;
  return `Row ${row} matters most: without it ${digit} has ${percent(after)}.`;
}

const NOTICED = 0.005; // of probability: half of what is shown

/** Short: on a phone it stands above a narrow column. */
export const whyTitle = (digit, isGuess) =>
  digit === null ? "Why" : `${isGuess ? "For" : "Why"} ${digit}`;
export const WHY_LATER = "The reasons appear when the reading is done.";
/** Behind a digit that `why.js` puts beside a row whose loss changes the answer. */
export const FLIPS = "beside Why: what it would say without this row";

/** What the column beside the image shows, for a screen reader. */
export function whyLabel({ digit, costliest, against, isGuess }) {
  const spoke = against === null ? "" : ` Row ${against} speaks most against it.`;
  return `How much each row speaks for ${digit}${isGuess ? ", only its best guess" : ""}. ${matters(costliest, digit, isGuess)}${spoke}`;
}

export const NO_WHY = "How much each row speaks for the answer: nothing to show yet";

export const whyLegend = (digit) =>
  `More ink where it is orange would speak for ${digit ?? "the digit"}; where it is blue, against. States in orange speak for it, in blue against. Computed as the gradient of the answer’s logit (for states: times the state).`;

/** The answer, or best guess, if a row or a stroke were missing; `answer` is the one with it. */
export function without({ part, digit, probability, answer, isGuess }) {
  const says = `${digit} (${percent(probability)})`;
  if (isGuess) return `Without ${part} its best guess ${digit === answer ? "is still" : "would be"} ${says}.`;
  const [still, would] = probability > 0.5 ? ["still says", "would say"] : ["still leans to", "would lean to"];
  return `Without ${part} it ${digit === answer ? still : would} ${says}.`;
}

export const noInk = (row) => `Row ${row} has no ink: nothing to erase.`;
export const theRow = (row) => `row ${row}`;
export const theStroke = (number) => `stroke ${number}`;
export const withoutPart = (part) => `without ${part}`;
export const eraseRow = (row) => (row === null ? "Erase the marked row" : `Erase row ${row}`);
export const chip = (number, digit) => [capital(theStroke(number)), `without it: ${digit}`];

export const MARK_FIRST = "Mark a row first: click it, or use the arrow keys.";
export const ERASE_LATER = "Possible once the drawing is read.";
export const MARK_A_ROW = "Mark a row to learn what the answer would be without it.";

/** What to do, and the rows that the answer, or the best guess, hangs on. */
export function whatIf(flips, isGuess) {
  const subject = isGuess ? "the best guess" : "it";
  if (!flips.length) return `${MARK_A_ROW} No single row would change ${subject}.`;
  const list = flips.length > 1 ? `${flips.slice(0, -1).join(", ")} or ${flips.at(-1)}` : flips[0];
  return `${MARK_A_ROW} ${capital(subject)} would change without row ${list}.`;
}

/** Runs of rows [{from, to}] that the last stroke changed, by the reader's direction. */
export function changed({ forward, backward }) {
  const list = (runs) => {
    const parts = runs.map(({ from, to }) => rows(from, to).replace(/^rows? /, ""));
    const many = parts.length > 1 || / /.test(parts[0]);
    const text = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];
    return `row${many ? "s" : ""} ${text}`;
  };
  const found = [];
  if (forward?.length) found.push(`the downward states in ${list(forward)}`);
  if (backward?.length) found.push(`the upward one in ${list(backward)}`);
  if (!found.length) return "The last stroke changed nothing.";
  return `The last stroke changed ${found.join(", and ")}.`;
}

export const CHANGED = "changed";
export const NOT_CHANGED = "Draw a stroke to see which rows it changes.";

/** A share of a strength, in two digits. */
function share(ratio) {
  if (ratio >= 10) return `${Math.round(ratio)} times`;
  if (ratio >= 1.05) return `${ratio.toFixed(1)} times`;
  if (ratio >= 0.095) return percent(ratio);
  return ratio < 1e-6 ? `less than 0.0001${NARROW}%` : `${Number((100 * ratio).toPrecision(1))}${NARROW}%`;
}

export const tick = (power) =>
  power > 0 ? `${(10 ** power).toLocaleString("en")} ×` : `${10 ** (power + 2)}${NARROW}%`;

const VANISHED = 0.01; // of the last row's

/** How strongly the last belief, in `digit`, depends on the state after `row`, of `last` rows. */
export function felt({ row, last, digit, ratio, isFirstInk }) {
  const where = isFirstInk ? `row ${row}, where the ink begins,` : `row ${row}`;
  const belief = `Its final belief, ${digit},`;
  if (row === last) return `${belief} comes right after row ${last}, so it depends on that row’s state in full.`;
  if (!ratio) return `${belief} no longer depends on ${where} at all.`;
  const change = ratio < VANISHED ? ": the gradient vanishes" : ratio < 1 ? `: the gradient falls to ${share(ratio)}` : `: the gradient grows to ${share(ratio)}`;
  return `${belief} depends on ${where} with ${share(ratio)} of row ${last}’s strength${change}.`;
}

/** The same of the network that is compared with. */
export const feltBySecond = ({ name, row, ratio }) => ` For ${name}, row ${row}’s share is ${ratio ? share(ratio) : "0"}.`;

export const NOT_FELT = "Draw a digit to see how far back its last belief reaches.";

export const unexplained = (name) =>
  `The page cannot say why this network answers as it does, because its weights are not here: put ${name}.npz beside ${name}.onnx (python -m model.export writes both).`;

const READERS = { forward: "downward", backward: "upward" };

export const unitName = (unit, digit) => `unit ${unit} · ${activity(digit)}`;
/** After its name, beside the pointer: the unit that is looked into is shown farther down. */
export const moreOfUnit = (isChosen) => ` · ${isChosen ? "more below" : "click for more"}`;
const activity = (digit) => (digit === null ? "speaks for no digit" : `speaks most for ${digit}`);
/** Of a group of columns: what its units have in common. */
export const groupTitle = (digit, count) =>
  `${count} unit${count > 1 ? "s" : ""}: ${activity(digit)}, by what their states give to its logit in our examples`;
/** Beside the name of a unit that is looked into: what the place of its column says. */
export function unitActivity(digit) {
  if (digit === null) return "In our examples it gives nothing to any digit’s logit.";
  return `Speaks most for ${digit}: of our examples, drawings of ${digit} gain most from its states (state times gradient of the logit, summed over the rows). Its votes are its weights in the read-out.`;
}
export const unitTitle = ({ unit, direction, layer, layers }) =>
  `Unit ${unit} of the ${READERS[direction]} reader${layers > 1 ? `, layer ${layer}` : ""}`;
export const unitPicker = (direction) =>
  `States of the ${READERS[direction]} reader: left and right choose a unit`;
export const UNIT = "One unit";
export const NO_UNIT = "no unit chosen";
export const PICK_UNIT = matchMedia("(hover: none)").matches
  ? "Tap a column of the states to look into that unit."
  : "Click a column of the states to look into that unit; left and right go to the next.";
export const UNIT_FAILED = "The server did not say what is in this unit. Choose it again.";
export const INPUT = "What it looks for";
export const inputNote = (window) =>
  window > 1
    ? "the weights of its pixels: orange excites it, blue calms it; the lowest strip is the row it stands at"
    : "the weights of its 28 pixels: orange excites it, blue calms it";
export const NO_INPUT = "It reads the units of the layer below, not pixels.";
export const TRACE = "Its state, row by row";
export function traceLabel(states) {
  const peak = states.reduce((best, state, row) => (Math.abs(state) > Math.abs(states[best]) ? row : best), 0);
  return `${TRACE}: strongest at row ${peak + 1}, ${number(states[peak])}`;
}
export const EXCITING = "Excited most by";
export const excitingNote = ({ row, state }) => `${number(Number(state.toFixed(2)))} at row ${row}`;
export const excitingLabel = ({ digit, ...at }) => `An example ${digit}: ${excitingNote(at)}`;

/** A number below the line, as in h₁. */
export const lowered = (whole) => [...String(whole)].map((letter) => "₀₁₂₃₄₅₆₇₈₉"[letter]).join("");
export const stateAt = (row, isLast) => `Its state at row ${row}${isLast ? ", the last it reads; mark a row for another" : ""}`;
/** The arithmetic of one state. */
export function stateSum({ name, letter, activation, sum_inputs, sum_recurrent, bias, total, state }) {
  const signed = (value) => `${value < 0 ? "−" : "+"} ${number(Math.abs(value))}`;
  const sum = `${number(sum_inputs)} ${signed(sum_recurrent)} ${signed(bias)}`;
  return `${name} = ${activation}(Σ U·x + Σ W·${letter} + b) = ${activation}(${sum}) = ${activation}(${number(total)}) = ${number(state)}`;
}
export const INPUT_TERMS = "The largest terms U·x";
export const stateTerms = (letter) => `The largest terms W·${letter}`;
export const NO_TERMS = "none: all are 0";
export const inputOf = ({ row, pixel, unit, reader }) => {
  if (row !== undefined) return `row ${row}, pixel ${pixel + 1}`;
  return reader ? `unit ${unit}, ${READERS[reader]}` : `unit ${unit}`;
};
export const stateOf = ({ unit }, letter, row) => `${letter}${lowered(row)}[${unit}]`;

export const FROM = "Listens to";
export const TO = "Speaks to";
export const partnerLabel = (unit, weight) =>
  `unit ${unit}, ${weight < 0 ? "calms" : "excites"}, weight ${number(Number(weight.toFixed(2)))}`;
export function votes(output, { answer, belief }) {
  const where = { [answer]: " in the answer", [belief]: " in the belief" };
  return `Its votes${where[output] ?? ""}`;
}
export const NO_VOTES = "None of its own: only the next layer hears it.";

export const PAD_PICTURE = "Your picture. Draw to replace it.";
export const PICTURE = "Picture";
export const PICTURE_TITLE = "Read a photo or a PNG; paste (Ctrl+V) and drop work, too";
/** Where it may come from: the menu's line, and an explanation. */
export const PICTURE_FROM = {
  file: ["Choose a file", "or paste it (Ctrl+V), or drop it anywhere here"],
  camera: ["Use the camera", "a photo of your own handwriting"],
};
export const PICTURE_DROP = "Let go to read this picture";
export const PICTURE_BUSY = "Reading your picture …";
export const PICTURE_NOT_SENT = "The server does not answer, so the picture was not read. Try again in a moment.";
export const pictureRefused = (reason) => `This picture could not be read: ${reason}.`;

export const STEPS_OPEN = "Steps";
export const STEPS_TITLE = "How your picture became 28 × 28";
/** What happened to a picture on its way: a title and one line; `inverted`: dark ink on a light page. */
export function step(name, inverted) {
  return {
    picture: ["Picture", "upright, made smaller"],
    closer: ["Closer", "the part that is read"],
    grey: ["No colour", "only its shades"],
    ink: ["The ink", inverted ? "turned round, so ink is white" : "light on dark already"],
    cleaned: ["The ink", "shadows and dust gone"],
    cropped: ["Cut out", "the box around the ink"],
    box: ["20 × 20", "made square and small"],
    centred: ["28 × 28", "centred: this is read"],
  }[name];
}

export const CANCEL = "Cancel";
export const CAMERA_TITLE = "Take a photo of a digit";
export const CAMERA_TAKE = "Take";
export const CAMERA_WAIT = "Asking for the camera …";
export const CAMERA_HINT = "One digit in the square, dark on plain paper.";

/** Why there is no camera; `name` is the browser's for the error. */
export function cameraTrouble(name) {
  return (
    {
      NotAllowedError: "The browser does not let this page use the camera: allow it in the address bar, then try again.",
      NotFoundError: "No camera is found: plug one in, or choose a file instead.",
      NotReadableError: "Another program uses the camera: close it, then try again.",
      SecurityError: "Browsers give the camera only to pages from https or localhost: choose a file instead.",
    }[name] ?? "The camera cannot be used: choose a file instead."
  );
}

export const NETWORK = "Network";
export const COMPARE_WITH = "Compare with";
export const COMPARED_WITH = "Compared with";
export const SHOWN = "Shown";
/** A description begins with a few words and a colon. */
export function networkOption(name, description) {
  const [few, rest] = (description ?? "").split(": ");
  return rest && few.length < 24 ? `${name} · ${few.toLowerCase()}` : name;
}
export const COMPARE_NONE = "no other";
export const secondReading = (name) => `The same drawing, read by ${name}`;
export const NO_ANSWER = "the server does not answer";
export const answered = (status) => `the server answers with the error ${status}`;
export const networkUnusable = (name, reason) => `${name} cannot be used: ${reason}`;

/** What a network is, as its card says, and what it lacks. */
export function about(description, { layers, outputs, explain }) {
  const lacks = [];
  if (!layers[0].backward) lacks.push("no upward reader: its answer is what it believes after the last row");
  if (!outputs.score) lacks.push("no score for what is not a digit: it can only be unsure");
  if (!explain) lacks.push("no weights file here: the page cannot say why it answers so");
  return [description, ...lacks.map((lack) => `It has ${lack}.`)].filter(Boolean).join(" ");
}

export const TOUR_BACK = "Back";
export const TOUR_NEXT = "Next";
export const TOUR_DONE = "Done";
export const TOUR_END = "End the tour";
/** The six steps of `tour.js`. */
export const TOUR = [
  {
    title: "A row is a step",
    text: "elman is one Keras SimpleRNN, the textbook’s network. At each step it reads one row of 28 pixels; the marked row is step 14.",
    question: "Press the down arrow: what can the states of a row know of the rows below?",
  },
  {
    title: "A state",
    text: "One column is one unit. Its state at a row is tanh of a sum: this row’s pixels, all states of the row before, and a bias. Below stands the arithmetic of unit 38.",
    question: "Which single term moves its state at row 14 most, a pixel or another unit?",
  },
  {
    title: "Two readers",
    text: "A bidirectional network has a second reader that starts at the bottom row. The player shows both.",
    question: "From which row on has every row been read by one of the two?",
  },
  {
    title: "The gradient",
    text: "Learning goes back through the states. The curve shows how strongly the last belief depends on each earlier state: the gradient’s norm, on a logarithmic scale.",
    question: "To how many per cent has it fallen where the ink begins?",
  },
  {
    title: "Saturation",
    text: "elman-saturated started with input weights ten times as large. Where a state is near −1 or 1, tanh is flat and its derivative near 0.",
    question: "Which of the two has more states near ±1, and whose gradient falls faster over the first rows?",
  },
  {
    title: "Clipping",
    text: "elman-unclipped was trained without gradient clipping: one gradient that is too large can undo what was learnt.",
    question: "Does it still believe the right digit, and from which row on?",
    lab: "clipping",
  },
];
