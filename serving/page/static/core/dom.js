// Boxes, choices and sliders take no letters.

const FIELDS = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";

/** Whether a key press writes into a form's field. */
export const isTyping = ({ target }) => target.matches(FIELDS);

/** Whether a key press is a command, as a rule the browser's own. */
export const isCommand = ({ ctrlKey, metaKey, altKey }) => ctrlKey || metaKey || altKey;

// Most readings change little of the page, and an equal text written again costs a layout.

export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/**
 * Where an event points to within `element`, 0..1 from its left and top. Browsers tell a mouse's
 * click in whole pixels and its move in parts of them: both count as the middle of their pixel,
 * else a click would choose another column than the one that was named under the pointer.
 */
export function placeIn(element, { clientX, clientY, pointerType }) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const middle = (place) => (pointerType === "mouse" ? Math.floor(place) + 0.5 : place);
  return { x: (middle(clientX) - left) / width, y: (middle(clientY) - top) / height };
}

/** Where the focus goes when `element`, which has it, is about to vanish: to the pad. */
export function leave(element) {
  if (!element.contains(document.activeElement)) return;
  element.closest(".scanline").querySelector(".pad-ink").focus({ preventScroll: true });
}

/** @param properties of the element: className, title ... */
export function button(textContent, properties = {}) {
  return Object.assign(document.createElement("button"), { type: "button", textContent, ...properties });
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
