// Pictures of tensors: one canvas pixel for each number, enlarged by the browser.

import { pick } from "./colours.js";

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
