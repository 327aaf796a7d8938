// Six guided steps: each a preset of the page with one question. The option `tour` is the step, so
// that a link opens it; a link that says no more (#tour=4) gets the preset, too.

import { button, setText } from "./dom.js";
import { playWhenRead } from "../reading/player.js";
import * as strings from "./strings.js";

const STEP = "tour";

/** The textbook's network first. row: 1 for the top; look: what is scrolled to. */
const PRESETS = [
  { model: "elman", row: 14 },
  { model: "elman", row: 14, options: { unit: "forward-38" }, look: ".inspector" },
  { model: "bidirectional", plays: true },
  { model: "elman", look: ".through-time" },
  { model: "elman", options: { compare: "elman-saturated" }, look: ".through-time" },
  { model: "elman", options: { compare: "elman-unclipped" } },
];

export function installTour(app) {
  const { root, options, events } = app;
  const card = root.querySelector(".tour");
  const find = (selector) => card.querySelector(selector);
  const [back, on, end] = [button(strings.TOUR_BACK), button(strings.TOUR_NEXT), button(strings.TOUR_END)];
  find(".tour-buttons").append(back, on, end);
  const start = root.querySelector(".tour-start");

  const number = () => {
    const step = Number(options.get(STEP));
    return Number.isInteger(step) && step >= 1 && step <= PRESETS.length ? step : 0;
  };
  const show = () => {
    const step = number();
    card.hidden = !step;
    start.hidden = Boolean(step);
    if (!step) return;
    const { title, text, question, lab } = strings.TOUR[step - 1];
    setText(find("h2"), `${step} / ${PRESETS.length}  ${title}`);
    setText(find(".tour-text"), text);
    setText(find(".tour-question"), question);
    find("a").hidden = !lab;
    if (lab) find("a").href = `#lab=${lab}&lab-drawing=1`;
    back.disabled = step === 1;
    setText(on, step === PRESETS.length ? strings.TOUR_DONE : strings.TOUR_NEXT);
  };
  const go = async (step) => {
    if (step < 1 || step > PRESETS.length) return leave();
    await apply(app, step);
    find("h2").focus({ preventScroll: true });
    const { look } = PRESETS[step - 1];
    root.querySelector(look ?? ".tour").scrollIntoView({ block: look ? "end" : "nearest" });
  };
  const leave = () => {
    options.set(STEP, null);
    start.focus({ preventScroll: true });
  };
  start.addEventListener("click", () => go(1));
  back.addEventListener("click", () => go(number() - 1));
  on.addEventListener("click", () => go(number() + 1));
  end.addEventListener("click", leave);
  options.changed(STEP, show);
  const followed = () => {
    show();
    if (number() && /^#tour=\d$/.test(location.hash)) apply(app, number());
  };
  events.addEventListener("link", followed);
  followed();
}

/** Set the page; one's own drawing stays. */
async function apply(app, step) {
  const { model, row = null, options = {}, plays } = PRESETS[step - 1];
  await app.useModel(model).catch(() => {}); // not served here: with the one that is
  app.view.chooseLayer(1);
  if (app.pad.isExample || app.pad.isEmpty) app.pad.show(app.config.opening, { isExample: true });
  app.cursor.pin(row && row - 1);
  app.options.replace(Object.entries({ ...options, [STEP]: String(step) }));
  if (plays) playWhenRead(app);
}
