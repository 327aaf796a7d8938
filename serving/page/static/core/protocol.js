// The page's end of the stream; the layout is documented in serving/page/stream.py.

/** Parts of the pad's side. What is sent lies on this grid, so that a link can keep it exactly. */
export const GRID = 4096;

export const onGrid = (place) => Math.round(place * GRID) / GRID;

const ROWS = 2 ** 32 - 1; // in place of the number of strokes: a picture's rows follow

/** {strokes: arrays of [x, y] in 0..1} or {image: prepared rows} → one binary message. */
export function packDrawing(sequence, { strokes, image }) {
  if (image) {
    const message = new Uint8Array(8 + image.length);
    new DataView(message.buffer).setUint32(0, sequence, true);
    new DataView(message.buffer).setUint32(4, ROWS, true);
    message.set(image, 8);
    return message.buffer;
  }
  const points = strokes.reduce((sum, stroke) => sum + stroke.length, 0);
  const view = new DataView(new ArrayBuffer(8 + 4 * strokes.length + 8 * points));
  view.setUint32(0, sequence, true);
  view.setUint32(4, strokes.length, true);
  let at = 8;
  for (const stroke of strokes) {
    view.setUint32(at, stroke.length, true);
    at += 4;
  }
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      view.setFloat32(at, onGrid(x), true);
      view.setFloat32(at + 4, onGrid(y), true);
      at += 8;
    }
  }
  return view.buffer;
}

/**
 * One binary message → {sequence, has_ink, milliseconds, verdict: {rejected, reason, between},
 * tensors: {name: {shape, data}}}.
 */
export function readFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const tensors = {};
  let at = 4 + length;
  for (const { name, shape } of header.tensors) {
    const size = shape.reduce((product, n) => product * n, 1);
    tensors[name] = { shape, data: new Float32Array(buffer, at, size) };
    at += 4 * size;
  }
  return { ...header, tensors };
}
