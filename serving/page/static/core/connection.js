// The stream to the server: one drawing in flight, the newest next, and never give up.

import { packDrawing, readFrame } from "./protocol.js";

const FIRST_WAIT = 500; // milliseconds before the first new attempt; doubles each time
const LONGEST_WAIT = 4000;
// Close codes: the server has told that it lacks the network; the page was silent for long.
const NO_MODEL = 4404;
const IDLE = 4408;
const ANSWER_LIMIT = 5000; // a server that is silent for so long is taken for gone

export class Connection {
  /**
   * @param url of the WebSocket
   * @param handlers onReading(reading), onRefusal(text), onLost(milliseconds to the next
   *   attempt, what the server said or null) and onConnected()
   */
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.newest = null; // {sequence, drawing}; kept, so that a new server can have it
    this.sent = 0; // sequence of the last drawing sent
    this.inFlight = false;
    this.wait = FIRST_WAIT;
    this.reason = null; // why the server is about to close
    this.open();
  }

  /** Read this drawing as soon as the one in flight is back. Sequences only go up. */
  send(sequence, drawing) {
    this.newest = { sequence, drawing };
    if (this.isIdle) this.open();
    else this.#flush();
  }

  /** Connect, unless that is done; an attempt that is still under way gives place to a new one. */
  open() {
    if (this.socket?.readyState === WebSocket.OPEN) return;
    this.close();
    this.isIdle = false;
    this.reason = null;
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.answerTimer = setTimeout(() => this.#drop(), ANSWER_LIMIT);
    socket.onopen = () => {
      clearTimeout(this.answerTimer);
      this.inFlight = false;
      this.sent = 0; // whatever the old server had, this one has not
      if (!this.newest) this.handlers.onConnected(); // else its answer shows that all is well
      this.#flush();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => {
      if (code === NO_MODEL) this.#end();
      else if (code === IDLE) this.#sleep();
      else this.#lost();
    };
    this.socket = socket;
  }

  /** Leave the server for good. */
  close() {
    clearTimeout(this.retryTimer);
    clearTimeout(this.answerTimer);
    Object.assign(this.socket ?? {}, { onopen: null, onmessage: null, onclose: null });
    this.socket?.close();
    this.socket = null;
  }

  #end() {
    this.close();
    this.handlers.onRefusal(this.reason);
  }

  /** Until there is something to read. */
  #sleep() {
    this.close();
    this.isIdle = true;
  }

  #flush() {
    const ready = this.socket?.readyState === WebSocket.OPEN && !this.inFlight;
    if (!ready || !this.newest || this.newest.sequence <= this.sent) return;
    const { sequence, drawing } = this.newest;
    this.socket.send(packDrawing(sequence, drawing));
    this.sent = sequence;
    this.inFlight = true;
    this.answerTimer = setTimeout(() => this.#drop(), ANSWER_LIMIT);
  }

  #receive(data) {
    clearTimeout(this.answerTimer);
    const refusal = typeof data === "string" ? JSON.parse(data) : null;
    if (refusal && !("sequence" in refusal)) {
      this.reason = refusal.error; // of this connection, not of a drawing
      return;
    }
    this.wait = FIRST_WAIT; // only an answer shows that the server is well
    this.inFlight = false;
    this.#flush(); // first, so that the server works while the page paints
    if (refusal) this.handlers.onRefusal(refusal.error);
    else this.handlers.onReading(readFrame(data));
  }

  #drop() {
    // Closing a dead connection can take minutes.
    Object.assign(this.socket, { onopen: null, onmessage: null, onclose: null });
    this.socket.close();
    this.socket = null;
    this.#lost();
  }

  #lost() {
    clearTimeout(this.answerTimer);
    this.inFlight = false;
    this.handlers.onLost(this.wait, this.reason);
    const scatter = 0.75 + Math.random() / 2; // or a whole class comes back at once
    this.retryTimer = setTimeout(() => this.open(), scatter * this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }
}
