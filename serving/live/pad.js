// The drawing pad: strokes as arrays of [x, y] in 0..1, painted with the brush that the
// server renders with.

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
   * @param onChange (time) after each change of `strokes`; time is the event's time stamp
   * @param onFull when ink is not taken; `isFull` then holds until some is taken away
   */
  constructor(canvas, { brush, limits, onChange, onFull }) {
    Object.assign(this, { canvas, brush, limits, onChange, onFull });
    this.strokes = [];
    this.isExample = false; // drawn by the page: the first own stroke replaces it
    this.isFull = false;
    this.history = []; // earlier {strokes, isExample}; strokes are never changed once finished
    this.pointer = null; // id of the pointer that draws; a second finger is ignored
    this.context = canvas.getContext("2d", { desynchronized: true });
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener(MOVE, (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#finish(event));
    canvas.addEventListener("pointercancel", (event) => this.#finish(event));
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** What the server reads: strokes, or a picture's prepared rows. */
  get drawing() {
    return { strokes: this.strokes };
  }

  get isEmpty() {
    return !this.strokes.length;
  }

  get canUndo() {
    return this.history.length > 0;
  }

  undo() {
    if (!this.canUndo) return;
    const { strokes, ...options } = this.history.pop();
    this.show(strokes, options);
  }

  /** Empty the pad; undo brings the drawing back. */
  clear() {
    if (this.isEmpty) return;
    this.#remember();
    this.show([]);
  }

  /** Replace the drawing. */
  show(strokes, { isExample = false } = {}) {
    this.pointer = null;
    this.strokes = strokes;
    this.isExample = isExample;
    this.isFull = false;
    this.#paint();
    this.onChange(performance.now());
  }

  #start(event) {
    if (this.pointer !== null || event.button !== 0) return;
    if (this.isFull || this.strokes.length >= this.limits.strokes) return this.#refuse();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    if (this.isExample) {
      this.isExample = false;
      this.strokes = [];
      this.#paint();
    }
    this.#remember();
    this.room = room(this.limits, this.strokes);
    this.strokes = [...this.strokes, []];
    this.#extend([event], event.timeStamp);
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents();
    this.#extend(events.length ? events : [event], event.timeStamp);
  }

  #finish(event) {
    if (event.pointerId !== this.pointer) return;
    this.#extend([event], event.timeStamp);
    this.pointer = null;
  }

  #extend(events, time) {
    const box = this.canvas.getBoundingClientRect();
    const stroke = this.strokes.at(-1);
    const before = stroke.length;
    for (const event of events) {
      const point = [
        clamp((event.clientX - box.left) / box.width),
        clamp((event.clientY - box.top) / box.height),
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

  #remember() {
    const { strokes, isExample } = this;
    this.history.push({ strokes, isExample });
  }

  #refuse() {
    this.isFull = true;
    this.onFull();
  }

  #resize() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side || side === this.canvas.width) return;
    this.canvas.width = this.canvas.height = side;
    this.#paint();
  }

  #paint() {
    const { width, height } = this.canvas;
    this.context.clearRect(0, 0, width, height);
    for (const stroke of this.strokes) {
      stroke.forEach((point, i) => this.#segment(stroke[i - 1] ?? point, point));
    }
  }

  #segment([fromX, fromY], [toX, toY]) {
    const { context } = this;
    const side = this.canvas.width;
    context.lineWidth = this.brush * side;
    context.lineCap = "round";
    context.strokeStyle = "#fff";
    context.beginPath();
    context.moveTo(fromX * side, fromY * side);
    context.lineTo(toX * side, toY * side + 0.01); // a line without length is not painted
    context.stroke();
  }
}
