// Puts the page together: the app, and one module for each thing that people can do with it.

import { open } from "./app.js";
import { installCause } from "./cause.js";
import { installCompare } from "./compare.js";
import { installExamples } from "./examples.js";
import { installGhost } from "./ghost.js";
import { installInspector } from "./inspector.js";
import { installLatency } from "./latency.js";
import { installLink } from "./link.js";
import { installNarrow } from "./narrow.js";
import { installNetworks } from "./networks.js";
import { installOpening } from "./opening.js";
import { installPicture } from "./picture.js";
import { installPlayer } from "./player.js";
import { installTake } from "./take.js";
import { installTools } from "./tools.js";

// Each takes the app, fills its own place in view.html and listens to the app's events. The
// link is first: the others find what it says in `app.options`.
const FEATURES = [installLink, installTools, installTake, installLatency, installExamples, installPlayer, installPicture, installCause, installGhost, installInspector, installNarrow, installNetworks, installCompare, installOpening];

/** Called once by the page with the element of view.html. */
export async function start(root) {
  root.style.visibility = "";
  const app = await open(root);
  for (const install of FEATURES) await install(app);
}
