// The second tab: the exercises of the sheet, one panel each. Loaded when it is first opened. What
// is chosen there are options of the page (`lab`, the panel, and `lab-NAME`), so that a link has them.

import { linkTo } from "../export/link.js";
import * as strings from "./strings.js";

export const PANELS = ["graph", "paths", "inputs", "clipping", "bidirectional", "saturation", "truncation"];
const OF_PANEL = /^lab-(?!project|paper|drawing)/; // these three stay for the next panel

export function installLab(app) {
  const { root, options } = app;
  const tabs = root.querySelector(".tabs");
  const [read, lab] = tabs.querySelectorAll("a");
  const place = root.ownerDocument.querySelector(".lab");
  const title = document.title;
  let loaded;

  /** Go to a panel, or to the first tab (null), as a step that the browser can go back. */
  const go = async (panel) => {
    if (panel !== options.get("lab")) {
      for (const [name] of options.entries) if (OF_PANEL.test(name)) options.set(name, null);
    }
    options.set("lab", panel);
    history.pushState(null, "", await linkTo(app));
  };
  const follow = (link, panel) => {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a window of its own
      event.preventDefault();
      go(panel());
    });
  };
  follow(read, () => null);
  follow(lab, () => PANELS[0]);

  const show = async () => {
    const panel = PANELS.includes(options.get("lab")) ? options.get("lab") : null;
    root.hidden = panel !== null;
    place.hidden = panel === null;
    document.title = panel === null ? title : `${strings.PANELS[panel].title} · Scanline`;
    if (panel === null) return;
    try {
      loaded ??= load(app, place, { tabs, follow, go });
      await (await loaded).show(panel);
    } catch {
      loaded = undefined;
      place.textContent = strings.NOT_LOADED;
    }
  };
  options.changed("lab", show);
  app.events.addEventListener("link", show);
  if (options.get("lab")) show();
}

async function load(app, place, tabs) {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "live/lab/lab.css" });
  const styled = new Promise((resolve, reject) => Object.assign(sheet, { onload: resolve, onerror: reject }));
  document.head.append(sheet);
  const [{ Lab }] = await Promise.all([import("./panel.js"), styled]);
  return new Lab(app, place, tabs);
}
