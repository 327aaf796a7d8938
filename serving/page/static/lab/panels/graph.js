// Exercise 1: what is computed, as a graph.

import { activationCurve } from "../../core/activation.js";
import { el, lowered, picture, svg, table } from "../elements.js";
import { called, computationGraph } from "../graph.js";
import { SCALAR } from "./paths.js";

const SHOWN_TERMS = 5; // of the 28 inputs and of the 128 states

export const equation = `<math display="block"><msub><mi>τ</mi><mi>t</mi></msub><mo>=</mo><mi>W</mi><msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub><mo>+</mo><mi>U</mi><msub><mi>x</mi><mi>t</mi></msub><mspace width="2em"/>
<msub><mi>h</mi><mi>t</mi></msub><mo>=</mo><mi>tanh</mi><mo stretchy="false">(</mo><msub><mi>τ</mi><mi>t</mi></msub><mo stretchy="false">)</mo><mspace width="2em"/>
<msub><mi>y</mi><mi>t</mi></msub><mo>=</mo><mi>V</mi><msub><mi>h</mi><mi>t</mi></msub><mspace width="2em"/>
<mi>z</mi><mo>=</mo><munder><mo>∏</mo><mi>t</mi></munder><msub><mi>y</mi><mi>t</mi></msub></math>`;

export default {
  equation,
  onPaper: true,
  controls: [
    ...SCALAR,
    { name: "z", kind: "flag", value: "", label: "with z = Π y (exercise 2)" },
    { name: "node", value: "h_1", local: true }, // chosen in the graph
  ],

  draw(c) {
    const { numbers, f, texts } = c;
    const T = numbers.nodes.filter(({ name }) => name.startsWith("x_")).length;
    const marked = numbers.nodes.map(({ name }) => name).filter((name) => /^(tau|h)_[1-9]/.test(name));
    return computationGraph(numbers, { f, label: texts.label(T), marked, chosen: chosen(c).name, onChoose: (name) => c.set("node", name) });
  },

  tables(c) {
    const { numbers, f, texts } = c;
    const node = chosen(c);
    const values = new Map(numbers.nodes.map(({ name, value }) => [name, value]));
    const into = numbers.edges.filter(({ to }) => to === node.name);
    const outOf = numbers.edges.filter(({ from }) => from === node.name);
    const rows = into.map(({ from, derivative }) => [called(from), f(values.get(from)), f(derivative)]);
    const uses = outOf.map(({ to, derivative }) => [called(to), f(values.get(to)), f(derivative)]);
    const head = texts.node(called(node.name), texts.kinds[node.kind], f(node.value));
    return [
      el("p", { class: "lab-sum", role: "status" }, head),
      rows.length ? table(texts.from(called(node.name)), ["", texts.value, texts.local], rows) : null,
      uses.length ? table(texts.to(called(node.name)), ["", texts.value, texts.localOf(called(node.name))], uses) : null,
      table(texts.counts, ["", texts.count], [
        [texts.circles, c.answer("circles", numbers.nodes.length - numbers.computations)],
        [texts.rectangles, c.answer("computations", numbers.computations)],
        [texts.edges, f(numbers.edge_count)],
      ]),
    ];
  },

  see: ({ texts }) => texts.see,

  questions: ({ numbers, texts }) => [
    { name: "circles", ask: texts.askCircles, value: numbers.nodes.length - numbers.computations },
    { name: "computations", ask: texts.askRectangles, value: numbers.computations },
    { name: "where", ask: texts.askWhere, choices: texts.where },
  ],

  drawing: {
    controls: [
      { name: "row", kind: "range", value: "14", min: 1, max: 28, label: (row) => `Row t = ${row}` },
      { name: "unit", kind: "range", value: "0", min: 0, max: 127, label: (unit) => `Unit j = ${unit}` },
    ],
    show: unitOfElman,
  },
};

function chosen({ numbers, values }) {
  return numbers.nodes.find(({ name }) => name === values.node) ?? numbers.nodes.find(({ name }) => name === "h_1");
}

/** One unit: its three summands, their sum on the curve of tanh, and the largest terms. */
function unitOfElman({ numbers, f, texts }) {
  const { row, unit, Ux, Wh } = numbers;
  const indices = (terms) => [...terms.keys()].sort((i, j) => Math.abs(terms[j]) - Math.abs(terms[i])).slice(0, SHOWN_TERMS);
  const inputs = indices(Ux).map((i) => [`U[${unit},${i}]·x[${i}]`, f(numbers.U[i]), f(numbers.x[i]), f(Ux[i])]);
  const states = indices(Wh).map((i) => [`W[${unit},${i}]·h[${i}]`, f(numbers.W[i]), f(numbers.before[i]), f(Wh[i])]);
  const signed = (number) => (number < 0 ? ` − ${f(-number)}` : ` + ${f(number)}`);
  const { b, sum_Ux, sum_Wh, tau, h, slope } = numbers;
  return [
    unitPicture(numbers, f, texts),
    el("p", { class: "lab-sum" }, texts.unit({ row: lowered(row), unit, sum: `${f(sum_Ux)}${signed(sum_Wh)}${signed(b)}`, tau: f(tau), h: f(h), slope: f(slope) })),
    table(texts.largestInputs(SHOWN_TERMS), ["", "U", "x", texts.product], inputs),
    table(texts.largestStates(SHOWN_TERMS), ["", "W", "h", texts.product], states),
  ];
}

function unitPicture({ row, unit, sum_Ux, sum_Wh, b, tau, h }, f, texts) {
  const box = (x, y, name, value, of = "computation") => svg("g", { class: `node ${of}` },
    svg("rect", { x: x - 62, y: y - 26, width: 124, height: 52, rx: 6 }),
    svg("text", { x, y: y - 5, "text-anchor": "middle", "font-size": 16, class: "name" }, name),
    svg("text", { x, y: y + 16, "text-anchor": "middle", "font-size": 16 }, value));
  const edge = (x1, y1, x2, y2) => svg("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: "edge" });
  return picture({ width: 640, height: 250, label: texts.unitLabel(unit, row) },
    [[68, 40], [68, 120], [68, 200]].map(([x, y]) => edge(x + 62, y, 216, 120)),
    edge(340, 120, 400, 120),
    box(68, 40, "Σ U·x", f(sum_Ux)), box(68, 120, "Σ W·h", f(sum_Wh)), box(68, 200, "b", f(b), "parameter"),
    box(278, 120, `τ${lowered(row)} +`, f(tau), "computation marked"),
    activationCurve({ x: 400, y: 20, width: 230, height: 200 }, { activation: "tanh", total: tau, state: h }, `tanh τ = ${f(h)}`));
}
