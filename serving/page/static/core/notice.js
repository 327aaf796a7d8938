// A short message that needs no answer: it goes away by itself.

const SHOWN = 6000; // milliseconds

let timer;

/** Say `text` at the foot of the window, and to a screen reader. */
export function notify(root, text) {
  const element = root.querySelector(".notice");
  element.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (element.textContent = ""), SHOWN);
}
