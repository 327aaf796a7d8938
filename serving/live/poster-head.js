// The head of a poster: what was drawn, what the page says of it, and the answer.

import { cells, label, lines, rect, strokes } from "./shapes.js";
import { pixels, told } from "./seen.js";

export const MARGIN = 48;
export const HEAD = 300; // the pad's side, and the height of all that stands beside it
const ANSWER = 450;
const BAR = 150;

/** @param right where the page's text area ends */
export function head(app, right, colour) {
  return drawing(app, colour) + title(app.root, right, colour) + answer(app.root, right, colour);
}

/** What was drawn, or the prepared picture that was brought. */
function drawing({ root, pad: { drawing, brush } }, colour) {
  const box = { x: MARGIN, y: MARGIN, width: HEAD, height: HEAD };
  const page = rect({ ...box, fill: colour("--ink-page") });
  if (drawing.image) return page + cells(pixels(root.querySelector("canvas.image")), box);
  return page + strokes(drawing.strokes, { ...box, brush, stroke: colour("--ink-full") });
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

/** Whose answer, the digit, or why there is none, and the bars. */
function answer(root, right, colour) {
  const element = root.querySelector(".answer");
  const x = right - ANSWER;
  const isRejected = element.classList.contains("rejected");
  const isDoubted = element.classList.contains("doubted");
  const text = (selector) => element.querySelector(selector).textContent;
  const middle = { anchor: "middle", fill: colour(isDoubted ? "--doubted" : "--text") };
  const heading = { x, y: MARGIN + 16, size: 16, weight: 650, fill: colour("--text") };
  const parts = [lines(told(element.querySelector("h2")), 190, heading).text];
  if (isRejected) {
    const doubt = { ...middle, size: 24, weight: 650, fill: colour("--text") };
    const doubted = lines(text(".doubt"), 180, { ...doubt, x: x + 90, y: MARGIN + 120 });
    parts.push(doubted.text, label(x + 90, doubted.bottom + 34, text(".guess"), { ...doubt, size: 20 }));
  } else {
    parts.push(label(x + 90, MARGIN + 232, text(".digit"), { ...middle, size: 230, weight: 700 }));
  }
  element.querySelectorAll(".bars li").forEach((bar, digit) => {
    const y = MARGIN + digit * (HEAD / 10);
    const isWinner = bar.classList.contains("winner");
    const style = {
      size: 16,
      weight: isWinner ? 700 : 400,
      fill: colour(isWinner ? "--text" : "--quiet"),
      anchor: "end",
    };
    const track = { x: x + 228, y: y + 8, height: 14 };
    const [full, part] = [".track", ".track i"].map((name) => bar.querySelector(name).getBoundingClientRect().width);
    parts.push(
      label(x + 218, y + 21, bar.querySelector("b").textContent, style),
      rect({ ...track, width: BAR, fill: colour("--belief-zero") }),
      rect({ ...track, width: (BAR * part) / full, fill: colour(isDoubted ? "--doubted" : "--accent") }),
      label(right, y + 21, bar.querySelector(".value").textContent, style),
    );
  });
  return parts.join("\n");
}
