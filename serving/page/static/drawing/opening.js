// The page is never empty: an example is drawn as if by hand when it opens.

import { replay } from "./replay.js";

export function installOpening({ pad, config, isRestored }) {
  if (!isRestored) replay(pad, config.opening);
}
