// Puts the page together: the app, and one module for each thing that people can do with it.

import { open } from "./app.js";
import { installCause } from "../explain/cause.js";
import { installCompare } from "../compare/compare.js";
import { installExamples } from "../drawing/examples.js";
import { installGhost } from "../explain/state-change.js";
import { installInspector } from "../explain/inspector.js";
import { installLatency } from "../reading/latency.js";
import { installLink } from "../export/link.js";
import { installNarrow } from "./phone-layout.js";
import { installNetworks } from "../compare/networks.js";
import { installOpening } from "../drawing/opening.js";
import { installPicture } from "../drawing/picture.js";
import { installPlayer } from "../reading/player.js";
import { installTake } from "../export/export-menu.js";
import { installTools } from "../drawing/tools.js";

// Each takes the app, fills its own place in view.html and listens to the app's events. The
// link is first: the others find what it says in `app.options`.
const FEATURES = [installLink, installTools, installTake, installLatency, installExamples, installPlayer, installPicture, installCause, installGhost, installInspector, installNarrow, installNetworks, installCompare, installOpening];

const root = document.querySelector(".scanline");
root.style.visibility = "";
const app = await open(root);
for (const install of FEATURES) await install(app);
