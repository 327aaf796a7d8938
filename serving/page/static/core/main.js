// Puts the page together: the app, and one module for each thing that people can do with it.

import { installCompare } from "../compare/compare.js";
import { installNetworks } from "../compare/networks.js";
import { installExamples, installOpening } from "../drawing/examples.js";
import { installPicture } from "../drawing/picture.js";
import { installTools } from "../drawing/tools.js";
import { installExplanation } from "../explain/explanation.js";
import { installInspector } from "../explain/inspector.js";
import { installStateChange } from "../explain/state-change.js";
import { installExport } from "../export/export-menu.js";
import { installLink } from "../export/link.js";
import { installLab } from "../lab/lab.js";
import { installLatency } from "../reading/latency.js";
import { installPlayer } from "../reading/player.js";
import { installTable } from "../reading/table.js";
import { open } from "./app.js";
import { installTour } from "./tour.js";

// Each takes the app, fills its own place in index.html and listens to the app's events. The
// link is first: the others find what it says in `app.options`.
const FEATURES = [installLink, installTools, installExport, installLatency, installExamples, installPlayer, installPicture, installExplanation, installStateChange, installInspector, installTable, installPhoneLayout, installNetworks, installCompare, installLab, installTour, installOpening];

// On a phone the choices that can wait stand below the legend, for the eye and for the Tab key.

const NARROW = "(width <= 560px)"; // as in page.css

function installPhoneLayout({ root }) {
  const [bar, networks, exports, legend] = ["bar", "networks", "export", "legend"].map((name) => root.querySelector(`.${name}`));
  const tour = root.querySelector(".tour-start");
  const narrow = matchMedia(NARROW);
  const place = () => {
    if (narrow.matches) legend.after(networks, exports);
    else bar.replaceChildren(networks, ...bar.children, exports);
    root.querySelector(narrow.matches ? ".more" : ".title p").append(tour);
  };
  narrow.addEventListener("change", place);
  if (narrow.matches) place();
}

const root = document.querySelector(".scanline");
root.style.visibility = "";
const app = await open(root);
for (const install of FEATURES) await install(app);
