// What one can take along: a link, the reading as a picture, its numbers, code that asks again.

import { argmax } from "../reading/answer.js";
import { copy } from "../core/clipboard.js";
import { button } from "../core/dom.js";
import { linkTo } from "./fragment.js";
import { Menu } from "../core/menu.js";
import { notify } from "../core/notice.js";
import * as words from "../core/strings.js";

export function installTake(app) {
  const { root } = app;
  const place = root.querySelector(".take");
  const link = button(words.COPY_LINK);
  const save = button(words.SAVE, { title: words.SAVE_TITLE, className: "opens" });
  place.append(link, save);

  link.addEventListener("click", async () => {
    if (await copy(root, linkTo(app))) notify(root, words.LINK_COPIED);
  });
  const items = Object.entries(words.TAKE).map(([name, texts]) => [name, ...texts]);
  new Menu(save, items, async (name) => {
    if (!app.reading?.has_ink) return notify(root, words.NOTHING_TO_TAKE);
    if (app.reading.sequence < app.sequence) return notify(root, words.STALE);
    try {
      if (name in FILES) keep(await FILES[name](app), fileName(app, name));
      else if (await copy(root, code(app, name))) notify(root, words.CODE_COPIED);
    } catch {
      notify(root, words.NOT_SAVED);
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
  const doubt = between ? "not-sure" : reason === words.SEVERAL ? "several-digits" : "not-a-digit";
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
