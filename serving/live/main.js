// Puts the live view together: pad → connection → pictures, and the row cursor through all.

import { Connection } from "./connection.js";
import { RowCursor } from "./cursor.js";
import { setText } from "./dom.js";
import { playExample } from "./opening.js";
import { Pad } from "./pad.js";
import { View } from "./view.js";
import * as words from "./words.js";

const REST = 700; // milliseconds without a change after which the drawing may be complete
const CONFIG_RETRY = 2000;

/** Called once by the page with the element of view.html. */
export async function start(root) {
  const find = (selector) => root.querySelector(selector);
  const alert = alertOf(root);
  root.style.visibility = "";
  const config = await loadConfig(alert);
  const view = new View(root, config);

  // A drawing's number grows with every change, so a result is stale if it is lower than
  // one already shown.
  let sequence = 0;
  let shown = 0;
  let isTroubled = false; // lost or refused, and nothing read since
  let rest = null;
  const showAge = () => view.age(isTroubled && sequence > shown);

  const connection = new Connection(streamUrl(config.stream), {
    onReading(reading) {
      if (reading.sequence < shown) return;
      shown = reading.sequence;
      isTroubled = false;
      view.show(reading);
      showAge();
      if (!pad.isFull) alert.hide();
      clearTimeout(rest);
      rest = setTimeout(() => view.rest(), REST);
      root.dispatchEvent(new CustomEvent("painted", { detail: { sequence: reading.sequence } }));
    },
    onRefusal: (reason) => trouble(words.refused(reason)),
    onLost: (wait) => trouble(words.lost(wait / 1000), () => connection.open()),
    onConnected: () => alert.hide(),
  });

  function trouble(text, onRetry) {
    isTroubled = true;
    showAge();
    alert.show(text, onRetry);
  }

  const pad = new Pad(find(".pad-ink"), {
    brush: config.brush,
    limits: config.limits,
    onFull: () => alert.show(words.PAD_FULL),
    onChange(time) {
      sequence++;
      connection.send(sequence, pad.strokes);
      showTools();
      showAge();
      root.dispatchEvent(new CustomEvent("drawn", { detail: { sequence, time } }));
    },
  });
  const undo = find(".undo");
  const clear = find(".clear");
  function showTools() {
    undo.disabled = !pad.canUndo;
    clear.disabled = !pad.strokes.length;
    const empty = pad.strokes.length ? "" : words.PAD_EMPTY;
    setText(find(".pad-hint"), pad.isExample ? words.PAD_EXAMPLE : empty);
  }
  undo.addEventListener("click", () => pad.undo());
  clear.addEventListener("click", () => pad.clear());
  root.ownerDocument.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select")) return;
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (isUndo) pad.undo();
    else if (event.key === "Delete") pad.clear();
    else return;
    event.preventDefault();
  });

  const cursor = new RowCursor({
    root,
    panels: root.querySelectorAll(".rows, .axis"),
    slider: find(".axis"),
    steps: config.steps,
    onMove: () => view.mark(cursor.row),
  });

  playExample(pad, config.opening);
}

function streamUrl(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

async function loadConfig(alert) {
  for (;;) {
    try {
      const response = await fetch(new URL("live/config.json", document.baseURI));
      if (response.ok) return await response.json();
    } catch {
      // no server at all: wait and ask again, as for any other failure
    }
    alert.show(words.lost(CONFIG_RETRY / 1000));
    await new Promise((resolve) => setTimeout(resolve, CONFIG_RETRY));
    alert.hide();
  }
}

/** The one place for trouble; it hides itself when the next reading arrives. */
function alertOf(root) {
  const element = root.querySelector(".alert");
  const retry = element.querySelector(".retry");
  return {
    show(text, onRetry = null) {
      element.querySelector(".alert-text").textContent = text;
      retry.hidden = !onRetry;
      retry.onclick = onRetry;
      element.hidden = false;
    },
    hide() {
      element.hidden = true;
    },
  };
}
