// The page is never empty: an example is drawn as if by hand when it opens.

const POINTS_A_SECOND = 70;

export function installOpening({ pad, config }) {
  playExample(pad, config.opening);
}

/** Draw `strokes` on the pad point by point; stops as soon as someone else draws. */
export function playExample(pad, strokes) {
  const total = strokes.reduce((sum, { length }) => sum + length, 0);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) return pad.show(strokes, { isExample: true });

  const started = performance.now();
  let shown = null;
  let count = 0;
  const step = (now) => {
    if (shown !== null && pad.strokes !== shown) return;
    const due = Math.min(total, Math.ceil(((now - started) / 1000) * POINTS_A_SECOND));
    if (due > count) {
      count = due;
      shown = firstPoints(strokes, count);
      pad.show(shown, { isExample: true });
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
