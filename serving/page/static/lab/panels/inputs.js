// Exercise 3: where the inputs are in ∂z/∂W: in no factor, but behind all stored values.

import { el, lowered, picture, svg, table } from "../elements.js";
import { computationGraph } from "../graph.js";
import { SCALAR } from "./paths.js";

const row = (...parts) => `<mtr>${parts.map((part) => `<mtd>${part}</mtd>`).join("")}</mtr>`;
const d = (of) => `<mfrac><mrow><mo>∂</mo><mi>z</mi></mrow><mrow><mo>∂</mo><mi>${of}</mi></mrow></mfrac>`;
const at = (letter, index) => `<msub><mi>${letter}</mi><mn>${index}</mn></msub>`;
const slope = (index) => `<msup><mi>tanh</mi><mo>′</mo></msup><mo stretchy="false">(</mo>${at("τ", index)}<mo stretchy="false">)</mo>`;
const sum = (first, second) => `<mrow>${at("y", 2)}<mi>V</mi>${slope(1)}${first}<mo>+</mo>${at("y", 1)}<mi>V</mi>${slope(2)}<mo stretchy="false">(</mo>${second}<mo>+</mo><mi>W</mi>${slope(1)}${first}<mo stretchy="false">)</mo></mrow>`;

export default {
  equation: `<math display="block"><mtable columnalign="right center left">
${row(d("W"), "<mo>=</mo>", sum(at("h", 0), at("h", 1)))}${row(d("U"), "<mo>=</mo>", sum(at("x", 1), at("x", 2)))}</mtable></math>`,
  onPaper: true,
  others: { graph: { panel: "graph", query: (query) => ({ ...query, z: 1 }) } },
  seeAfter: "where",
  controls: [...SCALAR.map((control) => (control.name === "x" ? { ...control, max: 2 } : control)), { name: "moved", kind: "choice", value: "2", label: "What does it change?", local: true, choices: ["1", "2"].map((t) => [t, `x${lowered(t)}`]) }],

  draw(c) {
    const { f, texts } = c;
    const t = moved(c);
    const touched = changed(c, t);
    return computationGraph(c.others.graph, { f, label: texts.label(lowered(t)), changed: [`x_${t}`, `Ux_${t}`, ...touched, ...touched.filter((name) => /^h_/.test(name)).map((name) => `W${name}`)], chosen: `x_${t}` });
  },

  tables(c) {
    const { numbers, f, texts } = c;
    const t = moved(c);
    const by = numbers.changes[t - 1];
    const cells = (values, changes) => values.map((value, i) => ({ text: `${f(value)} (${f(changes[i])})`, changed: changes[i] !== 0 }));
    const steps = numbers.tau.map((_, i) => texts.step(i + 1));
    return [
      table(texts.table(lowered(t)), ["", ...steps], [["τ", ...cells(numbers.tau, by.tau)], ["h", ...cells(numbers.h, by.h)], ["y", ...cells(numbers.y, by.y)]]),
      table(texts.gradients(lowered(t)), ["", texts.value, texts.changes], [
        ["z", f(numbers.z), f(by.z)],
        ["∂z/∂W", f(numbers.dz_dW), f(by.dz_dW)],
        ["∂z/∂U", c.answer("dz_dU", numbers.dz_dU), f(by.dz_dU)],
      ]),
    ];
  },

  see(c) {
    const t = moved(c);
    return t === 1 ? c.texts.seeFirst : c.texts.see(lowered(t), lowered(t - 1));
  },

  questions: ({ exact, paper, texts }) => [
    { name: "where", ask: texts.askWhere, choices: texts.where },
    { name: "dz_dU", ask: "∂z/∂U =", value: exact.dz_dU, paper: paper.dz_dU },
  ],

  drawing: { show: strokes },
};

const moved = ({ values, numbers }) => Math.min(Number(values.moved), numbers.h.length);

/** Names in the graph of what the t-th input changes, by the server's derivatives. */
function changed({ numbers }, t) {
  const by = numbers.changes[t - 1];
  const names = ["tau", "h", "y"].flatMap((kind) => by[kind].map((change, i) => change !== 0 && `${kind}_${i + 1}`));
  return [...names.filter(Boolean), "z"].filter((name) => name !== `h_${numbers.h.length}` || by.h.at(-1) !== 0);
}

/** For each stroke a strip of 28 rows: how much of the hidden state it changes. */
function strokes({ numbers, f, texts }) {
  const { parts, kind } = numbers;
  const [left, top, width, pitch, size] = [120, 34, 20, 34, 26];
  const largest = Math.max(...parts.flatMap(({ changes }) => changes)) || 1;
  const strips = parts.map(({ changes }, i) => {
    const y = top + i * pitch;
    const cells = changes.map((change, t) => svg("rect", { x: left + t * width, y, width: width - 1, height: size, style: `fill: color-mix(in srgb, var(--state-highest) ${Math.round((100 * change) / largest)}%, var(--state-zero))` }));
    return [svg("text", { x: left - 10, y: y + 19, "text-anchor": "end", "font-size": 16 }, texts.part(kind, i + 1)), cells];
  });
  const axis = [1, 7, 14, 21, 28].map((t) => svg("text", { x: left + (t - 0.5) * width, y: 22, "text-anchor": "middle", "font-size": 15, class: "quiet" }, t));
  const rows = parts.map(({ rows, first_row, changes }, i) => [texts.part(kind, i + 1), rows ? rows.join(" – ") : "–", f(first_row), f(Math.max(...changes)), f(changes.at(-1))]);
  return [
    picture({ width: left + 28 * width + 20, height: top + parts.length * pitch + 6, label: texts.strips }, axis, strips),
    el("p", {}, texts.stripsNote),
    table(texts.strips, ["", texts.inked, texts.firstRow, texts.most, texts.last], rows),
  ];
}
