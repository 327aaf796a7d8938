// Which network reads: the choice, and what the chosen one is.

import { labelledSelect, setText } from "../core/dom.js";
import { notify } from "../core/messages.js";
import * as strings from "../core/strings.js";

/** What a network is chosen by: its name, and in few words what it is. */
export const networkOption = ({ name, description }) => new Option(strings.networkOption(name, description), name);

export function installNetworks(app) {
  const { root, events } = app;
  const about = root.querySelector(".network .about");

  const { models } = app.config;
  const place = root.querySelector(".networks");
  place.hidden = models.length < 2;
  const select = labelledSelect(place, strings.NETWORK);
  select.append(...models.map(networkOption));
  const show = () => {
    select.value = app.config.model.name;
    setText(about, strings.about(app.config.model.description, app.config));
  };
  select.addEventListener("change", async () => {
    const wanted = select.value;
    try {
      await app.useModel(wanted);
    } catch (error) {
      notify(root, strings.networkUnusable(wanted, error.message));
      show();
    }
  });
  events.addEventListener("model", show);
  show();
}
