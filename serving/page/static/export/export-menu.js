// What one can take along: a link, the reading as a picture, its numbers, code that asks again.

import { button } from "../core/dom.js";
import { Menu } from "../core/menu.js";
import { notify } from "../core/messages.js";
import { argmax } from "../reading/answer.js";
import { linkTo } from "./link.js";
import * as strings from "../core/strings.js";

export function installExport(app) {
  const { root } = app;
  const place = root.querySelector(".export");
  const link = button(strings.COPY_LINK);
  const save = button(strings.SAVE, { title: strings.SAVE_TITLE, className: "opens" });
  place.append(link, save);

  link.addEventListener("click", async () => {
    if (await copy(root, linkTo(app))) notify(root, strings.LINK_COPIED);
  });
  const items = Object.entries(strings.EXPORT).map(([name, texts]) => [name, ...texts]);
  new Menu(save, items, async (name) => {
    if (!app.reading?.has_ink) return notify(root, strings.NOTHING_TO_EXPORT);
    if (app.reading.sequence < app.sequence) return notify(root, strings.STALE);
    try {
      if (name in FILES) keep(await FILES[name](app), fileName(app, name));
      else if (await copy(root, code(app, name))) notify(root, strings.CODE_COPIED);
    } catch {
      notify(root, strings.NOT_SAVED);
    }
  });
}

// Each is loaded when it is first wanted: the first picture need not wait for them.
const FILES = {
  png: async (app) => (await import("./poster.js")).toPng(app),
  svg: async (app) => new Blob([(await import("./poster.js")).toSvg(app)], { type: "image/svg+xml" }),
  csv: async ({ reading, config }) => {
    const { toCsv } = await import("./numbers.js");
    return new Blob([toCsv(reading.tensors, config)], { type: "text/csv" });
  },
  npz: async ({ reading }) => {
    const { toNpz } = await import("./numbers.js");
    return new Blob([toNpz(reading.tensors)], { type: "application/octet-stream" });
  },
};

async function code({ reading, config }, name) {
  return (await import("./snippet.js")).snippets(reading, config)[name];
}

/** As "scanline-reads-7.npz", "scanline-not-sure.npz" or "scanline-not-a-digit.npz". */
function fileName({ reading, config }, ending) {
  const network = config.model.name.replaceAll(/[^\w.-]/g, "-");
  const digit = argmax(reading.tensors[config.outputs.answer].data);
  const { rejected, between, reason } = reading.verdict;
  const doubt = between ? "not-sure" : reason === strings.SEVERAL ? "several-digits" : "not-a-digit";
  const said = rejected ? doubt : `reads-${digit}`;
  return `${network}-${said}.${ending}`;
}

function keep(blob, name) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000); // the browser reads it meanwhile
}

// Text onto the clipboard, or, where the browser keeps it from the page (an address that is
// neither https nor localhost), into a box from which it can be copied by hand.


/**
 * @param text a promise; the copying must begin in the click itself, or Safari refuses it
 * @returns whether it is on the clipboard
 */
export async function copy(root, text) {
  try {
    const blob = text.then((content) => new Blob([content], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    return true;
  } catch {
    showBox(root, await text);
    return false;
  }
}

function showBox(root, text) {
  const dialog = document.createElement("dialog");
  dialog.className = "by-hand";
  dialog.innerHTML = "<form method='dialog'><label><span></span><textarea readonly></textarea></label><button></button></form>";
  dialog.querySelector("span").textContent = strings.NOT_COPIED;
  dialog.querySelector("button").textContent = strings.CLOSE;
  const area = dialog.querySelector("textarea");
  area.value = text;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the page has uses for keys
  root.append(dialog);
  dialog.showModal();
  area.select();
}
