// SVG as text: the few shapes that `poster.js` needs.

const FONT = "system-ui, sans-serif";

const escaped = (text) => {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replaceAll(/[&<>"]/g, (letter) => names[letter]);
};

const rounded = (number) => Number(number.toFixed(2));

function attributes(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${escaped(typeof value === "number" ? rounded(value) : value)}"`)
    .join(" ");
}

export function svg({ width, height, title, background, parts }) {
  const size = attributes({ width, height, viewBox: `0 0 ${rounded(width)} ${rounded(height)}` });
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${FONT}">
<title>${escaped(title)}</title>
${rect({ x: 0, y: 0, width, height, fill: background })}
${parts.join("\n")}
</svg>
`;
}

export function rect({ fill = "none", ...rest }) {
  return `<rect ${attributes({ ...rest, fill })}/>`;
}

/** One line of text, its baseline at `y`; nothing where it is empty. */
export function label(x, y, text, { size, weight, fill, anchor }) {
  if (text === "") return "";
  const style = { "font-size": size, "font-weight": weight, fill, "text-anchor": anchor };
  return `<text ${attributes({ x, y, ...style })}>${escaped(text)}</text>`;
}

const measure = document.createElement("canvas").getContext("2d");

/** Text in lines of about equal length, at most `width`; with where it ends, and how wide it is. */
export function lines(text, width, { x, y, ...style }) {
  measure.font = `${style.weight ?? 400} ${style.size}px ${FONT}`;
  let full = broken(text, width);
  for (let less = width - 20; less > 0 && broken(text, less).length === full.length; less -= 20) {
    full = broken(text, less);
  }
  const step = 1.25 * style.size;
  return {
    text: full.map((line, i) => label(x, y + i * step, line, style)).join("\n"),
    bottom: y + (full.length - 1) * step,
    width: Math.max(0, ...full.map((line) => measure.measureText(line).width)),
  };
}

function broken(text, width) {
  const found = [""];
  for (const word of text.split(" ")) {
    const longer = `${found.at(-1)} ${word}`.trim();
    if (measure.measureText(longer).width <= width) found[found.length - 1] = longer;
    else found.push(word);
  }
  return found.filter(Boolean);
}

/** Strokes in 0..1 of a box, as a round pen of `brush` parts of its side draws them. */
export function strokes(drawn, { x, y, width, brush, stroke, dashes }) {
  const paths = drawn.map((points) => {
    const places = points.map(([right, down]) => `${rounded(right * width)} ${rounded(down * width)}`);
    return `M${places.join("L")}${places.length === 1 ? "h0" : ""}`;
  });
  const style = { fill: "none", stroke, "stroke-dasharray": dashes, "stroke-linecap": "round", "stroke-linejoin": "round" };
  // Its own viewport: what the pen leaves beyond the box's edge is cut off.
  return `<svg ${attributes({ x, y, width, height: width })}><path ${attributes({ d: paths.join(""), "stroke-width": brush * width, ...style })}/></svg>`;
}

/** The pixels of an ImageData as sharp cells, all of one colour in one path; clear ones left out. */
export function cells({ data, width: columns, height: rows }, { x, y, width, height }) {
  const paths = new Map();
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; ) {
      const colour = colourAt(data, row * columns + column);
      const from = column;
      do column++;
      while (column < columns && colourAt(data, row * columns + column) === colour);
      if (!colour) continue;
      const run = column - from;
      paths.set(colour, `${paths.get(colour) ?? ""}M${from} ${row}h${run}v1h-${run}z`);
    }
  }
  const transform = `translate(${rounded(x)} ${rounded(y)}) scale(${width / columns} ${height / rows})`;
  const shapes = [...paths].map(([fill, d]) => `<path fill="${fill}" d="${d}"/>`);
  return `<g transform="${transform}" shape-rendering="crispEdges">${shapes.join("")}</g>`;
}

function colourAt(data, pixel) {
  const [red, green, blue, opacity] = data.slice(4 * pixel, 4 * pixel + 4);
  if (!opacity) return "";
  return `#${((red << 16) | (green << 8) | blue).toString(16).padStart(6, "0")}`;
}

/** A box under slanted lines: what is missing. */
export function hatching({ x, y, width, height, fill, stroke }) {
  const d = [];
  for (let from = -height; from < width; from += 10) d.push(`M${from} ${height}l${height} ${-height}`);
  const page = rect({ x: 0, y: 0, width, height, fill });
  // Its own viewport cuts the lines off at the box's edge.
  return `<svg ${attributes({ x, y, width, height })}>${page}<path ${attributes({ d: d.join(""), stroke, "stroke-width": 2 })}/></svg>`;
}

/** A thin line between each two rows. */
export function hairlines({ x, y, width, height, step, stroke, opacity }) {
  const count = Math.round(height / step) - 1;
  const d = Array.from({ length: count }, (_, i) => `M${rounded(x)} ${y + (i + 1) * step - 0.5}h${rounded(width)}`);
  return `<path ${attributes({ d: d.join(""), stroke, "stroke-opacity": opacity })}/>`;
}
