// The address bar holds the whole state: a link opens the same drawing, answer, row and network.

import { notify } from "../core/messages.js";
import { GRID } from "../core/protocol.js";
import * as strings from "../core/strings.js";

const REST = 700; // milliseconds without a change; some browsers allow 100 changes in 30 s

/** Follows the link that the page was opened with, then keeps the address up to date. */
export async function installLink(app) {
  const { root, events, options } = app;
  await follow(app);
  window.addEventListener("hashchange", () => follow(app));

  let timer;
  let isTouched = false; // the address of a page that nobody has used stays short
  const later = () => {
    clearTimeout(timer);
    if (isTouched) timer = setTimeout(write, REST);
  };
  const write = async () => {
    const link = await linkTo(app);
    if (link !== location.href) history.replaceState(history.state, "", link);
  };
  for (const name of ["drawing", "row", "layer", "model"]) events.addEventListener(name, later);
  options.changedAny(later);
  for (const kind of ["pointerdown", "keydown"]) {
    root.ownerDocument.addEventListener(kind, () => (isTouched = true), {
      capture: true,
      once: true,
    });
  }
}

let newest = 0; // of the links that were followed

async function follow(app) {
  const { root, options, pad, cursor, view } = app;
  const number = ++newest;
  let state;
  try {
    state = await readFragment(location.hash.slice(1), app.config);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    return notify(root, strings.LINK_BROKEN);
  }
  if (!state || number !== newest) return;
  if (state.model) {
    try {
      await app.useModel(state.model);
    } catch {
      notify(root, strings.linkedModelMissing(state.model, app.config.model.name));
    }
  }
  if (number !== newest) return; // another was opened meanwhile
  view.chooseLayer(Math.min(state.layer ?? 1, app.config.layers.length));
  cursor.pin(state.row);
  const { drawing, isExample } = state;
  app.isRestored ||= Boolean(drawing);
  if (drawing?.image) pad.showImage(drawing.image);
  else if (drawing) pad.show(drawing.strokes, { isExample });
  // Last: the network may not be compared with itself, a unit is one of the layer's, and what is
  // erased belongs to the row or the drawing.
  options.replace(state.options);
  app.events.dispatchEvent(new CustomEvent("link"));
}

// The state of the page as the text behind a link's "#", and back:
//
//   model=NAME & layer=2 & row=12 & OPTION=TEXT ... & example=1 & ink=... (or image=...)
//
// Options are what the page's parts keep (`options.js`): compare=NAME, erase=row, unit=forward-38.
// `ink`: number of strokes, and for each the number of its points and then x, y of every point,
// as differences to the point before in 1/4096 of the pad. All are varints (seven bits a byte,
// low bits first), differences in zigzag (0, -1, 1, -2 ...). `image`: a picture's prepared
// pixels, one byte each. Both deflated, then base64url; deflating takes a fifth off an example
// and two thirds off a long drawing by mouse. Ink comes last, so that a link that was cut short is noticed.


const LONGEST = 20_000; // characters; noise that fills all limits takes 12,200
const LONGEST_OPTION = 100;
const LONGEST_SERIES = 2000; // 200 numbers of the Lab
const OWN = ["model", "layer", "row", "example", "ink", "image"];

/** The text is no state of this page, or not a whole one. */
export class LinkError extends Error {}

/** The address that reopens what `app` shows now. */
export async function linkTo(app) {
  const { pad } = app;
  const url = new URL(location.href);
  url.hash = await writeFragment({
    model: app.config.model.name,
    layer: app.view.layer.number,
    row: app.cursor.pinned,
    options: app.options.entries,
    isExample: pad.isExample,
    drawing: pad.whole ? { strokes: pad.whole } : pad.drawing, // an example on its way
  });
  return url.href;
}

/** @param state {model, layer, row (0 for the first, or null), options, isExample, drawing} */
export async function writeFragment({ model, layer, row, options, isExample, drawing }) {
  const fields = new URLSearchParams({ model });
  if (layer !== 1) fields.set("layer", layer);
  if (row !== null) fields.set("row", row + 1);
  for (const [name, text] of options) fields.set(name, text);
  if (isExample) fields.set("example", 1);
  if (drawing.image) fields.set("image", await packed(drawing.image));
  else fields.set("ink", await packed(inkBytes(drawing.strokes)));
  return fields.toString();
}

/**
 * The state that `writeFragment` wrote; what the text lacks is null. Null for no text.
 * @param limits of the server's config
 * @throws {LinkError}
 */
export async function readFragment(text, { steps, pixels, limits }) {
  if (!text) return null;
  if (text.length > LONGEST) throw new LinkError("too long");
  const fields = new URLSearchParams(text);
  const options = [...fields].filter(([name]) => !OWN.includes(name));
  for (const [name, value] of options) {
    if (!/^[a-z][\w-]*$/i.test(name) || !value || value.length > (name.startsWith("lab-") ? LONGEST_SERIES : LONGEST_OPTION)) {
      throw new LinkError("no option of this page");
    }
  }
  if (fields.get("model")?.length > LONGEST_OPTION) throw new LinkError("no network's name");
  const row = whole(fields.get("row"), steps);
  return {
    model: fields.get("model"),
    layer: whole(fields.get("layer"), Infinity),
    row: row && row - 1,
    options,
    isExample: fields.has("example"),
    drawing: await readDrawing(fields, steps * pixels, limits),
  };
}

async function readDrawing(fields, size, limits) {
  if (fields.has("image")) {
    const image = await unpacked(fields.get("image"));
    if (image.length !== size) throw new LinkError("no picture");
    return { image };
  }
  return fields.has("ink") ? { strokes: readInk(await unpacked(fields.get("ink")), limits) } : null;
}

/** A whole number from 1 to `most`, or null. */
function whole(text, most) {
  if (text === null) return null;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > most) throw new LinkError("no such number");
  return number;
}

function inkBytes(strokes) {
  const bytes = [];
  const put = (number) => {
    for (; number > 127; number >>= 7) bytes.push((number & 127) | 128);
    bytes.push(number);
  };
  const from = [0, 0];
  put(strokes.length);
  for (const stroke of strokes) {
    put(stroke.length);
    for (const point of stroke) {
      point.forEach((place, axis) => {
        const to = Math.round(place * GRID);
        const step = to - from[axis];
        put((step << 1) ^ (step >> 31));
        from[axis] = to;
      });
    }
  }
  return Uint8Array.from(bytes);
}

function readInk(bytes, limits) {
  let at = 0;
  const take = (most) => {
    let number = 0;
    for (let shift = 0; ; shift += 7) {
      if (at === bytes.length || shift > 14) throw new LinkError("cut short");
      const byte = bytes[at++];
      number |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (number > most) throw new LinkError("beyond the limits");
    return number;
  };
  const from = [0, 0];
  const point = () => {
    return from.map((_, axis) => {
      const step = take(2 * GRID);
      from[axis] += (step >> 1) ^ -(step & 1);
      if (from[axis] < 0 || from[axis] > GRID) throw new LinkError("outside the pad");
      return from[axis] / GRID;
    });
  };
  let { points, length } = limits;
  const strokes = Array.from({ length: take(limits.strokes) }, () => {
    const count = take(points);
    if (!count) throw new LinkError("a stroke without points");
    points -= count;
    const stroke = Array.from({ length: count }, point);
    for (let i = 1; i < count; i++) {
      length -= Math.hypot(stroke[i][0] - stroke[i - 1][0], stroke[i][1] - stroke[i - 1][1]);
    }
    return stroke;
  });
  if (at < bytes.length || length < 0) throw new LinkError("no drawing");
  return strokes;
}

async function packed(bytes) {
  const deflated = await through(bytes, new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...deflated));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpacked(text) {
  try {
    const deflated = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(deflated, (letter) => letter.charCodeAt(0));
    return await through(bytes, new DecompressionStream("deflate-raw"));
  } catch {
    throw new LinkError("damaged");
  }
}

async function through(bytes, transform) {
  const stream = new Blob([bytes]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
