// A small line chart over the rows: the line is an SVG that stretches, its labels are HTML.

const NAMESPACE = "http://www.w3.org/2000/svg";
const LABELLED = 7; // every so many rows

export class Curve {
  /** @param element an empty box, filled with the chart; its label is the caller's */
  constructor(element, rows) {
    this.rows = rows;
    this.svg = document.createElementNS(NAMESPACE, "svg");
    this.svg.setAttribute("viewBox", "0 0 1 1");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.grid = this.#path("grid");
    this.second = this.#path("second");
    this.line = this.#path("line");
    this.marker = document.createElement("i");
    this.labels = document.createElement("div");
    element.classList.add("curve");
    element.replaceChildren(this.svg, this.marker, this.labels);
  }

  /**
   * @param heights 0 (bottom) to 1 (top) by row; none for no line
   * @param ticks [{at: 0..1, text}] of the vertical axis
   * @param second heights of another line, to compare with
   */
  show(heights, ticks, second = []) {
    this.heights = heights;
    for (const [line, shown] of [[this.line, heights], [this.second, second]]) {
      const points = shown.map((height, row) => `${this.#place(row).toFixed(4)} ${(1 - height).toFixed(4)}`);
      line.setAttribute("d", points.length ? `M${points.join("L")}` : "");
    }
    const key = JSON.stringify(ticks);
    if (key === this.ticks) return;
    this.ticks = key;
    this.grid.setAttribute("d", ticks.map(({ at }) => `M0 ${1 - at}H1`).join(""));
    this.labels.replaceChildren(
      ...ticks.map(({ at, text }) => this.#label("tick", text, { top: 1 - at })),
      ...Array.from({ length: this.rows }, (_, row) => row)
        .filter((row) => row === 0 || (row + 1) % LABELLED === 0)
        .map((row) => this.#label("row", row + 1, { left: this.#place(row) })),
    );
  }

  /** Point at a row (0 for the first); null for none. */
  mark(row) {
    const height = row === null ? null : (this.heights?.[row] ?? null);
    this.marker.hidden = height === null;
    if (height === null) return;
    this.marker.style.left = `${100 * this.#place(row)}%`;
    this.marker.style.setProperty("--height", height);
  }

  #place(row) {
    return row / (this.rows - 1);
  }

  #label(kind, text, { left, top }) {
    const label = document.createElement("span");
    label.className = kind;
    label.textContent = text;
    if (left !== undefined) label.style.left = `${100 * left}%`;
    if (top !== undefined) label.style.top = `${100 * top}%`;
    return label;
  }

  #path(name) {
    const path = document.createElementNS(NAMESPACE, "path");
    path.setAttribute("class", name);
    this.svg.append(path);
    return path;
  }
}
