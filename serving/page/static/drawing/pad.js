// The drawing pad: strokes as arrays of [x, y] in 0..1, painted with the brush that the
// server renders with; or a picture's rows, as the server prepared them.

import { onGrid } from "../core/protocol.js";

const CLOSEST = 0.003; // of the pad's side; nearer points change nothing on the 28 × 28 image

// Raw updates come as the pen moves, moves only once a frame. Raw ones need https or localhost.
const MOVE = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";

const clamp = (value) => Math.min(1, Math.max(0, value));

const distance = ([fromX, fromY], [toX, toY]) => Math.hypot(toX - fromX, toY - fromY);

/** What `strokes` leave of `limits`. */
function room({ points, length }, strokes) {
  for (const stroke of strokes) {
    points -= stroke.length;
    for (let i = 1; i < stroke.length; i++) length -= distance(stroke[i - 1], stroke[i]);
  }
  return { points, length };
}

export class Pad {
  /**
   * @param canvas to draw on; its CSS size decides its resolution
   * @param brush width of a stroke, as a part of the pad's side
   * @param limits {points, strokes, length} that the server takes; length in pad sides
   * @param onChange (time) after each change of `drawing`; time is the event's time stamp
   * @param onFull when ink is not taken; `isFull` then holds until some is taken away
   */
  constructor(canvas, { brush, limits, onChange, onFull }) {
    Object.assign(this, { canvas, brush, limits, onChange, onFull });
    this.strokes = [];
    this.image = null; // rows of a picture in place of strokes: the first own one replaces it
    this.isExample = false; // drawn by the page: the first own stroke replaces it
    this.whole = null; // what an example that is being drawn will be; null for own strokes
    this.isFull = false;
    this.history = []; // earlier {strokes, image, isExample}; once finished they never change
    this.undone = []; // the same, for redo; the last one comes first
    this.pointer = null; // id of the pointer that draws; a second finger is ignored
    this.context = canvas.getContext("2d", { desynchronized: true });
    this.ink = getComputedStyle(canvas).getPropertyValue("--ink-full");
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener(MOVE, (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#finish(event));
    canvas.addEventListener("pointercancel", (event) => this.#finish(event));
    canvas.addEventListener("lostpointercapture", ({ pointerId }) => this.#lift(pointerId));
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** What the server reads: strokes, or a picture's prepared rows. */
  get drawing() {
    return this.image ? { image: this.image } : { strokes: this.strokes };
  }

  get isEmpty() {
    return !this.strokes.length && !this.image;
  }

  get canUndo() {
    return this.history.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  undo() {
    this.#step(this.history, this.undone);
  }

  redo() {
    this.#step(this.undone, this.history);
  }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.#state);
    const { strokes, ...options } = from.pop();
    this.show(strokes, options);
  }

  /** Empty the pad; undo brings the drawing back. */
  clear() {
    if (this.isEmpty) return;
    this.#remember();
    this.show([]);
  }

  /** Let undo bring the drawing back after the next `show`. */
  keep() {
    if (!this.isEmpty) this.#remember();
  }

  /** Replace the drawing; `whole` is what undo brings back, where `strokes` are its beginning. */
  show(strokes, { isExample = false, whole = null, image = null } = {}) {
    this.pointer = null;
    Object.assign(this, { strokes, isExample, whole, image, isFull: false });
    this.#paint();
    this.onChange(performance.now());
  }

  /** Replace the drawing by a picture: Uint8Array of 28 × 28, 0 (page) to 255 (ink). */
  showImage(image) {
    this.show([], { image });
  }

  #start(event) {
    if (this.pointer !== null && this.kind === "touch" && event.pointerType === "pen") {
      this.undo(); // a palm came down before the pen
    }
    if (this.pointer !== null || event.button !== 0) return;
    if (this.isFull || this.strokes.length >= this.limits.strokes) return this.#refuse();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.kind = event.pointerType;
    this.#remember();
    if (this.isExample || this.image) {
      Object.assign(this, { strokes: [], image: null, isExample: false, whole: null });
      this.#paint();
    }
    this.room = room(this.limits, this.strokes);
    this.strokes = [...this.strokes, []];
    this.#extend([event], event.timeStamp);
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    if (!(event.buttons & 1)) return this.#lift(event.pointerId); // lifted without telling
    const events = event.getCoalescedEvents?.() ?? []; // https or localhost alone have them
    this.#extend(events.length ? events : [event], event.timeStamp);
  }

  #finish(event) {
    if (event.pointerId !== this.pointer) return;
    this.#extend([event], event.timeStamp);
    this.#lift(event.pointerId);
  }

  #lift(pointer) {
    if (pointer === this.pointer) this.pointer = null;
  }

  #extend(events, time) {
    const box = this.canvas.getBoundingClientRect();
    const stroke = this.strokes.at(-1);
    const before = stroke.length;
    for (const event of events) {
      const point = [
        onGrid(clamp((event.clientX - box.left) / box.width)),
        onGrid(clamp((event.clientY - box.top) / box.height)),
      ];
      const last = stroke.at(-1);
      const move = last ? distance(last, point) : 0;
      if (last && move < CLOSEST) continue;
      if (this.isFull || this.room.points < 1 || this.room.length < move) {
        this.#refuse();
        break;
      }
      this.room.points -= 1;
      this.room.length -= move;
      stroke.push(point);
      this.#segment(last ?? point, point);
    }
    if (stroke.length > before) this.onChange(time);
  }

  get #state() {
    const { strokes, whole, image, isExample } = this;
    return { strokes: whole ?? strokes, image, isExample };
  }

  #remember() {
    this.history.push(this.#state);
    this.undone = []; // of another drawing
  }

  #refuse() {
    this.isFull = true;
    this.onFull();
  }

  #resize() {
    const { width, height } = this.canvas;
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side || (side === width && side === height)) return; // a new canvas is 300 wide, not high
    this.canvas.width = this.canvas.height = side;
    this.#paint();
  }

  #paint() {
    const { width, height } = this.canvas;
    this.context.clearRect(0, 0, width, height);
    if (this.image) this.#paintImage(this.image);
    for (const stroke of this.strokes) {
      stroke.forEach((point, i) => this.#segment(stroke[i - 1] ?? point, point));
    }
  }

  #paintImage(image) {
    const side = Math.sqrt(image.length);
    const small = new OffscreenCanvas(side, side);
    const pixels = new ImageData(side, side);
    pixels.data.fill(255);
    image.forEach((ink, i) => (pixels.data[4 * i + 3] = ink));
    small.getContext("2d").putImageData(pixels, 0, 0);
    this.context.imageSmoothingEnabled = false; // these very pixels are read
    this.context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  #segment([fromX, fromY], [toX, toY]) {
    const { context } = this;
    const side = this.canvas.width;
    context.lineWidth = this.brush * side;
    context.lineCap = "round";
    context.strokeStyle = this.ink;
    context.beginPath();
    context.moveTo(fromX * side, fromY * side);
    context.lineTo(toX * side, toY * side + 0.01); // a line without length is not painted
    context.stroke();
  }
}
