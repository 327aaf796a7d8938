// Exercise 2: how W reaches z, and what must be stored for the way back.

import { lineChart } from "../chart.js";
import { captioned, el, lowered, table } from "../elements.js";
import { computationGraph } from "../graph.js";

// Stored values for 100 steps, and how many more than for 2: `model.lab.scalar_rnn.stored`.
const STORED = { tau_and_h: { name: "more_tau", far: 299, more: 294 }, h_only: { name: "more_h", far: 200, more: 196 } };

export const SCALAR = [
  { name: "W", kind: "number", value: "0.9", label: "W" },
  { name: "U", kind: "number", value: "0.8", label: "U" },
  { name: "V", kind: "number", value: "1.2", label: "V" },
  { name: "h0", kind: "number", value: "0.5", label: "h₀" },
  { name: "x", kind: "series", value: "0.5,-1", label: "x", min: 2, max: 6, more: [0, 0, 0.7, 0.3, -0.4, 0.9] },
];

const equation = `<math display="block"><mfrac><mrow><mo>∂</mo><mi>z</mi></mrow><mrow><mo>∂</mo><mi>W</mi></mrow></mfrac><mo>=</mo>
<munderover><mo>∑</mo><mrow><mi>t</mi><mo>=</mo><mn>1</mn></mrow><mi>T</mi></munderover>
<munderover><mo>∑</mo><mrow><mi>s</mi><mo>=</mo><mn>1</mn></mrow><mi>t</mi></munderover>
<mrow><mo>(</mo><munder><mo>∏</mo><mrow><mi>i</mi><mo>≠</mo><mi>t</mi></mrow></munder><msub><mi>y</mi><mi>i</mi></msub><mo>)</mo></mrow><mi>V</mi>
<mrow><mo>(</mo><munderover><mo>∏</mo><mrow><mi>j</mi><mo>=</mo><mi>s</mi><mo>+</mo><mn>1</mn></mrow><mi>t</mi></munderover>
<msup><mi>tanh</mi><mo>′</mo></msup><mo stretchy="false">(</mo><msub><mi>τ</mi><mi>j</mi></msub><mo stretchy="false">)</mo><mi>W</mi><mo>)</mo></mrow>
<msup><mi>tanh</mi><mo>′</mo></msup><mo stretchy="false">(</mo><msub><mi>τ</mi><mi>s</mi></msub><mo stretchy="false">)</mo><msub><mi>h</mi><mrow><mi>s</mi><mo>−</mo><mn>1</mn></mrow></msub></math>`;

export default {
  equation,
  onPaper: true,
  others: { graph: { panel: "graph", query: (query) => ({ ...query, z: 1 }) } },
  controls: [
    ...SCALAR,
    { name: "keep", kind: "choice", value: "tau_and_h", label: "Stored for the way back", local: true, choices: [["tau_and_h", "τ, h and y"], ["h_only", "h and y, with tanh′ = 1 − h²"]] },
    { name: "path", value: "1,2", local: true }, // s,t: chosen in the triangle
  ],

  draw(c) {
    const { f, texts } = c;
    const [s, t] = chosen(c);
    return computationGraph(c.others.graph, {
      f,
      label: texts.path(s, lowered(t), f(c.numbers.paths[index(c.numbers.paths, s, t)].value)),
      stored: storedNames(c),
      path: { s, t },
    });
  },

  tables(c) {
    const { numbers, f, texts } = c;
    const T = numbers.h.length;
    const [s, t] = chosen(c);
    const value = numbers.paths[index(numbers.paths, s, t)].value;
    const total = el("p", { class: "lab-sum" }, texts.sum(numbers.paths.length, c.answer("dz_dW", numbers.dz_dW)));
    const { name, far, more } = STORED[c.values.keep];
    return [
      triangle(c, T, s, t),
      total,
      factors(c, s, t, value),
      el("p", { class: "lab-stored" }, texts.stored(numbers.stored[c.values.keep], c.isOpen(name) ? c.answer(name, far) : far, c.answer(name, more))),
      table(texts.chain, ["", ...numbers.chain.map((_, k) => texts.back(k))], [["Π tanh′·W", ...numbers.chain.map((left) => bar(left, f))]]),
    ];
  },

  see: (c) => c.texts.see(c.numbers.h.length),

  questions: ({ exact, paper }) => [
    { name: "dz_dW", ask: "∂z/∂W =", value: exact.dz_dW, paper: paper.dz_dW },
    { name: "more_tau", ask: "τ, h, y: more values for 100 steps than for 2 =", value: STORED.tau_and_h.more },
    { name: "more_h", ask: "1 − h²: more values for 100 steps than for 2 =", value: STORED.h_only.more },
  ],

  more: ({ texts }) => el("details", {}, el("summary", {}, texts.readings), table(texts.readingsNote, ["", "T = 2", "T = 100", texts.moreValues], texts.readingRows)),

  drawing: { recorded: "memory", isAsked: false, show: memory },
};

const index = (paths, s, t) => paths.findIndex((path) => path.used_at === s && path.leaves_at === t);

/** The chosen path, or the nearest that there is. */
function chosen({ values, numbers }) {
  const T = numbers.h.length;
  const [s, t] = values.path.split(",").map(Number);
  const last = Math.min(Math.max(1, t || 1), T);
  return [Math.min(Math.max(1, s || 1), last), last];
}

function storedNames({ values, numbers }) {
  const steps = numbers.h.map((_, i) => i + 1);
  const T = steps.length;
  const outputs = steps.map((t) => `y_${t}`);
  if (values.keep === "h_only") return [...outputs, ...steps.map((t) => `h_${t}`)];
  return [...outputs, ...steps.map((t) => `tau_${t}`), ...steps.slice(0, T - 1).map((t) => `h_${t}`)];
}

/** All paths as a grid in which the arrow keys move. */
function triangle(c, T, s, t) {
  const { numbers, texts, f } = c;
  const largest = Math.max(...numbers.paths.map(({ value }) => Math.abs(value))) || 1;
  const steps = numbers.h.map((_, i) => i + 1);
  const cell = (row, column) => {
    if (row > column) return el("td", { class: "none" });
    const { value } = numbers.paths[index(numbers.paths, row, column)];
    const isChosen = row === s && column === t;
    const share = Math.round((60 * Math.abs(value)) / largest);
    const colour = `color-mix(in srgb, var(${value < 0 ? "--state-low" : "--state-high"}) ${share}%, var(--raised))`;
    return el("td", { role: "gridcell", "aria-selected": String(isChosen), "data-key": `path-${row}-${column}`, tabindex: isChosen ? 0 : -1, style: `background: ${colour}`,
      "aria-label": texts.path(row, column, f(value)), onclick: () => c.set("path", `${row},${column}`) }, f(value));
  };
  const head = el("tr", { role: "row" }, el("th", {}), steps.map((column) => el("th", { scope: "col", role: "columnheader" }, `y${lowered(column)}`)));
  const rows = steps.map((row) => el("tr", { role: "row" }, el("th", { scope: "row", role: "rowheader" }, row), steps.map((column) => cell(row, column))));
  const grid = el("table", { class: "lab-triangle", role: "grid", "aria-label": texts.triangle }, el("thead", { role: "rowgroup" }, head), el("tbody", { role: "rowgroup" }, rows));
  grid.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, s - t], End: [0, T - t] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [row, column] = [s + move[0], t + move[1]];
    if (row < 1 || column > T || row > column) return;
    c.set("path", `${row},${column}`);
    grid.ownerDocument.querySelector(`.lab [data-key="path-${row}-${column}"]`)?.focus();
  });
  return captioned(`${texts.triangle}. ${texts.walk}`, grid);
}

function factors({ numbers, values, f, texts }, s, t, value) {
  const found = [[`Π y without y${lowered(t)}`, numbers.others[t - 1]], ["V", Number(values.V)]];
  for (let j = t; j > s; j--) found.push([`tanh′(τ${lowered(j)})`, numbers.slopes[j - 1]], ["W", Number(values.W)]);
  found.push([`tanh′(τ${lowered(s)})`, numbers.slopes[s - 1]]);
  found.push([`h${lowered(s - 1)}`, s === 1 ? Number(values.h0) : numbers.h[s - 2]]);
  const whole = table(texts.factors(s, lowered(t), f(value)), ["factor", ...found.map(([name]) => name), texts.product], [["value", ...found.map(([, number]) => f(number)), f(value)]]);
  whole.classList.add("lab-factors");
  return whole;
}

/** A number with a bar as long as it is large; longer than 1 explodes. */
function bar(value, f) {
  const length = Math.min(1, Math.abs(value));
  return el("span", { class: "lab-bar" }, el("i", { style: `height: ${Math.max(1, 40 * length)}px` }), f(value));
}

/** Memory of a training step by the compiler's count, and what JAX keeps of this exercise. */
function memory({ recorded, f, texts }) {
  if (!recorded) return el("p", {}, texts.notRecorded);
  const { rows, scalar, command, batch, units } = recorded;
  const megabytes = (key) => rows.map(({ steps, [key]: bytes }) => [steps, bytes / 1e6]);
  const training = megabytes("training_bytes");
  const [[from, low], [to, high]] = [training[0], training.at(-1)];
  const top = 10 * Math.ceil(high / 10);
  const series = [{ name: texts.training, kind: "other", points: training }, { name: texts.forward, kind: "one", points: megabytes("forward_bytes") }];
  const chart = lineChart(series, { x: { label: texts.steps, ticks: [0, 28, 100, 200] }, y: { label: "MB", ticks: [0, top / 2, top] } }, texts.memory);
  const cells = rows.map(({ steps }, i) => [steps, f(training[i][1]), f(series[1].points[i][1])]);
  return [
    chart,
    el("p", { class: "lab-sum" }, texts.perStep(f((high - low) / (to - from)), batch, units)),
    table(texts.memory, [texts.steps, texts.training, texts.forward], cells),
    el("p", {}, texts.jax(scalar.map(({ steps, kept }) => texts.jaxAt(steps, kept)).join(", "))),
    el("p", { class: "lab-made" }, texts.made, " ", el("code", {}, command)),
  ];
}
