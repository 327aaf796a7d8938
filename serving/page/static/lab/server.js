// The Lab's questions to the server: every number comes from there.

import { address } from "../core/app.js";
import * as strings from "./strings.js";

/** What the server says is wrong with a question. */
export class Refusal extends Error {}

/**
 * What `GET lab/PANEL.json` answers; with a `body`, a packed drawing, `POST`.
 * @throws {Refusal} with the server's words
 */
export async function numbers(panel, query, body) {
  const url = address(`lab/${panel}.json`);
  url.search = new URLSearchParams(query);
  const response = await fetch(url, body ? { method: "POST", body } : {});
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(answer.error ?? strings.NO_ANSWER);
  return answer;
}

const FLAGS = new Set(["z", "float32"]);

/** The command that prints the same numbers. */
export function command(panel, query, onPaper) {
  const quoted = (text) => (/^[\w.,+-]+$/.test(text) ? text : `"${text}"`);
  const flag = ([name, text]) => ` --${name.replaceAll("_", "-")}${FLAGS.has(name) ? "" : ` ${quoted(text)}`}`;
  return `python -m model.lab ${panel}${Object.entries(query).map(flag).join("")}${onPaper ? " --on-paper" : ""}`;
}
