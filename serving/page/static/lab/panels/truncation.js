// Exercise 7: a long sequence cut into pieces.

import { bars } from "../chart.js";
import { el, picture, svg, table } from "../elements.js";

const PIECES = [28, 14, 7, 4, 2];
const KINDS = ["whole", "carry", "reset"];

export default {
  equation: `<math display="block"><mtext>carry, at each cut:&nbsp;</mtext><mfrac><mrow><mo>∂</mo><msub><mi>h</mi><mi>t</mi></msub></mrow><mrow><mo>∂</mo><msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub></mrow></mfrac><mo>:=</mo><mn>0</mn>
<mspace width="2em"/><mtext>reset, at each cut:&nbsp;</mtext><msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub><mo>:=</mo><mn>0</mn>
<mspace width="2em"/><mtext>paths kept, if K divides T:&nbsp;</mtext><mfrac><mi>T</mi><mi>K</mi></mfrac><mo>·</mo><mfrac><mrow><mi>K</mi><mo stretchy="false">(</mo><mi>K</mi><mo>+</mo><mn>1</mn><mo stretchy="false">)</mo></mrow><mn>2</mn></mfrac><mtext>&nbsp;of&nbsp;</mtext><mfrac><mrow><mi>T</mi><mo stretchy="false">(</mo><mi>T</mi><mo>+</mo><mn>1</mn><mo stretchy="false">)</mo></mrow><mn>2</mn></mfrac></math>`,
  others: { numbers: { panel: "truncation", query: ({ piece }, { W, U, V, h0, x }) => ({ piece: Math.min(piece, x.split(",").length), W, U, V, h0, x }) } },
  controls: [
    { name: "steps", kind: "range", value: "28", min: 2, max: 60, label: (steps) => `Steps T = ${steps}` },
    { name: "piece", kind: "range", value: "7", min: 1, max: 60, label: (piece) => `Steps of a piece K = ${piece}` },
    { name: "x", kind: "series", value: "0.5,-1,0.7,0.3,-0.4,0.9,0.2,-0.6,0.8,-0.3,0.4,0.1,-0.7,0.6", label: "x", min: 2, max: 14, more: [0.5, -1, 0.7, 0.3, -0.4, 0.9, 0.2, -0.6, 0.8, -0.3, 0.4, 0.1, -0.7, 0.6], local: true, isAsked: true, isHidden: true },
    { name: "W", value: "0.9", local: true },
    { name: "U", value: "0.8", local: true },
    { name: "V", value: "1.2", local: true },
    { name: "h0", value: "0.5", local: true },
  ],

  draw: (c) => square(Number(c.asked.steps), Number(c.asked.piece), c.texts),

  tables(c) {
    const { numbers, others, f, texts } = c;
    const { whole, piece } = numbers.stored;
    const rows = KINDS.map((kind) => [kind, ...["z", "dz_dW", "dz_dU", "cosine"].map((name) => f(others.numbers[kind][name]))]);
    return [
      table(texts.counts, ["", texts.whole, texts.kept], [
        [texts.paths, c.answer("paths", numbers.paths), c.answer("kept", numbers.paths_kept)],
        [texts.stored, f(whole.h_only), f(piece.h_only)],
      ]),
      table(texts.scalar(c.values.x.split(",").length), ["", "z", "∂z/∂W", "∂z/∂U", texts.cosine], rows),
    ];
  },

  see: ({ texts }) => texts.see,

  questions: ({ numbers, texts }) => [
    { name: "paths", ask: texts.askPaths, value: numbers.paths },
    { name: "kept", ask: texts.askKept, value: numbers.paths_kept },
    { name: "plus", ask: texts.askPlus, choices: texts.plus },
    { name: "minus", ask: texts.askMinus, choices: texts.minus },
  ],

  drawing: {
    recorded: "truncation",
    controls: [{ name: "rows", as: "piece", kind: "choice", value: "7", label: "Rows of a piece K", choices: PIECES.map((piece) => [String(piece), piece]) }],
    show: elmanInPieces,
  },
};

/** Every path as a cell: used at step s (row), leaving through step t (column); lost ones are empty. */
function square(T, K, texts) {
  const [left, top, side] = [64, 44, Math.floor(470 / T)];
  const cells = [];
  for (let s = 0; s < T; s++) {
    for (let t = s; t < T; t++) {
      const isKept = Math.floor(s / K) === Math.floor(t / K);
      cells.push(svg("rect", { x: left + t * side, y: top + s * side, width: side - 1, height: side - 1, class: isKept ? "one filled" : "lost" }));
    }
  }
  const ticks = [...new Set([1, Math.ceil(T / 2), T])];
  const middle = (step) => (step - 0.5) * side;
  const text = (x, y, words, anchor) => svg("text", { x, y, "text-anchor": anchor, "font-size": 16, class: "quiet" }, words);
  const key = [["one filled", texts.keptPath], ["lost", texts.lostPath]].map(([kind, words], i) => [
    svg("rect", { x: left, y: top + T * side - 60 + 30 * i, width: 18, height: 18, class: kind }), text(left + 28, top + T * side - 45 + 30 * i, words, "start")]);
  return picture({ width: left + T * side + 24, height: top + T * side + 6, label: texts.square(T, K) },
    text(left + T * side, 16, texts.leaves, "end"), text(left - 12, 16, texts.used, "start"),
    ticks.map((step) => [text(left + middle(step), top - 8, step, "middle"), text(left - 8, top + middle(step) + 6, step, "end")]), cells, key);
}

/** The trained `elman`: what carrying and resetting leave of its gradient, and of its answer. */
function elmanInPieces({ numbers, recorded, f, texts }) {
  const percent = (share) => `${f(100 * share)} %`;
  const { units, stored, label } = numbers;
  const rows = KINDS.map((kind) => {
    const { answer, probabilities, rows: seen, gradient_rows, cosine, ratio } = numbers[kind];
    return [kind, f(cosine.W), f(ratio.W), gradient_rows, `${answer} (${percent(probabilities[answer])})`, seen];
  });
  const cosines = KINDS.map((kind) => ({ name: kind, value: Math.max(0, numbers[kind].cosine.W ?? 0), text: f(numbers[kind].cosine.W), kind: kind === "whole" ? "lab-curve" : kind === "carry" ? "one" : "other" }));
  return [
    bars(cosines, texts.cosines, 1),
    table(texts.elman(label), ["", texts.cosineW, texts.ratioW, texts.gradientRows, texts.answer, texts.rowsSeen], rows),
    el("p", { class: "lab-sum" }, texts.memory(stored.whole * units, stored.piece * units)),
    recorded ? trained(recorded, f, texts) : el("p", {}, texts.notRecorded),
  ];
}

function trained({ runs, command }, f, texts) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const written = (piece, kind, key) => {
    const errors = runs.filter((run) => run.piece === piece && run.kind === kind && run[key] !== undefined).map((run) => run[key]);
    return errors.length ? `${f(mean(errors))} % (${f(Math.min(...errors))}–${f(Math.max(...errors))})` : "–";
  };
  const pieces = [...new Set(runs.map(({ piece }) => piece))].sort((one, two) => two - one);
  const rows = pieces.map((piece) => [`K = ${piece}`, written(piece, piece === 28 ? "whole" : "carry", "error_percent"), written(piece, "reset", "as_trained_percent"), written(piece, "reset", "error_percent")]);
  return [table(texts.trained, ["", "carry", texts.resetInPieces, texts.resetWhole], rows), el("p", { class: "lab-made" }, texts.made, " ", el("code", {}, command))];
}
