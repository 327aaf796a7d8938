// The stream to the server: one drawing in flight, the newest next, and never give up.

import { packDrawing, readFrame } from "./protocol.js";

const FIRST_WAIT = 500; // milliseconds before the first new attempt; doubles each time
const LONGEST_WAIT = 4000;
const NO_MODEL = 4404; // close code: the server has told that it lacks the network
const ANSWER_LIMIT = 5000; // a server that is silent for so long is taken for gone

export class Connection {
  /**
   * @param url of the WebSocket
   * @param handlers onReading(reading), onRefusal(text), onLost(milliseconds to the next
   *   attempt) and onConnected()
   */
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.newest = null; // {sequence, drawing}; kept, so that a new server can have it
    this.sent = 0; // sequence of the last drawing sent
    this.inFlight = false;
    this.wait = FIRST_WAIT;
    this.open();
  }

  /** Read this drawing as soon as the one in flight is back. Sequences only go up. */
  send(sequence, drawing) {
    this.newest = { sequence, drawing };
    this.#flush();
  }

  /** Connect, unless that is done; an attempt that is still under way gives place to a new one. */
  open() {
    if (this.socket?.readyState === WebSocket.OPEN) return;
    this.close();
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.answerTimer = setTimeout(() => this.#drop(), ANSWER_LIMIT);
    socket.onopen = () => {
      clearTimeout(this.answerTimer);
      this.inFlight = false;
      this.sent = 0; // whatever the old server had, this one has not
      this.handlers.onConnected();
      this.#flush();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => (code === NO_MODEL ? this.close() : this.#lost());
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
    this.wait = FIRST_WAIT; // only an answer shows that the server is well
    this.inFlight = false;
    this.#flush(); // first, so that the server works while the page paints
    if (typeof data === "string") this.handlers.onRefusal(JSON.parse(data).error);
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
    this.handlers.onLost(this.wait);
    const scatter = 0.75 + Math.random() / 2; // or a whole class comes back at once
    this.retryTimer = setTimeout(() => this.open(), scatter * this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }
}
