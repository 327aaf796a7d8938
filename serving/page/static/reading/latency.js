// How long the page takes from the pen to the picture, for those who ask.

import { setText } from "../core/dom.js";
import * as strings from "../core/strings.js";

const KEPT = 50; // readings that the median is of

export function installLatency({ root, events, options, pad }) {
  const element = document.createElement("p");
  element.className = "latency";
  element.innerHTML = "<label><input type='checkbox' role='switch'><span></span></label> <span class='figures'></span>";
  const [box, name, figures] = ["input", "label span", ".figures"].map((part) => element.querySelector(part));
  name.textContent = strings.LATENCY;
  root.querySelector(".network").append(element);

  let waiting = []; // {sequence, time} of changes that are not on the screen yet
  let kept = []; // milliseconds from the pen's event to the frame that shows it
  let server = null;
  const show = () => {
    const told = kept.length ? strings.latency(summary(kept, server)) : strings.LATENCY_NONE;
    setText(figures, box.checked ? told : "");
  };
  box.addEventListener("change", () => options.set("latency", box.checked ? "on" : null));
  const follow = (value) => {
    box.checked = value === "on";
    if (box.checked) element.parentElement.open = true;
    waiting = [];
    kept = [];
    show();
  };
  options.changed("latency", follow);
  follow(options.get("latency"));

  events.addEventListener("drawing", ({ detail }) => {
    if (box.checked && pad.pointer !== null) waiting.push(detail); // undo and examples have no pen
  });
  events.addEventListener("model", () => (waiting = []));
  events.addEventListener("reading", ({ detail: { sequence, milliseconds } }) => {
    if (!box.checked) return;
    const read = waiting.filter((change) => change.sequence <= sequence);
    waiting = waiting.filter((change) => change.sequence > sequence);
    afterFrame(() => {
      const now = performance.now();
      kept = [...kept, ...read.map(({ time }) => now - time)].slice(-KEPT);
      server = milliseconds;
      show();
    });
  });
}

function summary(kept, server) {
  const sorted = [...kept].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { last: kept.at(-1), median, count: kept.length, server };
}

/** Call `then` once the frame that is being made has gone to the screen. */
function afterFrame(then) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = then;
    port2.postMessage(null);
  });
}
