// Examples: our own ten digits, and "Surprise me", which writes one differently each time.

import { address } from "../core/app.js";
import { button } from "../core/dom.js";
import { choose, vary } from "./jitter.js";
import { notify } from "../core/notice.js";
import { replay } from "./replay.js";
import * as words from "../core/strings.js";

const SURPRISE_KEY = "s";

export function installExamples({ root, pad, events, shortcuts }) {
  const place = root.querySelector(".examples");
  let loading = null;
  let newest = 0; // of the examples asked for
  let last = null;

  /** Every way that we know to write each digit, the plainest first. */
  async function templates() {
    loading ??= load();
    try {
      return await loading;
    } catch (error) {
      loading = null; // ask the server again next time
      throw error;
    }
  }

  async function draw(pick) {
    const number = ++newest;
    const { strokes: before, image } = pad;
    try {
      const strokes = pick(await templates());
      const isOther = pad.strokes !== before || pad.image !== image;
      if (number < newest || (isOther && !pad.isExample)) return; // one has done something else
      pad.keep();
      replay(pad, strokes);
    } catch {
      notify(root, words.NO_EXAMPLES);
    }
  }

  const drawDigit = (digit) => draw((ways) => ways[digit][0]);
  const surprise = () =>
    draw((ways) => {
      last = choose(Object.values(ways).flat(), last);
      return vary(last);
    });

  const offer = (text, title, key, onclick) => {
    const element = button(text, { title, onclick });
    place.append(element);
    shortcuts.add(key, onclick, element);
  };
  for (let digit = 0; digit < 10; digit++) {
    offer(digit, words.example(digit), String(digit), () => drawDigit(digit));
  }
  offer(words.SURPRISE, words.SURPRISE_TITLE, SURPRISE_KEY, surprise);
  // Early, so that the first example starts at once, but after the page's first picture.
  events.addEventListener("reading", () => templates().catch(() => {}), { once: true });
}

async function load() {
  const [plain, others] = await Promise.all(["live/drawing/digits.json", "live/drawing/ways.json"].map(fetchJson));
  return Object.fromEntries(
    Object.entries(plain).map(([digit, strokes]) => [digit, [strokes, ...(others[digit] ?? [])]]),
  );
}

async function fetchJson(path) {
  const response = await fetch(address(path));
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}
