// The computation graph of h_t = tanh(W h_{t−1} + U x_t), y_t = V h_t, z = Π y_t: circles for what is
// given, each once, rectangles for what is computed, steps from left to right.

import { lowered, picture, svg } from "./elements.js";

const [PITCH, FIRST] = [176, 212]; // of the steps' columns; where the first τ stands
const [HALF_WIDTH, HALF_HEIGHT, RADIUS] = [40, 24, 28];
const ASIDE = 88; // W·h stands left of τ
const RAIL_START = 34; // where W, U, V and h_0 stand
const LABEL = 16;

const ROW = { z: 30, y: 126, V: 172, h: 218, tau: 330, W: 378, Ux: 426, U: 472, x: 520 };
const BOTTOM = 556;

/**
 * @param numbers the server's, of the panel `graph`
 * @param options {f, label, marked: names with a thick border, stored: names that are tinted,
 *   path: {s, t} to light up with its local derivatives, changed: names of what has just changed,
 *   chosen: a name, and onChoose(name) for clicks and arrow keys}
 */
export function computationGraph(numbers, { f, label, marked = [], stored = [], path = null, changed = [], chosen = null, onChoose = null }) {
  const nodes = new Map(numbers.nodes.map((node) => [node.name, node]));
  const T = numbers.nodes.filter(({ name }) => name.startsWith("x_")).length;
  const hasZ = nodes.has("z");
  const top = hasZ ? 0 : ROW.y - HALF_HEIGHT - 8;
  const at = placer(T);
  const lit = new Map(path ? walked(path) : []);
  const derivative = new Map(numbers.edges.map(({ from, to, derivative }) => [`${from}>${to}`, derivative]));
  const lines = numbers.edges.map(({ from, to }) => ({ key: `${from}>${to}`, d: line(from, to, at) }));
  const drawn = lines.map(({ key, d }) => svg("path", { d, class: lit.has(key) ? "edge lit" : "edge" }));
  drawn.sort((one, other) => one.classList.length - other.classList.length); // what is lit lies above
  const boxes = [...nodes.values()].map((node) => {
    const states = [node.kind, marked.includes(node.name) && "marked", stored.includes(node.name) && "stored", changed.includes(node.name) && "lab-changed"];
    if (node.name === chosen) states.push("chosen");
    const group = svg("g", { class: ["node", ...states].filter(Boolean).join(" ") }, shape(node, at(node.name)), text(node, at(node.name), f));
    if (onChoose) choosable(group, node.name, { f, nodes, chosen, at, onChoose });
    return group;
  });
  const labels = [...lit.keys()].map((key) => edgeLabel(key, at, f(derivative.get(key))));
  const width = at(`tau_${T}`).x + HALF_WIDTH + 70;
  const place = svg("g", { transform: `translate(0 ${-top})` }, drawn, boxes, labels);
  return picture({ width, height: BOTTOM - top, label, holdsControls: Boolean(onChoose) }, place);
}

/** A node that can be clicked, and from which the arrow keys go to the nearest node that way. */
function choosable(group, name, { f, nodes, chosen, at, onChoose }) {
  const isChosen = name === chosen;
  const words = `${called(name)}, ${f(nodes.get(name).value)}`;
  for (const [attribute, value] of Object.entries({ role: "button", "aria-label": words, "aria-pressed": isChosen, tabindex: isChosen ? 0 : -1, "data-key": `node-${name}` })) {
    group.setAttribute(attribute, value);
  }
  const names = [...nodes.keys()];
  const go = (to) => {
    onChoose(to);
    document.querySelector(`.lab [data-key="node-${to}"]`)?.focus();
  };
  group.addEventListener("click", () => go(name));
  group.addEventListener("keydown", (event) => {
    const ends = { Home: names[0], End: names.at(-1) };
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && !ends[event.key]) return;
    event.preventDefault();
    const next = ends[event.key] ?? nearest(names, at, name, way);
    if (next) go(next);
  });
}

/** The node that lies nearest in one direction; what lies aside counts three times. */
function nearest(names, at, from, [right, down]) {
  const here = at(from);
  const measured = names.filter((name) => name !== from).map((name) => {
    const [x, y] = [at(name).x - here.x, at(name).y - here.y];
    return { name, along: x * right + y * down, aside: Math.abs(x * down) + Math.abs(y * right) };
  });
  const ahead = measured.filter(({ along, aside }) => along > 1 && along >= aside / 2);
  return ahead.sort((one, other) => one.along + 3 * one.aside - other.along - 3 * other.aside)[0]?.name;
}

function placer(T) {
  const column = (t) => FIRST + (t - 1) * PITCH;
  return (name) => {
    const [kind, step] = name.split("_");
    if (name === "h_0") return { x: RAIL_START, y: ROW.h + 40 };
    if (name === "z") return { x: (column(1) + column(T)) / 2, y: ROW.z };
    if (["W", "U", "V"].includes(name)) return { x: RAIL_START, y: ROW[name] };
    if (kind === "Wh") return { x: column(Number(step) + 1) - ASIDE, y: ROW.tau };
    return { x: column(Number(step)), y: ROW[kind] };
  };
}

function line(from, to, at) {
  const [a, b] = [at(from), at(to)];
  const [kind] = to.split("_");
  if (["U", "V"].includes(from)) return `M${a.x} ${a.y}H${b.x - 22}V${b.y + HALF_HEIGHT}`;
  if (from === "W") return `M${a.x} ${a.y}H${b.x}V${b.y + HALF_HEIGHT}`;
  if (to === "z") return `M${a.x} ${a.y}C${a.x} ${a.y - 60} ${b.x} ${b.y + 60} ${b.x} ${b.y}`;
  if (kind === "Wh") {
    const start = from === "h_0" ? a.x : a.x + 26;
    return `M${start} ${a.y}C${start} ${(a.y + b.y) / 2 + 14} ${b.x} ${(a.y + b.y) / 2 - 14} ${b.x} ${b.y}`;
  }
  return `M${a.x} ${a.y}L${b.x} ${b.y}`;
}

function shape({ kind }, { x, y }) {
  if (kind !== "computation") return svg("circle", { cx: x, cy: y, r: RADIUS });
  return svg("rect", { x: x - HALF_WIDTH, y: y - HALF_HEIGHT, width: 2 * HALF_WIDTH, height: 2 * HALF_HEIGHT, rx: 6 });
}

function text({ name, value }, { x, y }, f) {
  const line = (below, words, of) => svg("text", { x, y: y + below, "text-anchor": "middle", "font-size": LABEL, class: of }, words);
  return [line(-4, called(name), "name"), line(15, short(value, f), "value")];
}

/** As it stands in the graph: "W·h₀", "h₁ tanh". */
export function called(name) {
  const [kind, step] = name.split("_");
  const n = step === undefined ? "" : lowered(step);
  const before = { Wh: `W·h${n}`, Ux: `U·x${n}`, tau: `τ${n} +`, y: `y${n} = Vh${n}`, z: "z = Πy" };
  return before[kind] ?? (kind === "h" && step !== "0" ? `h${n} tanh` : `${kind}${n}`);
}

/** A number that fits into a node. */
function short(value, f) {
  const text = f(value);
  return text.length > 8 ? f(Number(value.toPrecision(1))) : text;
}

/** The edges of the path on which W, used at step s, leaves through y_t. */
function walked({ s, t }) {
  const edges = [[`y_${t}`, "z"], [`h_${t}`, `y_${t}`]];
  for (let j = t; j >= s; j--) {
    edges.push([`tau_${j}`, `h_${j}`], [`Wh_${j - 1}`, `tau_${j}`]);
    edges.push(j > s ? [`h_${j - 1}`, `Wh_${j - 1}`] : ["W", `Wh_${j - 1}`]);
  }
  return edges.map(([from, to]) => [`${from}>${to}`, true]);
}

/** The local derivative beside an edge of the path; a sum's is 1 and is not written. */
function edgeLabel(key, at, value) {
  const [from, to] = key.split(">");
  const [kind, step] = to.split("_");
  const { x, y } = at(to);
  const put = (dx, dy, words, anchor = "start") => svg("text", { x: x + dx, y: y + dy, class: "factor", "font-size": LABEL, "text-anchor": anchor }, words);
  if (to === "z") return svg("text", { x: at(from).x + 8, y: ROW.y - HALF_HEIGHT - 8, class: "factor", "font-size": LABEL }, `Πy ${value}`);
  if (kind === "y") return put(8, 52, `V ${value}`);
  if (kind === "h") return put(-8, 46, `tanh′ ${value}`, "end");
  if (kind === "Wh" && from !== "W") return put(10, -36, `W ${value}`);
  if (kind === "Wh") return put(8, 41, `h${lowered(step)} ${value}`);
  return null;
}
