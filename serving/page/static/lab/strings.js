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
export const SEE_LATER = "when you have answered.";
export const ANSWERS = "Your answer";
export const CHECK = "Check";
export const REVEAL = "Reveal";
export const CHOOSE = "choose …";
export const NO_NUMBER = "Type a number, such as −0.25.";
export const RIGHT = "Right.";
export const RIGHT_ON_PAPER = "Right, with two decimals at every step.";
export const RIGHT_ROUNDED_ONCE = (onPaper) => `Right, rounded once at the end. With two decimals at every step it is ${onPaper.toFixed(2).replace("-", "−")}.`;
export const NOT_YET = "Not yet.";
export const ANSWER_IS = (text) => `Answer: ${text}`;
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
    lead: "The same W is used at every step, and each use reaches z through the output of its own step and every later one: one path each. ∂z/∂W is the sum of all paths.",
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
    readingsNote: "Values beside parameters and inputs",
    moreValues: "more",
    readingRows: [
      ["τ, h, y for ∂z/∂W alone (the sheet’s)", 5, 299, 294],
      ["the same for ∂z/∂W, ∂z/∂U and ∂z/∂V: h_T too", 6, 300, 294],
      ["h and y, with 1 − h²", 4, 200, 196],
      ["h alone, y = V·h computed anew", 2, 100, 98],
      ["τ, h, y and the products y₁y₂, y₁y₂y₃ … of z", 5, 397, 392],
      ["h, y and these products", 4, 298, 294],
    ],
    drawing: "What the gradient of a network as elman keeps for the way back grows with the steps; a forward pass keeps the newest state. Your drawing has 28 rows, so T = 28.",
    training: "gradient",
    forward: "forward pass alone",
    steps: "steps T",
    memory: "Memory by the compiler’s own count, MB (recorded)",
    perStep: (megabytes, batch, units) => `Each step more costs ${megabytes} MB: several arrays of ${batch} images times ${units} units.`,
    jax: (counts) => `For the scalar network above JAX keeps ${counts} values: of each tanh both h and 1 − h, and the products one by one.`,
    jaxAt: (steps, kept) => `${kept} (T = ${steps})`,
    notRecorded: "No recorded figures here.",
    made: "Made by",
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
  clipping: {
    name: "Clipping",
    title: "Too large a gradient: what can be done?",
    lead: "Clip it: make it shorter before the step is taken. Keras has three ways; only one of them is the textbook’s and keeps the direction.",
    first: "The first variable’s first two numbers",
    turning: "The norms of the first two variables: does the whole gradient turn?",
    component: (i) => `g₁[${i}]`,
    table: "The gradient before and after",
    gradient: "gradient",
    angle: "angle to g",
    none: "none",
    see: (clipnorm, clipvalue) => `global_clipnorm shortens the gradient and keeps its direction; clipnorm turns it by ${clipnorm}°, clipvalue by ${clipvalue}°.`,
    seeShort: "‖g‖ is not larger than c, so nothing is clipped.",
    askTerm: "The technical term:",
    term: [
      ["learning rate decay", false, "That makes every step smaller, also where the gradient is small."],
      ["gradient clipping", true, "By its norm."],
      ["early stopping", false, "That ends the training."],
      ["weight decay", false, "That pulls the weights to 0, whatever the gradient."],
    ],
    askEffect: "Its precise effect, where ‖g‖ > c:",
    effect: [
      ["g ← g − c", false, "That is no shorter gradient in the same direction."],
      ["g ← c · g", false, "The norm would still grow with the gradient."],
      ["g ← c · g / ‖g‖", true, "The norm is then c, the direction the same."],
      ["g ← 0", false, "Then nothing is learnt from it."],
    ],
    askNorm: "‖g‖ =",
    askAfter: "‖g‖ after global_clipnorm =",
    drawing: "The first gradient of a fresh elman on your drawing, by variable. One gradient has five variables here: U, W, b of the recurrent layer, V and c of the read-out.",
    byVariable: (label) => `Norms of the gradient of the cross-entropy at ${label}, by variable`,
    whole: "whole ‖g‖",
    turned: (angle) => `clipnorm shortens the large variables alone, so the whole gradient turns by ${angle}°; global_clipnorm turns it by 0°.`,
    noneAbove: "clipvalue changes nothing here: no single number of the gradient is larger than c. Try a smaller c.",
    recorded: "Recorded: runs that differ in clipping alone",
    notRecorded: "No recorded runs here.",
    updates: "updates",
    loss: "training loss",
    curves: "Training loss over one epoch, a line for each seed, by the way of clipping",
    errors: "Validation error after one epoch",
    mean: "mean",
    seeds: "each seed, %",
    made: "Made by",
  },
  bidirectional: {
    name: "Two readers",
    title: "What do two readers know?",
    lead: "h reads from the first step on, k from the last step back; y adds both. Move the slider to read step by step.",
    sum: "sum",
    up: "from the end",
    down: "from the start",
    input: "input",
    label: (read, T) => `Two chains over ${T} inputs; each has read ${read} steps`,
    step: (t) => `step ${t}`,
    knows: (from, to) => (from === to ? from : `${from} to ${to}`),
    hKnows: "h knows",
    kKnows: "k knows",
    table: "States and outputs; k is computed from its end",
    state: (read, T) => {
      if (read === 0) return "Nothing is read yet.";
      if (read === T) return "Both have read all: every y knows the whole sequence.";
      return `h has read steps 1 to ${read}, k steps ${T} to ${T - read + 1}; ${2 * read > T ? "where both have been, y can be given." : "no y can be given yet."}`;
    },
    suits: "Suits:",
    suited: "tagging words, filling gaps, recorded speech, handwriting, the rows of a digit: the whole sequence is there before an answer is due.",
    suitsNot: "Does not suit:",
    unsuited: "forecasts, live control, streaming: the future is not there to be read.",
    see: (T) => `h₁ knows one input and k₁ all of them: k is computed from step ${T} down, and y₁ must wait for it.`,
    askType: "This type of network:",
    type: [
      ["a recurrent network with two layers", false, "k does not read h: both read x."],
      ["a bidirectional recurrent network", true, "Keras: Bidirectional, merge_mode \"sum\"."],
      ["an encoder and a decoder", false, "k does not start from h’s last state."],
    ],
    askTask: "A task that it suits:",
    task: [
      ["the next value of a share", false, "k would have to read the future."],
      ["which word is a name in a sentence", true, "What comes after a word helps, and is there."],
      ["steering a car, frame by frame", false, "The answer is due before the sequence ends."],
    ],
    drawing: "The trained network bidirectional reads your drawing: one reader from the top row, one from the bottom row.",
    player: "The player shows both readers at once: until they meet at the middle row, no row has been read by both.",
    play: "Watch it read",
  },
  saturation: {
    name: "Saturation",
    title: "Which start learns?",
    lead: "Two sets of parameters for the same network, inputs and loss. Which one should training start from?",
    set: (number) => `set (${number})`,
    yours: "yours",
    points: "tanh with the τ of both sets on it, and the tangent at each",
    updates: "steps of gradient descent",
    loss: "L",
    descent: "Loss over 100 steps of gradient descent from both sets",
    table: "Both sets, step by step",
    precisions: (name) => `The gradient of ${name}, by how numbers are kept`,
    float64: "float64, tanh′ from τ",
    float32: "float32, as networks train",
    paper: "two decimals at every step",
    see: (tau) => `Set (1) learns nothing, however large its loss: at τ = ${tau.join(" and ")} tanh is flat, its slope is 0.00, in float32 exactly 0, and every gradient has that slope as a factor.`,
    seeSteep: "With these inputs set (1) is not flat at every step: each gradient has tanh′ as a factor, so it learns as far as tanh′ is not 0.",
    askLoss: (number) => `L of set (${number}) =`,
    askWhich: "Start with:",
    which: [
      ["set (1), its loss is larger, so there is more to learn", false, "A large loss is no large gradient: look at tanh′."],
      ["set (2), its tanh is not saturated, so the gradient is not 0", true, "1 − h² is 0.79 and 0.76 instead of 0.00."],
      ["either, gradient descent finds the way", false, "From set (1) the loss is still 2.00 after 100 steps."],
    ],
    roundedOnce: "What rounding changes",
    roundedOnceWhy: "With the sheet’s numbers, L of set (2) is 0.45 or 0.46. The sheet rounds at every step: 0.46² = 0.21 and 0.49² = 0.24, together 0.45. Computed exactly and rounded once at the end, L is 0.4550, so 0.46.",
    drawing: "A fresh elman on your drawing, with input weights that are 1, 3, 10 and 30 times as large. The loss is the cross-entropy of what the trained elman answers.",
    gain: (gain) => `gain ${gain}`,
    gains: "Fresh networks by the gain of their input weights",
    slope: "median tanh′",
    change: ([U, W]) => {
      const isOnly = U[2] && !W[2];
      return `${isOnly ? "Only the gradient of the input weights falls" : "From gain 1 to 30"}: ‖∂L/∂U‖ from ${U[0]} to ${U[1]}, ‖∂L/∂W‖ from ${W[0]} to ${W[1]}.${isOnly ? " The norm of the whole gradient hides it." : ""}`;
    },
    trained: "Trained networks on your drawing",
    trainedError: "error after 2 epochs (recorded)",
    made: "Recorded by",
  },
  truncation: {
    name: "Pieces",
    title: "What is lost if it is cut into pieces?",
    lead: "Truncated back-propagation through time. carry hands the state on over a cut, but no gradient back (Keras: stateful=True); reset makes each piece a sequence of its own, the sheet’s words.",
    square: (T, K) => `All paths of W for ${T} steps; within pieces of ${K} steps they are kept`,
    leaves: "leaves through step t",
    used: "W used at step s",
    keptPath: "kept",
    lostPath: "lost at a cut",
    counts: "What is left",
    whole: "whole",
    kept: "in pieces",
    paths: "paths of ∂z/∂W",
    stored: "values stored at a time (h and y)",
    scalar: (T) => `The scalar network of exercise 2, always with ${T} steps, cut into pieces of K`,
    cosine: "cosine of the gradient with the whole",
    see: "Memory falls with K, and so do the paths: what a step does to a later piece is not learnt. With carry the outputs stay the same; with reset they change too.",
    askPaths: "Paths of the whole =",
    askKept: "Paths kept =",
    askPlus: "An advantage:",
    plus: [
      ["the gradient becomes exact", false, "It loses paths: it is biased."],
      ["less memory for stored states, and more updates", true, "Only one piece is stored at a time."],
      ["the network has fewer parameters", false, "They are shared by all steps, as before."],
    ],
    askMinus: "A disadvantage:",
    minus: [
      ["what depends on inputs further back than a piece is not learnt", true, "Their paths are cut."],
      ["every step costs more", false, "Each costs the same."],
      ["the loss cannot be computed", false, "It can, piece by piece."],
    ],
    drawing: "The trained elman with its 28 rows cut into pieces: what is left of its gradient, and what it answers.",
    cosines: "Cosine of ∂L/∂W with the whole one",
    elman: (label) => `Loss: cross-entropy of the last step at ${label}`,
    cosineW: "cosine of ∂L/∂W",
    ratioW: "its norm / whole",
    gradientRows: "rows the gradient reaches",
    answer: "answer",
    rowsSeen: "rows the answer depends on",
    memory: (whole, piece) => `States stored for the way back: ${whole} numbers for the whole, ${piece} for a piece.`,
    notRecorded: "No recorded runs here.",
    trained: "Recorded: elman trained in pieces, validation error after 2 epochs, mean (range) over the seeds",
    resetInPieces: "reset, read in pieces as trained",
    resetWhole: "reset, read as a whole",
    made: "Made by",
  },
};
