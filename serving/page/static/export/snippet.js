// Code that asks this server's API for the answer on the screen, with the very rows that the
// network read, and judges it as the server does (model/verdict.py). POST /classify would
// prepare them a second time, and might answer otherwise.

/**
 * @param reading of the drawing
 * @param config of the network that read it
 * @returns {python, curl}: the texts
 */
export function snippets({ tensors }, { input, outputs, thresholds, model }) {
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
  const score = thresholds.score === null ? null : outputs.score;
  const wanted = [outputs.answer, score].filter(Boolean).map((name) => `{"name": "${name}"}`);
  const facts = { url: url.href, rows, width, input, answer: outputs.answer, score, thresholds };
  facts.wanted = wanted.join(", ");
  return { python: python(facts, picture), curl: curl(facts, picture) };
}

const python = ({ url, rows, width, input, wanted, ...facts }, picture) => `\
import json
from urllib.request import Request, urlopen

rows = [  # as the network sees the drawing: 0 is the page, 255 ink
${picture.map((row) => `    [${row}],`).join("\n")}
]
image = {"name": "${input}", "shape": [1, ${rows}, ${width}], "datatype": "UINT8", "data": [rows]}
body = {"inputs": [image], "outputs": [${wanted}]}  # without outputs: all of them
request = Request(
    "${url}",
    json.dumps(body).encode(),
    {"Content-Type": "application/json"},
)
with urlopen(request) as response:
    outputs = {output["name"]: output["data"] for output in json.load(response)["outputs"]}
${pythonVerdict(facts)}`;

/** The rule of model/verdict.py, without what this network has no threshold for. */
function pythonVerdict({ answer, score, thresholds: { score: most, confidence: least } }) {
  const rejections = [];
  if (score) rejections.push([`outputs["${score}"][0] > ${most}`, `"not a digit"`]);
  if (least !== null) {
    rejections.push([`probabilities[first] < ${least}`, `f"not sure: {first} or {second}"`]);
  }
  const branches = rejections.map(([doubt, says], i) => `${i ? "elif" : "if"} ${doubt}:\n    print(${says})\n`);
  return `\
probabilities = outputs["${answer}"]
for digit, probability in enumerate(probabilities):
    print(digit, f"{probability:.6f}")
first, second, *_ = sorted(range(10), key=lambda digit: -probabilities[digit])
${branches.join("")}${branches.length ? "else:\n    " : ""}print("answer:", first)
`;
}

const curl = ({ url, rows, width, input, wanted, ...facts }, picture) => `\
curl -s '${url}' -H 'Content-Type: application/json' -d '{
  "outputs": [${wanted}],
  "inputs": [{"name": "${input}", "shape": [1, ${rows}, ${width}], "datatype": "UINT8", "data": [[
${picture.map((row) => `    [${row}]`).join(",\n")}
  ]]}]
}'
${shellVerdict(facts)}`;

function shellVerdict({ answer, score, thresholds: { score: most, confidence: least } }) {
  const rule = ["# The answer is the likeliest digit, but:"];
  if (score) rule.push(`# ${score} above ${most}: not a digit`);
  if (least !== null) rule.push(`# none of ${answer} reaches ${least}: not sure`);
  return rule.length > 1 ? `${rule.join("\n")}\n` : "";
}
