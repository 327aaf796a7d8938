// Exercise 4: three ways of clipping a gradient that has grown too large.

import { lineChart } from "../chart.js";
import { el, picture, svg, table } from "../elements.js";

export const METHODS = ["clipnorm", "global_clipnorm", "clipvalue"];
const KINDS = { none: "lab-curve", clipnorm: "other", global_clipnorm: "one", clipvalue: "third" };

const norm = (of) => `<mo>‖</mo>${of}<mo>‖</mo>`;
const g = "<mi>g</mi>";
const ofV = "<msub><mi>g</mi><mi>v</mi></msub>";
const shortened = (of) => `${of}<mo>←</mo>${of}<mo>·</mo><mi>min</mi><mo>(</mo><mn>1</mn><mo>,</mo><mi>c</mi><mo>/</mo>${norm(of)}<mo>)</mo>`;
const row = (name, formula, note) => `<mtr><mtd><mtext>${name}</mtext></mtd><mtd>${formula}</mtd><mtd><mtext>${note}</mtext></mtd></mtr>`;

export default {
  equation: `<math display="block"><mtable columnalign="left left left" columnspacing="2em">
${row("clipnorm", `<mrow>${shortened(ofV)}</mrow>`, "each variable v by itself")}
${row("global_clipnorm", `<mrow>${shortened(g)}</mrow>`, "all variables together: the textbook’s")}
${row("clipvalue", "<mrow><msub><mi>g</mi><mi>i</mi></msub><mo>←</mo><mi>min</mi><mo>(</mo><mi>max</mi><mo>(</mo><msub><mi>g</mi><mi>i</mi></msub><mo>,</mo><mo>−</mo><mi>c</mi><mo>)</mo><mo>,</mo><mi>c</mi><mo>)</mo></mrow>", "each number by itself")}</mtable></math>`,
  onPaper: true,
  controls: [
    { name: "c", kind: "number", value: "1", label: "c, the largest norm", step: 0.1 },
    { name: "g", kind: "text", value: "3,4;0.6,0.8,0", label: "Gradient, variables by semicolons" },
  ],

  draw(c) {
    const { numbers, texts, f } = c;
    const before = gradient(c);
    const arrows = (of) => [["none", of(before)], ...METHODS.map((method) => [method, of(numbers[method])])];
    return el("div", { class: "lab-pair" },
      plane(arrows(([first]) => [first[0], first[1] ?? 0]), texts.first, [texts.component(1), texts.component(2)], f),
      before.length > 1 ? plane(arrows(([first, second]) => [length(first), length(second)]), texts.turning, ["‖g₁‖", "‖g₂‖"], f) : null,
    );
  },

  tables(c) {
    const { numbers, f, texts } = c;
    const written = (vectors) => el("div", {}, vectors.map((vector) => el("div", {}, `(${vector.map(f).join(", ")})`)));
    const rows = METHODS.map((method) => {
      const isAsked = method === "global_clipnorm";
      return [method, isAsked ? c.answer("after", numbers.norms[method]) : f(numbers.norms[method]), `${f(numbers.angles[method])}°`, written(numbers[method])];
    });
    return table(texts.table, ["", "‖g‖", texts.angle, texts.gradient], [[texts.none, c.answer("norm", numbers.norm), "0°", written(gradient(c))], ...rows]);
  },

  see: ({ numbers, asked, texts, f }) => (numbers.norm > Number(asked.c) ? texts.see(f(numbers.angles.clipnorm), f(numbers.angles.clipvalue)) : texts.seeShort),

  questions: ({ exact, paper, texts }) => [
    { name: "term", ask: texts.askTerm, choices: texts.term },
    { name: "effect", ask: texts.askEffect, choices: texts.effect },
    { name: "norm", ask: texts.askNorm, value: exact.norm, paper: paper.norm },
    { name: "after", ask: texts.askAfter, value: exact.norms.global_clipnorm, paper: paper.norms.global_clipnorm },
  ],

  drawing: {
    recorded: "clipping",
    controls: [
      { name: "threshold", as: "c", kind: "number", value: "1", label: "c" },
      { name: "seed", kind: "range", value: "1", min: 1, max: 20, label: (seed) => `Seed of the fresh weights = ${seed}` },
    ],
    show: freshGradient,
  },
};

/** What was typed, as the server understood it. */
const gradient = ({ asked }) => asked.g.split(";").map((vector) => vector.split(",").map(Number));

const length = (vector) => Math.hypot(...vector);

/** Arrows from the origin; those that are equal lie over each other, the shorter on top. */
function plane(arrows, label, [across, up], f) {
  const [size, middle] = [340, 170];
  const points = arrows.flatMap(([, point]) => point);
  const reach = 1.1 * Math.max(...points.map(Math.abs), 1e-300);
  const isPositive = points.every((value) => value >= 0);
  const [origin, scale] = isPositive ? [48, (size - 70) / reach] : [middle, (size - 60) / 2 / reach];
  const at = ([x, y]) => [origin + x * scale, size - origin - y * scale];
  const [ox, oy] = at([0, 0]);
  const sorted = [...arrows].sort(([, one], [, other]) => Math.hypot(...other) - Math.hypot(...one));
  const drawn = sorted.map(([method, point]) => {
    const [x, y] = at(point);
    const turn = (Math.atan2(y - oy, x - ox) * 180) / Math.PI;
    return svg("g", {}, svg("path", { d: `M${ox} ${oy}L${x} ${y}`, class: KINDS[method] }), svg("path", { d: "M0 0L-13 -6L-13 6z", transform: `translate(${x} ${y}) rotate(${turn})`, class: `${KINDS[method]} filled` }));
  });
  const names = arrows.map(([method], i) => {
    const [x, y] = [4 + 172 * (i % 2), size + 18 + 28 * Math.floor(i / 2)];
    return svg("g", {}, svg("path", { d: `M${x} ${y}h26`, class: KINDS[method] }), svg("text", { x: x + 34, y: y + 5, "font-size": 16 }, method));
  });
  return picture({ width: size + 10, height: size + 64, label: `${label}: ${arrows.map(([method, point]) => `${method} (${point.map(f).join(", ")})`).join("; ")}` },
    svg("path", { d: `M10 ${oy}H${size - 4}M${ox} 10V${size - 10}`, class: "lab-axis" }),
    svg("text", { x: size - 6, y: oy + 22, "text-anchor": "end", "font-size": 16, class: "quiet" }, across),
    svg("text", { x: ox + 8, y: 20, "font-size": 16, class: "quiet" }, up),
    drawn, names);
}

/** The gradient of a fresh `elman` by variable, and the recorded runs. */
function freshGradient({ numbers, recorded, f, texts }) {
  const letters = Object.keys(numbers.norms);
  const methods = METHODS.map((method) => [method, numbers.clipped[method]]);
  const rows = [[texts.none, { norm: numbers.norm, norms: numbers.norms, angle: 0 }], ...methods].map(([name, { norm: whole, norms, angle }]) => {
    return [name, ...letters.map((letter) => f(norms[letter])), f(whole), `${f(angle)}°`];
  });
  return [
    table(texts.byVariable(numbers.label), ["", ...letters.map((letter) => `‖∂L/∂${letter}‖`), texts.whole, texts.angle], rows),
    el("p", { class: "lab-sum" }, texts.turned(f(numbers.clipped.clipnorm.angle))),
    numbers.clipped.clipvalue.angle === 0 ? el("p", {}, texts.noneAbove) : null,
    recorded ? runs(recorded, f, texts) : el("p", {}, texts.notRecorded),
  ];
}

function runs(recorded, f, texts) {
  const names = ["none", ...METHODS];
  const of = (method) => recorded.runs.filter(({ clipping }) => clipping === method);
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const found = names.filter((method) => of(method).length);
  const series = found.flatMap((method) => of(method).map(({ curve }, i) => ({ name: i ? "" : method, kind: KINDS[method], points: curve })));
  const last = series[0].points.at(-1)[0];
  const chart = lineChart(series, {
    x: { label: texts.updates, ticks: [0, Math.round(last / 2), last] },
    y: { label: texts.loss, ticks: [0.1, 0.3, 1, 3, 10], isLog: true },
  }, texts.curves);
  const rows = found.map((method) => {
    const [{ c }] = of(method);
    const errors = of(method).map(({ error_percent }) => error_percent);
    return [c ? `${method}, c = ${c}` : method, `${f(mean(errors))} %`, errors.map((error) => f(error)).join(", ")];
  });
  return [el("h2", {}, texts.recorded), chart, table(texts.errors, ["", texts.mean, texts.seeds], rows), el("p", { class: "lab-made" }, texts.made, " ", el("code", {}, recorded.command))];
}
