// A panel of the Lab: a question, controls, an equation, a picture and tables of the server's numbers,
// fields for one's own answers, and the same on one's own drawing. `panels/NAME.js` says what is in it.

import { copy } from "../export/export-menu.js";
import { linkTo } from "../export/link.js";
import { Controls } from "./controls.js";
import { Drawing } from "./drawing.js";
import { el, format, typed } from "./elements.js";
import { PANELS } from "./lab.js";
import { command, numbers, Refusal } from "./server.js";
import * as strings from "./strings.js";

const NEAR = 0.01; // of the exact number: as good as right

/** Builds the tab, and the panel that is shown. */
export class Lab {
  constructor(app, place, { tabs, follow, go }) {
    this.app = app;
    this.go = go;
    const back = tabs.cloneNode(true);
    const [read, lab] = back.querySelectorAll("a");
    read.removeAttribute("aria-current");
    lab.setAttribute("aria-current", "page");
    follow(read, () => null);
    follow(lab, () => PANELS[0]);
    this.links = PANELS.map((name, i) => {
      const link = el("a", { href: `#lab=${name}` }, `${i + 1} ${strings.PANELS[name].name}`);
      follow(link, () => name);
      return link;
    });
    const list = el("ol", {}, this.links.map((link) => el("li", {}, link)));
    this.body = el("div", { class: "lab-body" });
    place.replaceChildren(el("header", {}, el("nav", { class: "lab-contents", "aria-label": strings.CONTENTS }, list), back), this.body);
    place.addEventListener("keydown", ({ key }) => key === "Escape" && app.options.set("lab-project", null));
    this.place = place;
    this.kept = new Map(); // by panel: what was answered, until the page is closed
    app.options.changed("lab-project", () => this.#project());
  }

  async show(name) {
    this.wanted = name;
    const { default: spec } = await import(`./panels/${name}.js`);
    if (this.wanted !== name) return;
    this.panel?.close();
    this.panel = new Panel(this.app, { name, ...spec }, this.body, this.go, this.#answersOf(name));
    this.links.forEach((link, i) => {
      if (PANELS[i] === name) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    this.#project();
  }

  #answersOf(name) {
    if (!this.kept.has(name)) this.kept.set(name, { typed: new Map(), solved: new Map(), isRevealed: false });
    return this.kept.get(name);
  }

  #project() {
    const isOn = Boolean(this.app.options.get("lab-project"));
    this.place.classList.toggle("projected", isOn);
    this.panel?.project.setAttribute("aria-pressed", String(isOn));
  }
}

/**
 * What `panels/NAME.js` has:
 * - equation: MathML, as text
 * - controls: see `controls.js`
 * - onPaper: whether the server rounds it as on paper
 * - others: {NAME: {panel, query(query, values), onPaper}}, what is asked beside it (optional)
 * - draw(c): the picture's elements; tables(c): tables and the like; see(c): one sentence, shown once
 *   the question `seeAfter` is answered, if there is one
 * - questions(c): [{name, ask, value, paper}] for numbers, or [{name, ask, choices: [[text, isRight, why]]}]
 * - more(c): elements of fold-outs (optional)
 * - drawing: {panel, controls, show(c)}, the same on one's own drawing: see `drawing.js`
 *
 * `c` has the server's `numbers` for what was `asked`, as they are shown (and `others`), `exact` and `paper` (`exactOthers`, `paperOthers`); the controls' `values`
 * (texts); `f(number)`, as it is written; `answer(name, number)`, the same or "?" while that question
 * is open, which `isOpen(name)` tells; `set(name, text)`, which moves a control; `texts`, the panel's words.
 */
class Panel {
  constructor(app, spec, body, go, kept) {
    Object.assign(this, { app, spec, go, kept, texts: strings.PANELS[spec.name] });
    this.ended = new AbortController();
    this.controls = new Controls(app.options, spec.controls, (name) => this.#changed(name));
    this.paper = el("input", { type: "checkbox", onchange: () => this.#setPaper(this.paper.checked) });
    this.paper.checked = Boolean(app.options.get("lab-paper"));
    this.status = el("p", { class: "lab-status", role: "status" });
    this.picture = el("div", { class: "lab-figure" });
    this.tables = el("div", { class: "lab-tables" });
    this.see = el("p", { class: "lab-see" });
    this.more = el("div", { class: "lab-more" });
    this.command = el("code", { tabindex: 0 });
    this.questions = el("form", { class: "lab-answers", "aria-label": strings.ANSWERS, novalidate: true });
    this.questions.addEventListener("submit", (event) => event.preventDefault());
    const equation = el("div", { class: "lab-equation", tabindex: 0, role: "group", "aria-label": strings.EQUATION });
    equation.innerHTML = spec.equation;
    body.replaceChildren(
      el("div", { class: "lab-head" }, el("h1", {}, this.texts.title), this.#tools()),
      el("p", { class: "lab-lead" }, this.texts.lead ?? ""),
      equation,
      this.controls.element,
      this.status,
      (this.result = el("div", { class: "lab-result" }, this.picture, el("div", { class: "lab-side" }, this.tables, el("div", { class: "lab-ask" }, this.see, this.questions)))),
      this.more,
    );
    if (spec.drawing) {
      this.drawing = new Drawing(app, spec, this.ended.signal, go);
      body.append(this.drawing.element);
    }
    body.append(el("p", { class: "lab-command" }, strings.COMMAND, " ", this.command));
    this.ask();
  }

  close() {
    this.ended.abort();
  }

  #tools() {
    const { options } = this.app;
    this.project = el("button", { type: "button", title: strings.PROJECT_TITLE }, strings.PROJECT);
    this.project.addEventListener("click", () => options.set("lab-project", options.get("lab-project") ? null : 1));
    const link = el("button", { type: "button" }, strings.COPY_LINK);
    link.addEventListener("click", async () => {
      if (await copy(this.app.root.ownerDocument.querySelector(".lab"), linkTo(this.app))) this.#say(strings.LINK_COPIED);
    });
    const paper = el("label", { class: "lab-switch", title: strings.AS_ON_PAPER_TITLE }, this.paper, el("span", {}, strings.AS_ON_PAPER));
    return el("div", { class: "lab-tools" }, this.spec.onPaper ? paper : null, link, this.project);
  }

  #say(text) {
    this.status.textContent = text;
  }

  #setPaper(on) {
    this.app.options.set("lab-paper", on ? 1 : null);
    this.render();
  }

  #changed(name) {
    const { local, isAsked } = this.spec.controls.find((control) => control.name === name);
    if (local && !isAsked) this.render();
    else this.ask();
  }

  /** Get the numbers for what the controls say: one question at a time, the newest next. */
  async ask() {
    this.isDue = true;
    if (this.isAsking) return;
    this.isAsking = true;
    while (this.isDue && !this.ended.signal.aborted) {
      await null; // one click may change several controls
      this.isDue = false;
      await this.#fetch();
    }
    this.isAsking = false;
  }

  async #fetch() {
    const { spec } = this;
    const wanted = this.controls.query;
    const panels = [{ panel: spec.name, query: (query) => query, onPaper: spec.onPaper }, ...Object.values(spec.others ?? {})];
    const ask = async ({ panel, query, onPaper = spec.onPaper }) => {
      const asked = query(wanted, this.controls.values);
      const exact = numbers(panel, asked);
      return Promise.all([exact, onPaper ? numbers(panel, { ...asked, on_paper: 1 }) : exact]);
    };
    try {
      const found = await Promise.all(panels.map(ask));
      const [exact, rounded] = [0, 1].map((i) => found.map((each) => each[i]));
      Object.assign(this, { exact, rounded, asked: wanted });
      this.#say("");
      this.result.classList.remove("lab-stale");
      this.render();
    } catch (error) {
      this.result.classList.add("lab-stale"); // these numbers are not for what the controls say
      this.#say(error instanceof Refusal ? error.message : strings.NO_ANSWER);
    }
  }

  get #context() {
    const isPaper = Boolean(this.spec.onPaper && this.paper.checked);
    const f = (number) => format(number, isPaper);
    const names = Object.keys(this.spec.others ?? {});
    const [exact, rounded] = [this.exact, this.rounded].map(([numbers, ...others]) => ({
      numbers,
      others: Object.fromEntries(names.map((name, i) => [name, others[i]])),
    }));
    return {
      app: this.app,
      texts: this.texts,
      values: this.controls.values,
      asked: this.asked,
      ...(isPaper ? rounded : exact),
      exact: exact.numbers,
      paper: rounded.numbers,
      exactOthers: exact.others,
      paperOthers: rounded.others,
      f,
      isOpen: (name) => this.#isOpen(name),
      answer: (name, number) => (this.#isOpen(name) ? strings.HIDDEN : f(number)),
      set: (name, text) => this.controls.set(name, text),
    };
  }

  #isOpen(name) {
    return !this.#isRevealed && !this.kept.solved.has(name);
  }

  get #isRevealed() {
    return this.kept.isRevealed || Boolean(this.app.options.get("lab-revealed"));
  }

  render() {
    if (!this.exact || this.ended.signal.aborted) return;
    const c = this.#context;
    this.#forget(c);
    const key = document.activeElement?.dataset?.key;
    this.picture.replaceChildren(...list(this.spec.draw(c)));
    this.tables.replaceChildren(...list(this.spec.tables(c)));
    const { seeAfter } = this.spec;
    this.see.replaceChildren(el("b", {}, strings.SEE), " ", seeAfter && c.isOpen(seeAfter) ? strings.SEE_LATER : this.spec.see(c));
    this.more.replaceChildren(...this.#foldOuts(c));
    this.command.textContent = command(this.spec.name, this.asked, this.spec.onPaper && this.paper.checked);
    this.#showQuestions(c);
    if (key) this.app.root.ownerDocument.querySelector(`.lab [data-key="${key}"]`)?.focus();
  }

  /** An answer was to other numbers than those that are shown now. */
  #forget(c) {
    for (const { name, value } of this.spec.questions(c)) {
      const { solved } = this.kept;
      if (solved.has(name) && solved.get(name) !== value) solved.delete(name);
      if (this.asking?.get(name)?.value === value) continue;
      this.fields?.get(name)?.said.replaceChildren();
      if (this.asking?.has(name)) this.kept.isRevealed = false;
    }
  }

  /** Fold-outs stay open when they are drawn anew. */
  #foldOuts(c) {
    const wasOpen = new Set([...this.more.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
    const found = list(this.spec.more?.(c) ?? []);
    for (const details of found) if (wasOpen.has(details.querySelector?.("summary")?.textContent)) details.open = true;
    return found;
  }

  #showQuestions(c) {
    const questions = this.spec.questions(c);
    const names = questions.map(({ name }) => name).join();
    if (this.questions.dataset.names !== names) {
      this.questions.dataset.names = names;
      this.fields = new Map(questions.map((question) => [question.name, this.#field(question)]));
      const reveal = el("button", { type: "button", onclick: () => this.#reveal() }, strings.REVEAL);
      this.questions.replaceChildren(el("h2", {}, strings.ANSWERS), ...[...this.fields.values()].map(({ row }) => row), reveal);
    }
    for (const question of questions) {
      const { ask, said } = this.fields.get(question.name);
      ask.textContent = question.ask;
      if (this.#isRevealed && !this.kept.solved.has(question.name)) said.textContent = strings.ANSWER_IS(told(question, c));
    }
    this.asking = new Map(questions.map((question) => [question.name, question]));
  }

  #field({ name, choices }) {
    const ask = el("span", {});
    const said = el("output", {});
    const input = choices
      ? el("select", {}, el("option", { value: "" }, strings.CHOOSE), choices.map(([text], i) => el("option", { value: i }, text)))
      : el("input", { type: "text", inputmode: "text", autocomplete: "off", size: 8 });
    input.value = this.kept.typed.get(name) ?? "";
    if (this.kept.solved.has(name)) said.textContent = strings.RIGHT;
    input.addEventListener("input", () => {
      this.kept.typed.set(name, input.value);
      this.kept.solved.delete(name); // of what was typed before
    });
    const check = el("button", { type: "button" }, strings.CHECK); // Enter would press the first of a form
    check.addEventListener("click", () => this.#check(name));
    if (!choices) input.addEventListener("keydown", ({ key }) => key === "Enter" && this.#check(name));
    return { ask, said, input, row: el("p", {}, el("label", {}, ask, input), check, said) };
  }

  #check(name) {
    const question = this.asking.get(name);
    const { said, input } = this.fields.get(name);
    if (question.choices) {
      const [, isRight, why] = question.choices[input.value] ?? [];
      said.textContent = why ? `${isRight ? strings.RIGHT : strings.NOT_YET} ${why}` : strings.CHOOSE;
      if (isRight) this.kept.solved.set(name, undefined);
    } else {
      said.textContent = this.#judge(question, typed(input.value));
    }
    this.render();
  }

  #judge({ name, value, paper = value }, number) {
    if (Number.isNaN(number)) return strings.NO_NUMBER;
    const onPaper = Number(paper.toFixed(2));
    const isNear = Math.abs(number - value) <= NEAR * Math.abs(value);
    const isRoundedOnce = number === Number(value.toFixed(2));
    if (!isNear && !isRoundedOnce && number !== onPaper) return strings.NOT_YET;
    this.kept.solved.set(name, value);
    if (number === onPaper && !isNear) return strings.RIGHT_ON_PAPER;
    return isRoundedOnce && number !== onPaper ? strings.RIGHT_ROUNDED_ONCE(onPaper) : strings.RIGHT;
  }

  #reveal() {
    this.kept.isRevealed = true;
    this.render();
  }
}

const list = (found) => [found].flat(Infinity).filter(Boolean);

function told({ value, choices }, { f }) {
  return choices ? choices.filter(([, isRight]) => isRight).map(([text]) => text).join("; ") : f(value);
}
