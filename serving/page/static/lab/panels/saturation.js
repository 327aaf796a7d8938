// Exercise 6: two sets of parameters; which of them learns?

import { bars, lineChart } from "../chart.js";
import { el, lowered, picture, svg, table } from "../elements.js";

const SETS = { 1: { a: "20", b: "1", c: "1" }, 2: { a: "1", b: "1", c: "0" } };
const DESCENT = 100; // steps

const other = (query) => ({ ...query, ...SETS[isSet(query, 1) ? 2 : 1] });
const isSet = (values, number) => Object.entries(SETS[number]).every(([name, value]) => Number(values[name]) === Number(value));
const plain = ({ a, b, c, x, h0 }) => ({ a, b, c, x, h0 });

export default {
  equation: `<math display="block"><msub><mi>h</mi><mi>t</mi></msub><mo>=</mo><mi>tanh</mi><mo stretchy="false">(</mo><mi>a</mi><msub><mi>x</mi><mi>t</mi></msub><mo>+</mo><mi>b</mi><msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub><mo>+</mo><mi>c</mi><mo stretchy="false">)</mo>
<mspace width="2em"/><msub><mi>y</mi><mi>t</mi></msub><mo>=</mo><msub><mi>h</mi><mi>t</mi></msub><mspace width="2em"/><mi>L</mi><mo>=</mo><munder><mo>∑</mo><mi>t</mi></munder><msubsup><mi>y</mi><mi>t</mi><mn>2</mn></msubsup>
<mspace width="2em"/><mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><mi>a</mi></mrow></mfrac><mo>=</mo><munder><mo>∑</mo><mi>t</mi></munder><mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><msub><mi>h</mi><mi>t</mi></msub></mrow></mfrac><msup><mi>tanh</mi><mo>′</mo></msup><mo stretchy="false">(</mo><msub><mi>τ</mi><mi>t</mi></msub><mo stretchy="false">)</mo><msub><mi>x</mi><mi>t</mi></msub></math>`,
  onPaper: true,
  seeAfter: "which",
  others: {
    other: { panel: "saturation", query: other },
    single: { panel: "saturation", query: (query) => ({ ...query, float32: 1 }), onPaper: false },
    descent: { panel: "saturation", query: (query, { rate }) => ({ ...plain(query), descent: DESCENT, rate }), onPaper: false },
    descentOfOther: { panel: "saturation", query: (query, { rate }) => ({ ...plain(other(query)), descent: DESCENT, rate }), onPaper: false },
  },
  controls: [
    { name: "a", kind: "number", value: "20", label: "a" },
    { name: "b", kind: "number", value: "1", label: "b" },
    { name: "c", kind: "number", value: "1", label: "c" },
    { name: "h0", kind: "number", value: "0", label: "h₀" },
    { name: "x", kind: "series", value: "0.5,-1", label: "x", min: 1, max: 6, more: [0.5, -1, 0.7, 0.3, -0.4, 0.9] },
    { name: "rate", kind: "number", value: "0.1", label: "Learning rate", step: 0.05, local: true, isAsked: true },
  ],

  draw(c) {
    const { numbers, others, texts } = c;
    const sets = ordered(c, numbers, others.other);
    const end = (tau) => Math.max(4, Math.min(20, Math.ceil(Math.max(...tau.map(Math.abs)))));
    return [
      el("p", { class: "lab-sets" }, Object.keys(SETS).map((number) => el("button", { type: "button", "data-key": `set-${number}`, "aria-pressed": String(isSet(c.values, number)), onclick: () => choose(c, number) }, texts.set(number)))),
      operatingPoints(sets, end([...numbers.tau, ...others.other.tau]), c),
      descent(ordered(c, others.descent, others.descentOfOther), texts),
    ];
  },

  tables(c) {
    const { numbers, others, texts, f, exact } = c;
    const sets = ordered(c, numbers, others.other);
    const steps = (name, key) => numbers[key].map((_, i) => [name(lowered(i + 1)), ...sets.map(([, result]) => f(result[key][i]))]);
    const loss = ([name, result]) => (name === texts.set(1) ? c.answer("loss1", result.loss) : name === texts.set(2) ? c.answer("loss2", result.loss) : f(result.loss));
    const gradient = ["a", "b", "c"].map((letter) => [`∂L/∂${letter}`, ...sets.map(([, result]) => f(result[`dL_d${letter}`]))]);
    return [
      table(texts.table, ["", ...sets.map(([name]) => name)], [
        ...steps((t) => `τ${t}`, "tau"),
        ...steps((t) => `h${t} = y${t}`, "h"),
        ...steps((t) => `tanh′(τ${t})`, "slopes"),
        ["L", ...sets.map(loss)],
        ...gradient,
      ]),
      table(texts.precisions(names(c)[0]), ["", "∂L/∂a", "∂L/∂b", "∂L/∂c"], [
        [texts.float64, ...three(exact, f)],
        [texts.float32, ...three(others.single, f)],
        [texts.paper, ...three(c.paper, (number) => number.toFixed(2).replace("-", "−"))],
      ]),
    ];
  },

  see(c) {
    const first = isSet(c.values, 1) ? c.numbers : c.others.other;
    const isFlat = first.slopes.every((slope) => slope < 2 ** -24); // float32's 1 − h² is then 0
    return isFlat ? c.texts.see(first.tau.map(c.f)) : c.texts.seeSteep;
  },

  questions(c) {
    const { texts } = c;
    const [first, second] = isSet(c.values, 2) ? [[c.exactOthers.other, c.paperOthers.other], [c.exact, c.paper]] : [[c.exact, c.paper], [c.exactOthers.other, c.paperOthers.other]];
    return [
      ...(isSet(c.values, 1) || isSet(c.values, 2) ? [
        { name: "loss1", ask: texts.askLoss(1), value: first[0].loss, paper: first[1].loss },
        { name: "loss2", ask: texts.askLoss(2), value: second[0].loss, paper: second[1].loss },
      ] : []),
      { name: "which", ask: texts.askWhich, choices: texts.which },
    ];
  },

  more: ({ texts }) => el("details", {}, el("summary", {}, texts.roundedOnce), el("p", {}, texts.roundedOnceWhy)),

  drawing: {
    recorded: "input_gain",
    controls: [{ name: "seed", kind: "range", value: "1", min: 1, max: 20, label: (seed) => `Seed of the fresh weights = ${seed}` }],
    show: gains,
  },
};

function choose({ values, set }, number) {
  for (const [name, value] of Object.entries(SETS[number])) if (values[name] !== value) set(name, value);
}

/** [name, result, colour] of both: set (1) stays in its place and colour, whichever is chosen. */
function ordered(c, mine, theirs) {
  const [first, second] = names(c);
  const both = isSet(c.values, 1) ? [[first, mine], [second, theirs]] : [[second, theirs], [first, mine]];
  return both.map((set, i) => [...set, ["other", "one"][i]]);
}

/** How they are called: the chosen parameters, and the sheet's other set. */
function names({ values, texts }) {
  if (isSet(values, 1)) return [texts.set(1), texts.set(2)];
  return [isSet(values, 2) ? texts.set(2) : texts.yours, texts.set(1)];
}

const three = ({ dL_da, dL_db, dL_dc }, f) => [dL_da, dL_db, dL_dc].map(f);

/** The curve of tanh with each set's τ on it, and its tangents. */
function operatingPoints(sets, reach, { texts, f }) {
  const [width, height, middle] = [560, 320, 150];
  const at = (tau, h) => [20 + ((width - 40) * (tau + reach)) / (2 * reach), middle - 100 * h];
  const points = Array.from({ length: 161 }, (_, i) => at((reach * (i - 80)) / 80, Math.tanh((reach * (i - 80)) / 80)).join(" "));
  const marks = sets.map(([name, { tau, h, slopes }, kind], row) => {
    const dots = tau.map((t, i) => {
      const [x, y] = at(Math.max(-reach, Math.min(reach, t)), h[i]);
      const steepness = (slopes[i] * 100 * 2 * reach) / (width - 40);
      const run = 34 / Math.hypot(1, steepness);
      const rise = run * steepness;
      return [svg("path", { d: `M${x - run} ${y + rise}L${x + run} ${y - rise}`, class: kind }), svg("circle", { cx: x, cy: y, r: 6, class: `${kind} filled` })];
    });
    const words = tau.map((t, i) => `τ${lowered(i + 1)} = ${f(t)}`).join(", ");
    return [dots, svg("circle", { cx: 28, cy: 278 + 26 * row, r: 6, class: `${kind} filled` }), svg("text", { x: 42, y: 283 + 26 * row, "font-size": 16 }, `${name}: ${words}`)];
  });
  return picture({ width, height, label: texts.points },
    svg("path", { d: `M10 ${middle}H${width - 10}M${width / 2} 30V${height - 66}`, class: "lab-axis" }),
    svg("text", { x: width - 10, y: middle + 22, "text-anchor": "end", "font-size": 16, class: "quiet" }, `τ = ${reach}`),
    svg("text", { x: width / 2 + 8, y: 22, "font-size": 16, class: "quiet" }, "h = tanh τ"),
    svg("path", { d: `M${points.join("L")}`, class: "lab-curve" }), marks);
}

function descent(sets, texts) {
  const series = sets.map(([name, { losses }, kind]) => ({ name, kind, points: losses.map((loss, step) => [step, loss]) }));
  return lineChart(series, {
    x: { label: texts.updates, ticks: [0, 25, 50, 75, 100] },
    y: { label: texts.loss, ticks: [1e-8, 1e-6, 1e-4, 1e-2, 1], isLog: true, text: (tick) => `10${{ "-8": "⁻⁸", "-6": "⁻⁶", "-4": "⁻⁴", "-2": "⁻²", 0: "⁰" }[Math.round(Math.log10(tick))]}` },
  }, texts.descent);
}

/** Fresh networks by the gain of their input weights, and how such networks were trained. */
function gains({ numbers, recorded, f, texts }) {
  const share = (number) => `${f(100 * number)} %`;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const trained = (gain) => (recorded ? recorded.runs.filter(({ input_gain }) => input_gain === gain).map(({ error_percent }) => error_percent) : []);
  const rows = numbers.fresh.map(({ input_gain, saturated, slope, norms }) => {
    const errors = trained(input_gain);
    return [texts.gain(input_gain), share(saturated), f(slope), f(norms.U), f(norms.W), ...(recorded ? [errors.length ? `${f(mean(errors))} %` : "–"] : [])];
  });
  const pairs = numbers.fresh.flatMap(({ input_gain, norms }) => [
    { name: `‖∂L/∂U‖, ${texts.gain(input_gain)}`, value: norms.U, text: f(norms.U), kind: "other" },
    { name: `‖∂L/∂W‖, ${texts.gain(input_gain)}`, value: norms.W, text: f(norms.W), kind: "one" },
  ]);
  const [first, last] = [numbers.fresh[0], numbers.fresh.at(-1)];
  const trainedRows = Object.entries(numbers.trained).map(([name, { saturated, slope }]) => [name, share(saturated), f(slope)]);
  return [
    bars(pairs, texts.gains),
    el("p", { class: "lab-sum" }, texts.change(["U", "W"].map((letter) => [f(first.norms[letter]), f(last.norms[letter]), last.norms[letter] < first.norms[letter] / 2]))),
    table(texts.gains, ["", "|h| > 0.99", texts.slope, "‖∂L/∂U‖", "‖∂L/∂W‖", ...(recorded ? [texts.trainedError] : [])], rows),
    recorded ? el("p", { class: "lab-made" }, texts.made, " ", el("code", {}, recorded.command)) : null,
    table(texts.trained, ["", "|h| > 0.99", texts.slope], trainedRows),
  ];
}
