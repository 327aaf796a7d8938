/** Whether a key press belongs to a form's field, or to the browser. */
export function isTyping({ target, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return true;
  return target.matches("input:not([type=range]), textarea, select, [contenteditable]");
}

// Most readings change little of the page, and an equal text written again costs a layout.

export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** Where the focus goes when `element`, which has it, is about to vanish: to the pad. */
export function leave(element) {
  if (!element.contains(document.activeElement)) return;
  element.closest(".scanline").querySelector(".pad-ink").focus({ preventScroll: true });
}

/** A select with its label, at the end of `place`. */
export function labelledSelect(place, text) {
  const label = document.createElement("label");
  const name = document.createElement("span");
  name.textContent = text;
  const select = document.createElement("select");
  select.setAttribute("aria-label", text); // else some take the options' texts for part of it
  label.append(name, select);
  place.append(label);
  return select;
}
