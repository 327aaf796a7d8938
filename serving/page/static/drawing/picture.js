// A picture in place of a drawing: chosen, pasted, dropped anywhere, or taken by the camera.
// The server prepares it; the pad then shows the very 28 × 28 pixels that are read.

import { address } from "../core/app.js";
import { button, leave, setText } from "../core/dom.js";
import { Menu } from "../core/menu.js";
import * as strings from "../core/strings.js";

const LARGE = 4e6; // bytes; what is larger, or of a type that the server does not know, goes
const LONGEST = 2000; // there redrawn by the browser, with no more pixels along its longer side

export function installPicture(app) {
  const { root, pad, alert, config } = app;
  const steps = new PictureSteps(app);
  const cover = Object.assign(document.createElement("p"), { className: "pad-cover" });
  cover.setAttribute("role", "status");
  root.querySelector(".pad").append(cover);
  let newest = 0;

  /** Show this image file on the pad; if that cannot be, say why and leave the pad alone. */
  async function bring(file) {
    const number = ++newest;
    const { strokes, image: before } = pad;
    setText(cover, strings.PICTURE_BUSY);
    const { answer, trouble } = await prepare(file, config.picture);
    if (number < newest) return;
    setText(cover, "");
    const isOther = pad.strokes !== strokes || pad.image !== before;
    if (isOther && !pad.isExample) return; // meanwhile one has drawn, or cleared the pad
    if (trouble) return alert.show(pad.isEmpty ? trouble : `${trouble} ${strings.STAYS}`);
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
  const opener = button(strings.PICTURE, { className: "opens", title: strings.PICTURE_TITLE });
  const around = Object.assign(document.createElement("div"), { className: "picture" });
  around.append(opener);
  place.append(around);
  const items = Object.entries(strings.PICTURE_FROM).map(([name, texts]) => [name, ...texts]);
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
  onFiles("dragover", () => say(strings.PICTURE_DROP));
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
    return response.ok ? { answer } : { trouble: strings.pictureRefused(answer.error) };
  } catch {
    return { trouble: strings.PICTURE_NOT_SENT };
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

// How a picture became 28 × 28: its stages as a row of small pictures, to be closed and
// opened again for as long as the pad shows it.


class PictureSteps {
  constructor({ root, pad, events }) {
    this.pad = pad;
    this.known = new WeakMap(); // the server's answer for each image that was on the pad
    this.shown = null;

    this.opener = button(strings.STEPS_OPEN, { className: "steps-open" });
    this.opener.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.setAttribute("aria-controls", "picture-steps");
    this.opener.addEventListener("click", () => this.#open(this.panel.hidden));
    root.querySelector(".pad").append(this.opener);

    this.panel = document.createElement("section");
    Object.assign(this.panel, { className: "picture-steps", id: "picture-steps", hidden: true });
    this.panel.setAttribute("aria-labelledby", "picture-steps-title");
    this.panel.innerHTML = `<header><h2 id="picture-steps-title"></h2></header><ol tabindex="0"></ol>`;
    this.panel.querySelector("h2").textContent = strings.STEPS_TITLE;
    this.list = this.panel.querySelector("ol");
    this.list.setAttribute("aria-label", strings.STEPS_TITLE);
    const close = button("×", { className: "steps-close" });
    close.setAttribute("aria-label", strings.CLOSE);
    close.addEventListener("click", () => this.#close());
    this.panel.querySelector("header").append(close);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // the row cursor's mark stays
      this.#close();
    });
    root.querySelector(".tools").after(this.panel);
    events.addEventListener("drawing", () => this.#follow());
  }

  /** Tell these steps when the pad shows `image`, the first time without being asked. */
  add(image, answer) {
    this.known.set(image, answer);
    this.isNews = true;
  }

  #follow() {
    const { image = null } = this.pad.drawing;
    if (image === this.shown) return;
    this.shown = image;
    const answer = this.known.get(image);
    if (answer) this.list.replaceChildren(...answer.stages.map((stage) => item(stage, answer)));
    this.opener.hidden = !answer;
    this.#open(Boolean(answer) && this.isNews);
    this.isNews = false;
  }

  #open(isOpen) {
    if (!isOpen) leave(this.panel);
    this.panel.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", isOpen);
  }

  #close() {
    this.#open(false);
    this.opener.focus();
  }
}

function item({ name, image }, { inverted }) {
  const [title, explanation] = strings.step(name, inverted);
  const element = document.createElement("li");
  element.dataset.stage = name;
  element.innerHTML = "<img alt=''><b></b> <small></small>";
  element.querySelector("img").src = image;
  element.querySelector("b").textContent = title;
  element.querySelector("small").textContent = explanation;
  return element;
}

// A dialog that takes one square photo with the device's camera.


class Camera {
  /** @param onTake (image file as a Blob) */
  constructor(root, onTake) {
    const dialog = document.createElement("dialog");
    dialog.className = "camera";
    dialog.setAttribute("aria-labelledby", "camera-title");
    dialog.innerHTML = `
      <h2 id="camera-title"></h2>
      <div class="finder"><video muted playsinline></video></div>
      <p class="camera-note" role="status"></p>
      <div class="choices">
        <button type="button" class="take-photo"></button>
        <button type="button" class="cancel"></button>
      </div>`;
    root.append(dialog);
    this.dialog = dialog;
    this.video = dialog.querySelector("video");
    this.note = dialog.querySelector(".camera-note");
    this.take = dialog.querySelector(".take-photo");
    this.take.textContent = strings.CAMERA_TAKE;
    dialog.querySelector("h2").textContent = strings.CAMERA_TITLE;
    dialog.querySelector(".cancel").textContent = strings.CANCEL;
    dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.#stop());
    // Keys are the dialog's alone: the page has uses of its own for Escape, Delete, digits.
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    this.take.addEventListener("click", async () => {
      const photo = await squareOf(this.video);
      dialog.close();
      onTake(photo);
    });
  }

  async open() {
    this.take.disabled = true;
    this.note.textContent = strings.CAMERA_WAIT;
    this.dialog.showModal();
    let stream;
    try {
      stream = await askForCamera();
    } catch (error) {
      this.note.textContent = strings.cameraTrouble(error.name);
      return;
    }
    // Cancelled while the browser asked, and perhaps opened again since.
    if (!this.dialog.open || this.stream) return end(stream);
    this.stream = stream;
    stream.getTracks().forEach((track) => {
      track.addEventListener("ended", () => this.#lose());
    });
    this.video.srcObject = stream;
    await this.video.play().catch(() => {}); // closed before it began
    this.take.disabled = !this.stream;
    this.note.textContent = strings.CAMERA_HINT;
  }

  /** The camera was unplugged, or taken away by the browser. */
  #lose() {
    this.take.disabled = true;
    this.note.textContent = strings.cameraTrouble("NotFoundError");
  }

  #stop() {
    if (this.stream) end(this.stream);
    this.stream = null;
    this.video.srcObject = null;
  }
}

const end = (stream) => stream.getTracks().forEach((track) => track.stop());

function askForCamera() {
  // Browsers offer cameras to pages from https or localhost only.
  if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
  return navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 1280 } },
  });
}

/** What the dialog shows: the middle of the video, as a JPEG file. */
function squareOf(video) {
  const { videoWidth: width, videoHeight: height } = video;
  const side = Math.min(width, height);
  const canvas = new OffscreenCanvas(side, side);
  canvas.getContext("2d").drawImage(video, (side - width) / 2, (side - height) / 2);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}
