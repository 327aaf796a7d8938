// Every sentence of the Lab; formulas stand with their panel.

export const CONTENTS = "The exercises";
export const AS_ON_PAPER = "as on paper";
export const AS_ON_PAPER_TITLE = "Round to two decimals at every step, as on the sheet";
export const COPY_LINK = "Copy link";
export const LINK_COPIED = "Link copied: it reopens this panel with its numbers.";
export const PROJECT = "Project";
export const PROJECT_TITLE = "Large, for a beamer; Escape ends it";
export const EQUATION = "The equation";
export const CONTROLS = "What can be changed";
export const STEPS = (count) => `Steps T = ${count}`;
export const SEE = "See:";
export const ANSWERS = "Your answer";
export const CHECK = "Check";
export const REVEAL = "Reveal";
export const CHOOSE = "choose …";
export const NO_NUMBER = "Type a number, such as −0.25.";
export const RIGHT = "Right.";
export const RIGHT_ON_PAPER = "Right, with two decimals at every step.";
export const NOT_YET = "Not yet.";
export const ANSWER_IS = (text) => `It is ${text}.`;
export const HIDDEN = "?";
export const ON_YOUR_DRAWING = "On your drawing";
export const CHANGE_DRAWING = "Change the drawing";
export const THE_DRAWING = "Your drawing, as the network sees it";
export const NO_DRAWING = "Nothing is drawn yet: draw a digit on the other tab.";
export const COMMAND = "The same numbers in a terminal:";
export const NO_ANSWER = "The server does not answer. The numbers shown are the last that it gave.";
export const NOT_LOADED = "The Lab could not be loaded. Try again when the server answers.";

/** By panel: a short name, the question, what it is about, and more. */
export const PANELS = {
  graph: {
    name: "Graph",
    title: "What is computed?",
    lead: "Circles are given: h₀, the inputs x, and the parameters W, U and V, each once, however often it is used. Rectangles are computed, from left to right. Click one, or walk with the arrow keys.",
    label: (T) => `Computation graph of ${T} steps`,
    kinds: { input: "an input", parameter: "a parameter", computation: "computed" },
    node: (name, kind, value) => `${name}: ${kind}, ${value}`,
    value: "value",
    count: "how many",
    local: "local derivative",
    localOf: (name) => `derivative by ${name}`,
    from: (name) => `${name} is computed from`,
    to: (name) => `${name} goes into`,
    counts: "The graph",
    circles: "circles: inputs and parameters",
    rectangles: "rectangles: computations",
    edges: "edges",
    see: "The thick rectangles are τ, the sum, and h, its tanh. Each step has five rectangles; the parameters are the same circles at every step.",
    askCircles: "Circles =",
    askRectangles: "Rectangles =",
    askWhere: "Where is h₂ computed?",
    where: [
      ["in the rectangle W·h₂", false, "There h₂ is already used."],
      ["in the rectangle tanh that reads τ₂", true, "h₂ = tanh(τ₂)."],
      ["in the sum τ₂", false, "That is what tanh is taken of."],
    ],
    drawing: "One unit of the trained network elman at one row: h_t[j] = tanh(Σ U[j,i]·x_t[i] + Σ W[j,i]·h_{t−1}[i] + b[j]). The same graph, with 28 pixels and 128 states instead of one of each.",
    product: "product",
    unit: ({ row, unit, sum, tau, h, slope }) => `h${row}[${unit}] = tanh(${sum}) = tanh(${tau}) = ${h}; tanh′ = ${slope}`,
    unitLabel: (unit, row) => `Unit ${unit} at row ${row}: three summands, their sum τ, and tanh of it on the curve`,
    largestInputs: (count) => `The ${count} largest of its 28 terms U·x`,
    largestStates: (count) => `The ${count} largest of its 128 terms W·h`,
  },
  paths: {
    name: "Paths",
    title: "How does W reach z?",
    lead: "The same W is used at every step, and each use reaches z through every later output: one path each. ∂z/∂W is the sum of all paths.",
    triangle: "Paths: W used at step s (row), leaving through y (column)",
    walk: "Arrow keys walk the paths.",
    path: (s, t, value) => `used at step ${s}, leaves through y${t}: ${value}`,
    factors: (s, t, value) => `The path from z by y${t} to W at step ${s}: its factors, whose product is ${value}`,
    sum: (count, value) => `∂z/∂W, the sum of ${count} paths, is ${value}`,
    product: "product",
    chain: "How much of h_T is left k steps back: ∂h_T/∂h_{T−k} = Π tanh′·W",
    back: (k) => (k ? `${k} back` : "h_T itself"),
    stored: (now, far, more) => `Stored (tinted): ${now} values beside parameters and inputs; for 100 steps ${far}, which is ${more} more than for 2.`,
    readings: "Other ways to count what is stored",
    see: (T) => `A use of W at an early step has a path through each of the ${T} outputs; every step that it passes multiplies it by tanh′·W.`,
  },
  inputs: {
    name: "Inputs",
    title: "Where are the inputs?",
    lead: "Two gradients of the same network, for two steps. Move an input and watch which values change.",
    label: (t) => `Computation graph; what x${t} changes has a thick border`,
    step: (t) => `step ${t}`,
    value: "value",
    changes: "its derivative by x",
    table: (t) => `Values, and in brackets their derivatives by x${t}; 0 is exact`,
    gradients: (t) => `z and its gradients, and how they change with x${t}`,
    see: (t, before) => `x${t} leaves τ${before}, h${before}, y${before} and all before alone; yet no x is a factor of ∂z/∂W: it is behind τ, h and y. In ∂z/∂U it is a factor.`,
    seeFirst: "x₁ changes every τ, h and y after it; yet no x is a factor of ∂z/∂W: it is behind τ, h and y. In ∂z/∂U it is a factor.",
    askWhere: "Where is x₁ in ∂z/∂W?",
    where: [
      ["as a factor beside h₀", false, "That is ∂z/∂U."],
      ["nowhere: z does not depend on it", false, "Move x₁: z changes."],
      ["in no factor of its own, but in τ₁, h₁, y₁, τ₂ and y₂", true, "They are computed from it and stored."],
    ],
    drawing: "The trained network elman reads your drawing without each stroke in turn: which rows of the hidden state does the stroke change?",
    part: (kind, number) => (kind === "stroke" ? `stroke ${number}` : `part ${number}`),
    strips: "Change of the hidden state by row, ‖h_t − h_t without it‖ / ‖h_t‖",
    stripsNote: "A darker cell is a larger change. Rows above a stroke are exactly 0: the network has not met it yet.",
    inked: "its rows",
    firstRow: "first row changed",
    most: "largest change",
    last: "change at row 28",
  },
  clipping: { name: "Clipping", title: "Too large a gradient: what can be done?" },
  bidirectional: { name: "Two readers", title: "What do two readers know?" },
  saturation: { name: "Saturation", title: "Which start learns?" },
  truncation: { name: "Pieces", title: "What is lost if it is cut into pieces?" },
};
