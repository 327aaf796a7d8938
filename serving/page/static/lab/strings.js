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
  graph: { name: "Graph", title: "What is computed?" },
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
  inputs: { name: "Inputs", title: "Where are the inputs?" },
  clipping: { name: "Clipping", title: "Too large a gradient: what can be done?" },
  bidirectional: { name: "Two readers", title: "What do two readers know?" },
  saturation: { name: "Saturation", title: "Which start learns?" },
  truncation: { name: "Pieces", title: "What is lost if it is cut into pieces?" },
};
