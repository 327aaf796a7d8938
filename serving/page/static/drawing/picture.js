// A picture in place of a drawing: chosen, pasted, dropped anywhere, or taken by the camera.
// The server prepares it; the pad then shows the very 28 × 28 pixels that are read.

import { address } from "../core/app.js";
import { Camera } from "./camera.js";
import { button, setText } from "../core/dom.js";
import { Menu } from "../core/menu.js";
import { PictureSteps } from "./picture-steps.js";
import * as words from "../core/strings.js";

const LARGE = 4e6; // bytes; what is larger, or of a type that the server does not know, goes
const LONGEST = 2000; // there redrawn by the browser, with no more pixels along its longer side

export function installPicture(app) {
  const { root, pad, alert, config } = app;
  const steps = new PictureSteps(app);
  const cover = Object.assign(document.createElement("p"), { className: "pad-cover" });
  cover.setAttribute("role", "status");
  root.querySelector(".pad").append(cover);
  let newest = 0;
  let isRefused = false; // and nothing was done since
  for (const event of ["row", "sweep", "drawing"]) {
    app.events.addEventListener(event, () => {
      if (isRefused && event !== "drawing") app.view.age(false); // someone looks at what there is
      isRefused = false;
    });
  }

  /** Show this image file on the pad; if that cannot be, say why and leave the pad alone. */
  async function bring(file) {
    const number = ++newest;
    const { strokes, image: before } = pad;
    setText(cover, words.PICTURE_BUSY);
    const { answer, trouble } = await prepare(file, config.picture);
    if (number < newest) return;
    setText(cover, "");
    const isOther = pad.strokes !== strokes || pad.image !== before;
    if (isOther && !pad.isExample) return; // meanwhile one has drawn, or cleared the pad
    if (trouble) {
      isRefused = Boolean(app.reading?.has_ink);
      if (isRefused) app.view.age(true, words.PICTURE_STALE);
      return alert.show(trouble);
    }
    const image = Uint8Array.from(answer.rows.flat());
    steps.add(image, answer);
    pad.keep();
    pad.showImage(image);
  }

  offer(root.querySelector(".tools"), { bring, camera: new Camera(root, bring) });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (!file) return;
    event.preventDefault();
    bring(file);
  });
  takeDropped((text) => setText(cover, text), bring);
}

/** The button and its menu. */
function offer(place, { bring, camera }) {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
  input.addEventListener("change", () => {
    if (input.files.length) bring(input.files[0]);
    input.value = ""; // or the same file could not be chosen again
  });
  const opener = button(words.PICTURE, { className: "opens", title: words.PICTURE_TITLE });
  const around = Object.assign(document.createElement("div"), { className: "picture" });
  around.append(opener);
  place.append(around);
  const items = Object.entries(words.PICTURE_FROM).map(([name, texts]) => [name, ...texts]);
  new Menu(opener, items, (name) => (name === "camera" ? camera.open() : input.click()));
}

/** Take files dropped anywhere on the page; `say` what letting go would do, "" for nothing. */
function takeDropped(say, bring) {
  const onFiles = (name, handle) => {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // or the browser would leave the page and show the file
      handle(event);
    });
  };
  onFiles("dragover", () => say(words.PICTURE_DROP));
  onFiles("dragleave", ({ relatedTarget }) => relatedTarget || say(""));
  onFiles("drop", ({ dataTransfer }) => {
    say("");
    if (dataTransfer.files.length) bring(dataTransfer.files[0]);
  });
}

/** → {answer} of the server, or {trouble}: why there is none, for people. */
async function prepare(file, { path, types }) {
  const isPlain = file.size <= LARGE && types.includes(file.type);
  try {
    const body = isPlain ? file : await redrawn(file);
    const response = await fetch(address(path), { method: "POST", body });
    const answer = await response.json().catch(() => ({ error: response.statusText }));
    return response.ok ? { answer } : { trouble: words.pictureRefused(answer.error) };
  } catch {
    return { trouble: words.PICTURE_NOT_SENT };
  }
}

/** The picture smaller and in a type that the server knows; as it is if the browser cannot. */
async function redrawn(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(scale * picture.width)),
      Math.max(1, Math.round(scale * picture.height)),
    );
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
  } catch {
    return file; // no picture, or a strange one: the server says so
  }
}
