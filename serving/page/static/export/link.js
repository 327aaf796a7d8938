// The address bar holds the whole state: a link opens the same drawing, answer, row and network.

import { LinkError, linkTo, readFragment } from "./fragment.js";
import { notify } from "../core/notice.js";
import * as words from "../core/strings.js";

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
    return notify(root, words.LINK_BROKEN);
  }
  if (!state || number !== newest) return;
  if (state.model && state.model !== app.config.model.name) {
    try {
      await app.useModel(state.model);
    } catch {
      notify(root, words.linkedModelMissing(state.model, app.config.model.name));
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
}
