// Pictures of tensors: one canvas pixel for each number, enlarged by the browser.

/** The readers that a layer may have. */
export const DIRECTIONS = ["forward", "backward"];

// Of values without bounds, the part that the colours tell apart. A few can be fifty times as
// strong as all others, which would then look dead.
export const TOLD_APART = 0.99;

/** Paints a (rows, columns) tensor onto a canvas; columns may be reordered and spaced. */
export class Heatmap {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /**
   * @param rows of every tensor to come
   * @param columns which tensor column stands at each canvas column; -1 leaves it clear
   */
  layOut(rows, columns) {
    this.columns = columns;
    this.canvas.width = columns.length;
    this.canvas.height = rows;
    this.image = this.context.createImageData(columns.length, rows);
    this.cells = new Uint32Array(this.image.data.buffer);
  }

  /**
   * @param tensor {shape: [rows, width], data}, or null for a blank picture
   * @param scale (value) → place on the ramp, 0..1
   */
  paint(tensor, ramp, scale) {
    const { cells, columns } = this;
    const rows = cells.length / columns.length;
    const blank = pick(ramp, scale(0));
    for (let row = 0, at = 0; row < rows; row++) {
      for (const column of columns) {
        if (column < 0) cells[at++] = 0;
        else if (!tensor) cells[at++] = blank;
        else cells[at++] = pick(ramp, scale(tensor.data[row * tensor.shape[1] + column]));
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }
}

/** Columns of a reader's picture: its units by group, one clear column between groups. */
export function groupColumns(groups) {
  return groups.flatMap(({ units }, i) => (i ? [-1, ...units] : units));
}

/** Paint a colour map from end to end, for the legend. */
export function paintRamp(canvas, ramp, from = 0) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, 1);
  const cells = new Uint32Array(image.data.buffer);
  cells.forEach((_, i) => {
    cells[i] = pick(ramp, from + ((1 - from) * i) / (cells.length - 1));
  });
  context.putImageData(image, 0, 0);
}

/** Values from 0 to `high`, evenly. */
export const linear = (high) => (value) => value / high;

/** Values from -limit to limit, evenly, with 0 in the middle. */
export const diverging = (limit) => (value) => 0.5 + (0.5 * value) / limit;

/** As `diverging`, by the square root: a few large values leave the small ones visible. */
export const compressed = (limit) => (value) => {
  return 0.5 + 0.5 * Math.sign(value) * Math.sqrt(Math.abs(value) / limit);
};

/** Smallest and largest value of several tensors. */
export function extent(tensors) {
  let low = Infinity;
  let high = -Infinity;
  for (const { data } of tensors) {
    for (const value of data) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

/** What a part of all sizes (values without sign) does not exceed; 0 without tensors. */
export function quantile(tensors, part) {
  const sizes = new Float32Array(tensors.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of tensors) for (const value of data) sizes[at++] = Math.abs(value);
  return sizes.sort()[Math.floor(part * (sizes.length - 1))] ?? 0;
}

// Colour maps, taken from the stylesheet so that light and dark are decided in one place.

const STEPS = 256;

/** Colours of the current theme as 256 RGBA values, ready for ImageData. */
export function readPalette(element) {
  const style = getComputedStyle(element);
  const ramp = (...names) => table(names.map((name) => parse(style.getPropertyValue(name))));
  return {
    ink: ramp("--ink-page", "--ink-full"),
    state: ramp("--state-lowest", "--state-low", "--state-zero", "--state-high", "--state-highest"),
    belief: ramp("--belief-zero", "--belief-half", "--belief-full"),
  };
}

/** Colour at `place` of a ramp, 0..1; beyond its ends, the nearer end. */
function pick(ramp, place) {
  const index = Math.round(place * (STEPS - 1));
  return ramp[Math.min(STEPS - 1, Math.max(0, index))];
}

function parse(colour) {
  const hex = colour.trim().slice(1);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function table(stops) {
  const ramp = new Uint32Array(STEPS);
  const bytes = new Uint8ClampedArray(ramp.buffer); // RGBA by byte, whatever the byte order
  for (let i = 0; i < STEPS; i++) {
    const place = (i / (STEPS - 1)) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(place));
    const part = place - left;
    for (let c = 0; c < 3; c++) {
      bytes[4 * i + c] = stops[left][c] * (1 - part) + stops[left + 1][c] * part;
    }
    bytes[4 * i + 3] = 255;
  }
  return ramp;
}
