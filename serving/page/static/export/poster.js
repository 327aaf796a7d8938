// The reading as one picture, made of what is on the screen: its texts, numbers, colours and
// cells. Everything is vectors and text, so that it stays sharp and can be edited.

import { answer, head, HEAD, MARGIN } from "./poster-head.js";
import { AXIS, legend, reading } from "./poster-reading.js";
import { colours, told } from "./dom-snapshot.js";
import { label, lines, rect, svg } from "./svg.js";

const LEAST = 1200;
const UNDER = 136; // a reading's rows: its footers and scales, and the margin
const PNG_SCALE = 2;

/** The reading, and the compared network's below it, as the text of an SVG file. */
export function toSvg(app) {
  const { root } = app;
  const colour = colours(root);
  const first = reading(app, root.querySelector(".reading"), MARGIN + HEAD + 84, colour);
  const scales = legend(root.querySelector(".legend"), first.bottom + 74, colour);
  const second = root.querySelector(".second");
  const isCompared = second.offsetParent && !second.matches(".stale");
  const below = isCompared ? compared(app, second, first, colour) : first;
  const right = Math.max(first.right, below.right, LEAST - MARGIN);
  const parts = [first.text, head(app, right, colour), scales];
  if (isCompared) {
    const y = first.bottom + UNDER;
    parts.push(rect({ x: MARGIN, y, width: right - MARGIN, height: 1, fill: colour("--line") }), below.text);
  }
  return svg({
    width: right + MARGIN,
    height: below.bottom + UNDER,
    title: root.querySelector(".sentence").textContent,
    background: colour("--page"),
    parts,
  });
}

/** The same as a PNG file, twice as large. */
export async function toPng(app) {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([toSvg(app)], { type: "image/svg+xml" }));
  image.src = url;
  await image.decode().finally(() => URL.revokeObjectURL(url));
  const canvas = document.createElement("canvas");
  canvas.width = PNG_SCALE * image.naturalWidth;
  canvas.height = PNG_SCALE * image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no room"))), "image/png");
  });
}

/**
 * The compared network's reading below the first one, its states below that one's, and its answer
 * where that has the drawing.
 */
function compared(app, second, first, colour) {
  const x = MARGIN + AXIS;
  const top = first.bottom + UNDER;
  const name = `${told(second.querySelector("h2"))} ${told(second.querySelector(".model"))}`;
  const below = reading(app, second.querySelector(".reading"), top + 130, colour, first.states);
  const style = { x, y: below.top + HEAD + 60, size: 24, weight: 650, fill: colour("--text") };
  const parts = [
    label(x, top + 44, name, { size: 20, weight: 650, fill: colour("--text") }),
    answer(second.querySelector(".answer"), { x, top: below.top }, colour),
    lines(told(second.querySelector(".sentence")), first.states - x - 40, style).text,
    below.text,
    legend(second.querySelector(".legend"), below.bottom + 74, colour),
  ];
  return { ...below, text: parts.join("\n") };
}
