// A dialog that takes one square photo with the device's camera.

import * as words from "../core/strings.js";

export class Camera {
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
    this.take.textContent = words.CAMERA_TAKE;
    dialog.querySelector("h2").textContent = words.CAMERA_TITLE;
    dialog.querySelector(".cancel").textContent = words.CANCEL;
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
    this.note.textContent = words.CAMERA_WAIT;
    this.dialog.showModal();
    let stream;
    try {
      stream = await askForCamera();
    } catch (error) {
      this.note.textContent = words.cameraTrouble(error.name);
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
    this.note.textContent = words.CAMERA_HINT;
  }

  /** The camera was unplugged, or taken away by the browser. */
  #lose() {
    this.take.disabled = true;
    this.note.textContent = words.cameraTrouble("NotFoundError");
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
