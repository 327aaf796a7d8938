// What is to be seen on the page, read back: colours, pictures and texts.

/** (name of a variable in theme.css) → its colour now. */
export function colours(root) {
  const style = getComputedStyle(root);
  return (name) => style.getPropertyValue(name).trim();
}

/** Every picture on the page is made of whole cells, and has no more pixels than it needs. */
export function pixels(canvas) {
  const { width, height } = canvas;
  // A copy: reading back the original would take it off the graphics card.
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, width, height);
}

/** What an element tells now: its parts that are to be seen, where it has some, else its text. */
export function told(element) {
  if (!element?.children.length) return plain(element?.textContent ?? "");
  const seen = [...element.children].filter((part) => part.offsetParent);
  return seen.map((part) => plain(part.textContent)).filter(Boolean).join("\u2003");
}

/** Without the line breaks and indents of HTML. */
export const plain = (text) => text.trim().replaceAll(/[ \n]+/g, " ");
