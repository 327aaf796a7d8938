// Lines over a pair of axes, and bars: what several panels draw.

import { picture, svg } from "./elements.js";

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [640, 300, 76, 34, 20, 46];
const SIZE = 16;

/**
 * @param series [{name, points: [[x, y]], kind: a CSS class}]; the name stands in the key above
 * @param axes {x: {label, ticks}, y: {label, ticks, isLog}}; both scales span their ticks
 * @param name of the picture, for those who do not see it
 */
export function lineChart(series, { x, y }, name) {
  const place = scales(x, y);
  const lines = series.map(({ points, kind }) => {
    const shown = points.filter(([, value]) => !y.isLog || value > 0).map((point) => place(point).map((n) => n.toFixed(1)).join(" "));
    return [svg("path", { d: `M${shown.join("L")}`, class: kind }), shown.length === 1 ? svg("circle", { cx: shown[0].split(" ")[0], cy: shown[0].split(" ")[1], r: 5, class: `${kind} filled` }) : null];
  });
  return picture({ width: WIDTH, height: HEIGHT, label: name }, axes(x, y, place), lines, key(series));
}

function scales(x, y) {
  const along = ({ ticks, isLog }, value) => {
    const of = isLog ? Math.log : (number) => number;
    const [low, high] = [of(ticks[0]), of(ticks.at(-1))];
    return Math.min(1, Math.max(0, (of(value) - low) / (high - low)));
  };
  return ([a, b]) => [LEFT + (WIDTH - LEFT - RIGHT) * along(x, a), HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * along(y, b)];
}

function axes(x, y, place) {
  const text = (at, words, anchor) => svg("text", { x: at[0], y: at[1], "text-anchor": anchor, "font-size": SIZE, class: "quiet" }, words);
  const across = y.ticks.map((tick) => {
    const [left, level] = place([x.ticks[0], tick]);
    return [svg("path", { d: `M${left} ${level}H${WIDTH - RIGHT}`, class: "grid-line" }), text([left - 8, level + 5], y.text?.(tick) ?? tick, "end")];
  });
  const down = x.ticks.map((tick) => text([place([tick, 0])[0], HEIGHT - BOTTOM + 20], x.text?.(tick) ?? tick, "middle"));
  return [across, down, text([WIDTH - RIGHT, HEIGHT - 6], x.label, "end"), text([4, 16], y.label, "start")];
}

/** The names at the top right, each behind a piece of its line. */
function key(series) {
  const named = series.filter(({ name }) => name);
  let right = WIDTH - RIGHT;
  return [...named].reverse().map(({ name, kind }) => {
    const width = 9 * name.length;
    const parts = [svg("text", { x: right, y: 16, "text-anchor": "end", "font-size": SIZE }, name), svg("path", { d: `M${right - width - 30} 11h22`, class: kind })];
    right -= width + 46;
    return parts;
  });
}

/**
 * Bars from left to right, a row each.
 * @param rows [{name, value, text, kind}]
 */
export function bars(rows, name, largest = Math.max(...rows.map(({ value }) => value)) || 1) {
  const [left, pitch, longest] = [190, 32, 340];
  const drawn = rows.map(({ name, value, text, kind = "one" }, i) => [
    svg("text", { x: left - 10, y: 21 + i * pitch, "text-anchor": "end", "font-size": SIZE }, name),
    svg("rect", { x: left, y: 5 + i * pitch, width: Math.max(1, (longest * value) / largest), height: 22, class: `${kind} filled` }),
    svg("text", { x: left + (longest * value) / largest + 8, y: 21 + i * pitch, "font-size": SIZE }, text),
  ]);
  return picture({ width: left + longest + 110, height: rows.length * pitch + 4, label: name }, drawn);
}
