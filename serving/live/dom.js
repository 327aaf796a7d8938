// Most readings change little of the page, and an equal text written again costs a layout.

export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}
