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
