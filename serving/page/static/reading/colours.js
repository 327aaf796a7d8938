// Colour maps, taken from the stylesheet so that light and dark are decided in one place.

const STEPS = 256;

/** Colours of the current theme as 256 RGBA values, ready for ImageData. */
export function readPalette(element) {
  const style = getComputedStyle(element);
  const ramp = (...names) => table(names.map((name) => parse(style.getPropertyValue(name))));
  return {
    ink: ramp("--ink-page", "--ink-full"),
    state: ramp("--state-lowest", "--state-low", "--state-zero", "--state-high", "--state-highest"),
    belief: ramp("--belief-zero", "--belief-half", "--belief-full"),
  };
}

/** Colour at `place` of a ramp, 0..1; beyond its ends, the nearer end. */
export function pick(ramp, place) {
  const index = Math.round(place * (STEPS - 1));
  return ramp[Math.min(STEPS - 1, Math.max(0, index))];
}

function parse(colour) {
  const hex = colour.trim().slice(1);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function table(stops) {
  const ramp = new Uint32Array(STEPS);
  const bytes = new Uint8ClampedArray(ramp.buffer); // RGBA by byte, whatever the byte order
  for (let i = 0; i < STEPS; i++) {
    const place = (i / (STEPS - 1)) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(place));
    const part = place - left;
    for (let c = 0; c < 3; c++) {
      bytes[4 * i + c] = stops[left][c] * (1 - part) + stops[left + 1][c] * part;
    }
    bytes[4 * i + 3] = 255;
  }
  return ramp;
}
