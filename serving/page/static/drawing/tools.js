// Undo, redo and clear, by button and by key.

import { isTyping, leave, setText } from "../core/dom.js";
import * as strings from "../core/strings.js";

export function installTools({ root, pad, cursor, events }) {
  const undo = root.querySelector(".undo");
  const redo = root.querySelector(".redo");
  const clear = root.querySelector(".clear");
  function clearAll() {
    pad.clear();
    cursor.pin(null); // what a row knew belongs to the old drawing
  }
  undo.addEventListener("click", () => pad.undo());
  redo.addEventListener("click", () => pad.redo());
  clear.addEventListener("click", clearAll);
  root.ownerDocument.addEventListener("keydown", (event) => {
    if (root.hidden || isTyping(event)) return;
    const key = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) pad.undo();
    else if (key === "z" || (key === "y" && !event.shiftKey)) pad.redo();
    else if (event.key === "Delete") clearAll();
    else return;
    event.preventDefault();
  });

  function show() {
    if (!pad.canUndo) leave(undo);
    if (!pad.canRedo) leave(redo);
    if (pad.isEmpty) leave(clear);
    undo.disabled = !pad.canUndo;
    redo.disabled = !pad.canRedo;
    clear.disabled = pad.isEmpty;
    setText(root.querySelector(".pad-hint"), pad.isEmpty ? strings.PAD_EMPTY : "");
    const brought = pad.image ? strings.PAD_PICTURE : "";
    setText(root.querySelector(".origin"), pad.isExample ? strings.PAD_EXAMPLE : brought);
  }
  events.addEventListener("drawing", show);
  show();
}
