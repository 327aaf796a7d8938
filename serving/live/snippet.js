// Code that asks this server's API for the answer on the screen, with the very rows that the
// network read.

/**
 * @param reading of the drawing
 * @param config of the network that read it
 * @returns {python, curl}: the texts
 */
export function snippets({ tensors }, { input, outputs, model }) {
  const { shape, data } = tensors[outputs.image];
  const [rows, width] = shape;
  // The rows are whole numbers, 0 to 255, and stay readable as a picture.
  const picture = Array.from({ length: rows }, (_, row) => {
    const pixels = Array.from(data.slice(row * width, (row + 1) * width));
    return pixels.map((pixel) => String(pixel).padStart(3)).join(",");
  });
  const path = `v2/models/${encodeURIComponent(model.name).replaceAll("'", "%27")}/infer`;
  const url = new URL(path, document.baseURI);
  url.search = url.hash = "";
  const facts = { url: url.href, rows, width, input, answer: outputs.answer };
  return { python: python(facts, picture), curl: curl(facts, picture) };
}

const python = ({ url, rows, width, input, answer }, picture) => `\
import json
from urllib.request import Request, urlopen

rows = [  # as the network sees the drawing: 0 is the page, 255 ink
${picture.map((row) => `    [${row}],`).join("\n")}
]
image = {"name": "${input}", "shape": [1, ${rows}, ${width}], "datatype": "UINT8", "data": [rows]}
body = {"inputs": [image], "outputs": [{"name": "${answer}"}]}  # without outputs: all of them
request = Request(
    "${url}",
    json.dumps(body).encode(),
    {"Content-Type": "application/json"},
)
with urlopen(request) as response:
    [output] = json.load(response)["outputs"]
for digit, probability in enumerate(output["data"]):
    print(digit, f"{probability:.6f}")
`;

const curl = ({ url, rows, width, input, answer }, picture) => `\
curl -s '${url}' -H 'Content-Type: application/json' -d '{
  "outputs": [{"name": "${answer}"}],
  "inputs": [{"name": "${input}", "shape": [1, ${rows}, ${width}], "datatype": "UINT8", "data": [[
${picture.map((row) => `    [${row}]`).join(",\n")}
  ]]}]
}'
`;
