// The curve of tanh or relu with one unit's point on it.

import { svg } from "./elements.js";

const REACH = 4; // sums farther out stand at the edge
const FUNCTIONS = { tanh: Math.tanh, relu: (sum) => Math.max(0, sum) };

/**
 * A group for an SVG, with the classes axis-line, function-line and point.
 * @param place {x, y, width, height} in the picture
 * @param of {activation, total, state}; `label` stands beside the point's side of the axis
 */
export function activationCurve({ x, y, width, height }, { activation, total, state }, label = "") {
  const f = FUNCTIONS[activation];
  const top = activation === "tanh" ? 1 : REACH;
  const at = (sum) => [x + (width * (sum + REACH)) / (2 * REACH), y + height / 2 - ((height / 2 - 10) * Math.min(top, f(sum))) / top];
  const points = Array.from({ length: 81 }, (_, i) => at(((i - 40) * REACH) / 40).map((n) => n.toFixed(1)).join(" "));
  const [px, py] = at(Math.max(-REACH, Math.min(REACH, total)));
  const isRight = state > 0;
  const words = { x: isRight ? x + width : x, y: y + height / 2 + (isRight ? 30 : -18), "text-anchor": isRight ? "end" : "start", "font-size": 16, class: "factor" };
  return svg("g", {},
    svg("path", { d: `M${x} ${y + height / 2}H${x + width}M${x + width / 2} ${y}V${y + height}`, class: "axis-line" }),
    svg("path", { d: `M${points.join("L")}`, class: "function-line" }),
    svg("circle", { cx: px, cy: py, r: 7, class: "point" }),
    label ? svg("text", words, label) : null);
}
