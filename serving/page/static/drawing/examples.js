// Examples: our own ten digits, and "Surprise me", which writes one differently each time.

import { address } from "../core/app.js";
import { button } from "../core/dom.js";
import { notify } from "../core/messages.js";
import * as strings from "../core/strings.js";

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
      notify(root, strings.NO_EXAMPLES);
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
    offer(digit, strings.example(digit), String(digit), () => drawDigit(digit));
  }
  offer(strings.SURPRISE, strings.SURPRISE_TITLE, SURPRISE_KEY, surprise);
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

// Draws strokes on the pad as if by hand, so that they are read as they grow.

const POINTS_A_SECOND = 70;

let newest = 0; // of the examples asked for

const reduced = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Draw an example on the pad point by point, or at once where motion is reduced; stops as
 * soon as anything else changes the pad.
 */
function replay(pad, strokes) {
  const own = ++newest;
  const show = (first) => pad.show(first, { isExample: true, whole: strokes });
  if (reduced.matches) return show(strokes);

  const total = strokes.reduce((sum, { length }) => sum + length, 0);
  const started = performance.now();
  let shown = pad.strokes;
  let count = 0;
  const step = (now) => {
    if (own !== newest || pad.strokes !== shown) return;
    const due = Math.min(total, Math.ceil(((now - started) / 1000) * POINTS_A_SECOND));
    if (due > count) {
      count = due;
      shown = firstPoints(strokes, count);
      show(shown);
    }
    if (count < total) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function firstPoints(strokes, count) {
  const first = [];
  for (const stroke of strokes) {
    if (count <= 0) break;
    first.push(stroke.slice(0, count));
    count -= stroke.length;
  }
  return first;
}

// The page is never empty: an example is drawn as if by hand when it opens.


export function installOpening({ pad, config, isRestored }) {
  if (!isRestored) replay(pad, config.opening);
}

// An unsteady hand: the same digit, written differently each time.

const MARGIN = 0.09; // of the pad's side, kept clear of every point: more than half the brush
const HIGHEST = 0.75; // of the pad's side
const LOWEST = 0.4;
const SLANT = 0.3; // tangent of the angle
const TURN = (6 * Math.PI) / 180;
const STRETCH = 0.25; // of the width, as a logarithm
const WOBBLE = 0.02; // of the pad's side

/** Another of the templates, each as likely, never `last` again unless there is no other. */
export function choose(templates, last, random = Math.random) {
  const others = templates.filter((template) => template !== last);
  const from = others.length ? others : templates;
  return from[Math.floor(random() * from.length)];
}

/**
 * Slanted, turned, stretched, bent, in another size and at another place.
 * @param strokes arrays of [x, y] in 0..1
 * @param random () → 0..1
 * @returns new strokes, within the pad
 */
export function vary(strokes, random = Math.random) {
  const within = (limit) => limit * (2 * random() - 1);
  const slant = within(SLANT);
  const turn = within(TURN);
  const stretch = Math.exp(within(STRETCH));
  const [bendX, bendY] = [waves(within), waves(within)];
  const bent = strokes.map((stroke) =>
    stroke.map(([x, y]) => {
      const across = stretch * (x + bendX(y) - 0.5) - slant * (y - 0.5);
      const down = y + bendY(x) - 0.5;
      const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
      return [cos * across - sin * down, sin * across + cos * down];
    }),
  );
  const room = 1 - 2 * MARGIN;
  const [left, top, width, height] = box(bent.flat());
  const scale = Math.min((LOWEST + (HIGHEST - LOWEST) * random()) / height, room / width);
  const x = MARGIN + random() * (room - scale * width);
  const y = MARGIN + random() * (room - scale * height);
  return bent.map((stroke) =>
    stroke.map((point) => [x + scale * (point[0] - left), y + scale * (point[1] - top)]),
  );
}

/** A slow swing and one twice as fast, by the place along the other axis. */
function waves(within) {
  const swings = [1, 2].map((times) => [2 * Math.PI * times, within(Math.PI), within(WOBBLE)]);
  return (at) => swings.reduce((sum, [pace, phase, size]) => sum + size * Math.sin(pace * at + phase), 0);
}

/** [left, top, width, height] of all points. */
function box(points) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top];
}
