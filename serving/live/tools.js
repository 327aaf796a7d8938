// Undo and clear, by button and by key.

import { setText } from "./dom.js";
import * as words from "./words.js";

export function installTools({ root, pad, cursor, events }) {
  const undo = root.querySelector(".undo");
  const clear = root.querySelector(".clear");
  function clearAll() {
    pad.clear();
    cursor.pin(null); // what a row knew belongs to the old drawing
  }
  undo.addEventListener("click", () => pad.undo());
  clear.addEventListener("click", clearAll);
  root.ownerDocument.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select")) return;
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (isUndo) pad.undo();
    else if (event.key === "Delete") clearAll();
    else return;
    event.preventDefault();
  });

  function show() {
    undo.disabled = !pad.canUndo;
    clear.disabled = pad.isEmpty;
    const own = pad.image ? words.PAD_PICTURE : "";
    const hint = pad.isEmpty ? words.PAD_EMPTY : own;
    setText(root.querySelector(".pad-hint"), pad.isExample ? words.PAD_EXAMPLE : hint);
  }
  events.addEventListener("drawing", show);
  show();
}
