// The head of a poster: what was drawn, what the page says of it, and the answer.

import { cells, label, lines, rect, strokes } from "./svg.js";
import { pixels, told } from "./dom-snapshot.js";

export const MARGIN = 48;
export const HEAD = 300; // the pad's side, and the height of all that stands beside it
const ANSWER = 450;
const BAR = 150;

/** @param right where the page's text area ends */
export function head(app, right, colour) {
  const { root } = app;
  const place = { x: right - ANSWER, top: MARGIN };
  return drawing(app, colour) + title(root, right, colour) + answer(root.querySelector(".answer"), place, colour);
}

/** What was drawn, or the prepared picture that was brought; a missing stroke is dotted. */
function drawing({ root, pad: { drawing, brush } }, colour) {
  const box = { x: MARGIN, y: MARGIN, width: HEAD, height: HEAD };
  const page = rect({ ...box, fill: colour("--ink-page") });
  if (drawing.image) return page + cells(pixels(root.querySelector("canvas.image")), box);
  const drawn = page + strokes(drawing.strokes, { ...box, brush, stroke: colour("--ink-full") });
  if (!root.matches(".missing-stroke")) return drawn;
  const points = [...root.querySelector(".missing polyline").points].map(({ x, y }) => [x, y]);
  const hole = strokes([points], { ...box, brush, stroke: colour("--ink-page") });
  const dots = { brush: 0.006, stroke: colour("--doubted"), dashes: "6 7.5" };
  return drawn + hole + strokes([points], { ...box, ...dots });
}

/** The page's name, its sentence, and which network read. */
function title(root, right, colour) {
  const x = MARGIN + HEAD + 40;
  const width = right - ANSWER - 40 - x;
  const quiet = { size: 18, fill: colour("--quiet") };
  const name = label(x, MARGIN + 16, root.querySelector("h1").textContent, quiet);
  const sentence = lines(root.querySelector(".sentence").textContent, width, {
    x,
    y: MARGIN + 76,
    size: 34,
    weight: 650,
    fill: colour("--text"),
  });
  const place = { ...quiet, x, y: sentence.bottom + 40 };
  const model = lines(root.querySelector(".model").textContent, width, place);
  return name + sentence.text + model.text;
}

/**
 * Whose answer, the digit, or why there is none, and the bars.
 * @param element `.answer`
 * @param place {x, top}; ANSWER wide, HEAD high
 */
export function answer(element, { x, top }, colour) {
  const right = x + ANSWER;
  const isRejected = element.classList.contains("rejected");
  const isDoubted = element.classList.contains("doubted");
  const text = (selector) => element.querySelector(selector).textContent;
  const middle = { anchor: "middle", fill: colour(isDoubted ? "--doubted" : "--text") };
  const heading = { x, y: top + 16, size: 16, weight: 650, fill: colour("--text") };
  const parts = [lines(told(element.querySelector("h2")), 190, heading).text];
  if (isRejected) {
    const doubt = { ...middle, size: 24, weight: 650, fill: colour("--text") };
    const doubted = lines(text(".doubt"), 180, { ...doubt, x: x + 90, y: top + 120 });
    parts.push(doubted.text, label(x + 90, doubted.bottom + 34, text(".guess"), { ...doubt, size: 20 }));
  } else {
    parts.push(label(x + 90, top + 232, text(".digit"), { ...middle, size: 230, weight: 700 }));
  }
  element.querySelectorAll(".bars li").forEach((bar, digit) => {
    const y = top + digit * (HEAD / 10);
    const isWinner = bar.classList.contains("winner");
    const style = {
      size: 16,
      weight: isWinner ? 700 : 400,
      fill: colour(isWinner ? "--text" : "--quiet"),
      anchor: "end",
    };
    const track = { x: x + 228, y: y + 8, height: 14 };
    const [, part] = bar.querySelector(".track i").style.transform.match(/scaleX\(([\d.]+)\)/);
    parts.push(
      label(x + 218, y + 21, bar.querySelector("b").textContent, style),
      rect({ ...track, width: BAR, fill: colour("--belief-zero") }),
      rect({ ...track, width: BAR * part, fill: colour(isDoubted ? "--doubted" : "--accent") }),
      label(right, y + 21, bar.querySelector(".value").textContent, style),
    );
  });
  return parts.join("\n");
}
