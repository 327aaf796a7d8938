// The reading's numbers as files: CSV for a spreadsheet, NPZ for NumPy.

/**
 * One line for each number: `output` as the network names it, `row` as on the page (1 for the
 * top; empty where the output is of the whole drawing), `of` what `index` counts from 0 (pixel,
 * unit or digit; both empty for a single number), `value` with all digits that float32 has.
 * @param tensors of a reading
 * @param config of the network that made it
 */
export function toCsv(tensors, config) {
  const lines = ["output,row,of,index,value"];
  const kinds = kindsOf(config);
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const kind = kinds[name] ?? "";
    const width = shape.at(-1);
    data.forEach((value, at) => {
      const row = shape.length > 1 ? Math.floor(at / width) + 1 : "";
      lines.push([name, row, kind, kind && at % width, shortest(value)].join(","));
    });
  }
  return `${lines.join("\r\n")}\r\n`; // RFC 4180
}

function kindsOf({ outputs: { image, answer, belief }, layers }) {
  const kinds = { [image]: "pixel", [answer]: "digit", [belief]: "digit" };
  for (const { forward, backward } of layers) {
    for (const reader of [forward, backward]) if (reader) kinds[reader.name] = "unit";
  }
  return kinds;
}

/** The fewest digits that give the same float32 again. */
export function shortest(value) {
  for (let digits = 6; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return text;
  }
  return Number(value.toPrecision(9));
}

/** The arrays as an `.npz` that numpy.load opens: a ZIP archive, not compressed, of `.npy` files. */
export function toNpz(tensors) {
  return zip(Object.entries(tensors).map(([name, tensor]) => [`${name}.npy`, npy(tensor)]));
}

/** Format 1.0 of numpy.lib.format: magic, header padded to 64 bytes, values in C order. */
function npy({ shape, data }) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const header = `${text.padEnd(64 * Math.ceil((11 + text.length) / 64) - 11)}\n`;
  const bytes = new Uint8Array(10 + header.length + 4 * data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, ...ascii("NUMPY"), 1, 0]);
  view.setUint16(8, header.length, true);
  bytes.set(ascii(header), 10);
  data.forEach((value, i) => view.setFloat32(10 + header.length + 4 * i, value, true));
  return bytes;
}

/** A ZIP archive of [name, bytes], stored as they are; names in ASCII (APPNOTE.TXT 4.3). */
function zip(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const [name, bytes] of files) {
    // Version 2.0, no flags, not compressed, 1 January 1980.
    const common = [[2, 20], [2, 0], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length]];
    common.push([4, bytes.length], [2, name.length], [2, 0]);
    const local = concat([pack([[4, 0x04034b50], ...common]), ascii(name), bytes]);
    parts.push(local);
    const rest = [[2, 0], [2, 0], [2, 0], [4, 0], [4, at]];
    directory.push(pack([[4, 0x02014b50], [2, 20], ...common, ...rest]), ascii(name));
    at += local.length;
  }
  const listing = concat(directory);
  const counts = [[2, files.length], [2, files.length]];
  const end = pack([[4, 0x06054b50], [2, 0], [2, 0], ...counts, [4, listing.length], [4, at], [2, 0]]);
  return concat([...parts, listing, end]);
}

const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** Whole numbers given as [bytes, value], little-endian. */
function pack(numbers) {
  const bytes = numbers.flatMap(([size, value]) => {
    return Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 255);
  });
  return Uint8Array.from(bytes);
}

function concat(arrays) {
  const all = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** The checksum of ZIP and PNG: polynomial 0xEDB88320, bit by bit. */
function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
