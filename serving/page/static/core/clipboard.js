// Text onto the clipboard, or, where the browser keeps it from the page (an address that is
// neither https nor localhost), into a box from which it can be copied by hand.

import * as words from "./strings.js";

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
  dialog.querySelector("span").textContent = words.NOT_COPIED;
  dialog.querySelector("button").textContent = words.CLOSE;
  const area = dialog.querySelector("textarea");
  area.value = text;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the page has uses for keys
  root.append(dialog);
  dialog.showModal();
  area.select();
}
