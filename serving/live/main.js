// Puts the page together: the app, and one module for each thing that people can do with it.

import { open } from "./app.js";
import { installOpening } from "./opening.js";
import { installTools } from "./tools.js";

// Each takes the app, fills its own place in view.html and listens to the app's events.
const FEATURES = [installTools, installOpening];

/** Called once by the page with the element of view.html. */
export async function start(root) {
  root.style.visibility = "";
  const app = await open(root);
  for (const install of FEATURES) install(app);
}
