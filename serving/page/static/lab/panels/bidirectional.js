// Exercise 5: two readers, one from the start and one from the end.

import { playWhenRead } from "../../reading/player.js";
import { el, lowered, picture, svg, table } from "../elements.js";

const term = (letter, index) => `<msub><mi>${letter}</mi>${index}</msub>`;
const at = (offset) => (offset ? `<mrow><mi>t</mi><mo>${offset}</mo><mn>1</mn></mrow>` : "<mi>t</mi>");
const n = (number) => `<mn>${number}</mn>`;
const reader = (state, number, offset) => `<mrow>${term(state, at())}<mo>=</mo><mi>tanh</mi><mo stretchy="false">(</mo>${term("A", n(number))}${term("x", at())}<mo>+</mo>${term("B", n(number))}${term(state, at(offset))}<mo>+</mo>${term("c", n(number))}<mo stretchy="false">)</mo></mrow>`;

const steps = ({ x }) => x.split(",").length;

export default {
  equation: `<math display="block">${reader("h", 1, "−")}<mspace width="2em"/>${reader("k", 2, "+")}<mspace width="2em"/>${term("y", at())}<mo>=</mo>${term("h", at())}<mo>+</mo>${term("k", at())}</math>`,
  onPaper: true,
  controls: [
    { name: "A1", kind: "number", value: "0.5", label: "A₁" },
    { name: "B1", kind: "number", value: "0.9", label: "B₁" },
    { name: "c1", kind: "number", value: "0.1", label: "c₁" },
    { name: "A2", kind: "number", value: "-0.4", label: "A₂" },
    { name: "B2", kind: "number", value: "0.7", label: "B₂" },
    { name: "c2", kind: "number", value: "0.2", label: "c₂" },
    { name: "x", kind: "series", value: "0.5,-1,0.8", label: "x", min: 2, max: 6, more: [0.5, -1, 0.8, 0.3, -0.4, 0.9] },
    { name: "read", kind: "range", value: "6", min: 0, max: steps, label: (count, values) => `Steps read by each: ${Math.min(count, steps(values))} of ${steps(values)}`, local: true },
  ],

  draw(c) {
    const { numbers, asked, f, texts } = c;
    const x = asked.x.split(",").map(Number);
    const T = x.length;
    const read = Math.min(Number(c.values.read), T);
    const [pitch, first] = [150, 200];
    const column = (t) => first + (t - 1) * pitch;
    const isRead = { h: (t) => t <= read, k: (t) => t > T - read };
    const node = (name, value, px, py, known, of = "computation") => svg("g", { class: `node ${of}${known ? " stored" : ""}` },
      of === "computation" ? svg("rect", { x: px - 44, y: py - 25, width: 88, height: 50, rx: 6 }) : svg("circle", { cx: px, cy: py, r: 30 }),
      svg("text", { x: px, y: py - 4, "text-anchor": "middle", "font-size": 16, class: "name" }, name),
      svg("text", { x: px, y: py + 16, "text-anchor": "middle", "font-size": 16 }, known ? value : "·"));
    const arrow = (x1, y1, x2, y2, lit) => svg("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: lit ? "edge lit" : "edge" });
    const rows = { y: 40, k: 140, h: 240, x: 340 };
    const steps = x.map((_, i) => i + 1);
    const edges = steps.flatMap((t) => [
      t > 1 && arrow(column(t - 1), rows.h, column(t), rows.h, isRead.h(t)),
      t < T && arrow(column(t + 1), rows.k, column(t), rows.k, isRead.k(t)),
      arrow(column(t) - 14, rows.x, column(t) - 14, rows.h, isRead.h(t)),
      svg("path", { d: `M${column(t) + 14} ${rows.x}C${column(t) + 70} ${rows.x - 60} ${column(t) + 70} ${rows.k + 60} ${column(t) + 14} ${rows.k}`, class: isRead.k(t) ? "edge lit" : "edge" }),
      arrow(column(t) + 14, rows.k, column(t) + 14, rows.y, isRead.k(t)),
      svg("path", { d: `M${column(t) - 14} ${rows.h}C${column(t) - 70} ${rows.h - 60} ${column(t) - 70} ${rows.y + 60} ${column(t) - 14} ${rows.y}`, class: isRead.h(t) ? "edge lit" : "edge" }),
    ]);
    const nodes = steps.map((t) => [
      node(`x${lowered(t)}`, f(x[t - 1]), column(t), rows.x, true, "input"),
      node(`h${lowered(t)}`, f(numbers.h[t - 1]), column(t), rows.h, isRead.h(t)),
      node(`k${lowered(t)}`, t === 1 ? c.answer("k1", numbers.k[0]) : f(numbers.k[t - 1]), column(t), rows.k, isRead.k(t)),
      node(`y${lowered(t)}`, t === 1 ? c.answer("y1", numbers.y[0]) : f(numbers.y[t - 1]), column(t), rows.y, isRead.h(t) && isRead.k(t)),
    ]);
    const side = [["y", texts.sum], ["k", texts.up], ["h", texts.down], ["x", texts.input]].map(([name, words]) => svg("text", { x: 2, y: rows[name] + 5, "font-size": 16, class: "quiet" }, words));
    return picture({ width: column(T) + 80, height: 380, label: texts.label(read, T) }, edges, nodes, side);
  },

  tables(c) {
    const { numbers, f, texts } = c;
    const T = numbers.h.length;
    const read = Math.min(Number(c.values.read), T);
    const known = (isKnown, text) => (isKnown ? text : "·");
    const answer = (letter, i) => (i ? f(numbers[letter][i]) : c.answer(`${letter}1`, numbers[letter][0]));
    const rows = numbers.h.map((h, i) => [texts.step(i + 1), known(i < read, f(h)), known(i >= T - read, answer("k", i)), known(i < read && i >= T - read, answer("y", i)), texts.knows(`x${lowered(1)}`, `x${lowered(i + 1)}`), texts.knows(`x${lowered(i + 1)}`, `x${lowered(T)}`)]);
    return [
      el("p", { class: "lab-sum", role: "status" }, texts.state(read, T)),
      table(texts.table, ["", "h", "k", "y = h + k", texts.hKnows, texts.kKnows], rows),
      ...(c.isOpen("task") ? [] : [[texts.suits, texts.suited], [texts.suitsNot, texts.unsuited]].map(([name, tasks]) => el("p", {}, el("b", {}, name), " ", tasks))),
    ];
  },

  see: ({ texts, numbers }) => texts.see(numbers.h.length),

  questions: ({ exact, paper, texts }) => [
    { name: "type", ask: texts.askType, choices: texts.type },
    { name: "task", ask: texts.askTask, choices: texts.task },
    { name: "k1", ask: "k₁ =", value: exact.k[0], paper: paper.k[0] },
    { name: "y1", ask: "y₁ =", value: exact.y[0], paper: paper.y[0] },
  ],

  drawing: {
    isAsked: false,
    show: ({ app, go, texts }) => [
      el("p", {}, texts.player),
      el("p", { class: "lab-sets" }, el("button", { type: "button", onclick: () => play(app, go) }, texts.play)),
    ],
  },
};

/** The first tab with the network `bidirectional`, playing; without it, with the network that reads. */
async function play(app, go) {
  await app.useModel("bidirectional").catch(() => {});
  app.view.chooseLayer(1);
  await go(null);
  playWhenRead(app);
}
