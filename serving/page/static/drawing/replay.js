// Draws strokes on the pad as if by hand, so that they are read as they grow.

const POINTS_A_SECOND = 70;

let newest = 0; // of the examples asked for

const reduced = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Draw an example on the pad point by point, or at once where motion is reduced; stops as
 * soon as anything else changes the pad.
 */
export function replay(pad, strokes) {
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
