"""Questions with individual numbers for Moodle; the Lab's panels compute all answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree import ElementTree as xml

import numpy as np

from model.exercises.problems import EXERCISES, problem
from model.lab.bidirectional import bidirectional
from model.lab.clipping import clipping
from model.lab.saturation import saturation
from model.lab.scalar_rnn import graph, inputs, paths, stored
from model.lab.truncation import truncation

ON_PAPER = "Two decimals at every step will do."


@dataclass(frozen=True)
class Numerical:
    """Right is what lies within a tolerance of one of the answers: pairs (value, tolerance)."""

    name: str
    text: str
    answers: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Choice:
    """Several statements, (text, whether it is true); any number of them may be."""

    name: str
    text: str
    statements: tuple[tuple[str, bool], ...]


def _measured(exact: float, on_paper: float | None = None) -> tuple[tuple[float, float], ...]:
    """Within 1 %, or the value that rounding at every step gives."""
    answers = ((exact, abs(exact) / 100),)
    return answers if on_paper is None else (*answers, (on_paper, 0.005))


def _counted(value: int) -> tuple[tuple[float, float], ...]:
    return ((value, 0),)


def _given(numbers: dict[str, Any]) -> str:
    """``W = 0.9, x_1 = 0.5, x_2 = -1``."""
    parts = []
    for name, value in numbers.items():
        if isinstance(value, tuple):
            parts += [f"{name}_{t} = {each:g}" for t, each in enumerate(value, start=1)]
        else:
            parts.append(f"{'h_0' if name == 'h0' else name} = {value:g}")
    return ", ".join(parts)


def questions(seed: int) -> Iterator[Numerical | Choice]:
    """All questions of one seed."""
    rng = np.random.default_rng([seed, 7])

    def draw(*names: str) -> dict[str, float]:
        values = rng.choice([-1, 1], len(names)) * rng.uniform(0.3, 1.2, len(names))
        return dict(zip(names, np.round(values, 2).tolist(), strict=True))

    def series(steps: int) -> tuple[float, ...]:
        return tuple(draw(*map(str, range(steps))).values())

    T, long = int(rng.integers(3, 7)), int(rng.integers(20, 101))
    piece = int(rng.integers(3, 10))
    scalar = {**draw("W", "U", "V", "h0"), "x": series(2)}
    elman = "h_t = tanh(W h_{t−1} + U x_t), y_t = V h_t, z = y_1 y_2"

    yield _about_graph(T, graph(x=series(T)))

    found, rounded = paths(**scalar), paths(**scalar, on_paper=True)
    for of in ("W", "U", "V"):
        yield Numerical(
            f"Exercise 2: ∂z/∂{of}",
            f"{elman}. {_given(scalar)}. What is ∂z/∂{of}? {ON_PAPER}",
            _measured(found[f"dz_d{of}"], rounded[f"dz_d{of}"]),
        )
    for kind, how in (("tau_and_h", "from τ"), ("h_only", "as 1 − h², from h")):
        yield Numerical(
            f"Exercise 2: stored, tanh' {how}",
            f"{elman}, and z = Π y_t for more steps; tanh' is computed {how}. How many more values "
            f"than for 2 steps have to be stored in the forward pass for {long} steps?",
            _counted(stored(long)[kind] - stored(2)[kind]),
        )
    yield _about_paths(T, scalar)
    yield _about_inputs(scalar)

    variables = (series(2), series(3))
    c = float(np.round(rng.uniform(0.2, 0.5), 2))
    clipped, rounded = clipping(g=variables, c=c), clipping(g=variables, c=c, on_paper=True)
    told = f"A gradient has two variables, {_vector(variables[0])} and {_vector(variables[1])}"
    for method, how in (
        ("global_clipnorm", "by its norm over all variables"),
        ("clipnorm", "by norm, each variable for itself (Keras: clipnorm)"),
    ):
        yield Numerical(
            f"Exercise 4: {method}",
            f"{told}. It is clipped {how}, to {c:g}. What is the first number of the first "
            f"variable then? {ON_PAPER}",
            _measured(clipped[method][0][0], rounded[method][0][0]),
        )
    yield _about_clipping(told, c, clipped)

    readers = {**draw("A1", "B1", "c1", "A2", "B2", "c2"), "x": series(3)}
    found, rounded = bidirectional(**readers), bidirectional(**readers, on_paper=True)
    yield Numerical(
        "Exercise 5: y_2",
        "h_t = tanh(A1 x_t + B1 h_{t−1} + c1), k_t = tanh(A2 x_t + B2 k_{t+1} + c2), "
        f"y_t = h_t + k_t, h_0 = k_4 = 0. {_given(readers)}. What is y_2? {ON_PAPER}",
        _measured(found["y"][1], rounded["y"][1]),
    )
    yield Choice(
        "Exercise 5: two readers",
        "Which is true of a bidirectional network with three steps?",
        (
            ("k_1 depends on x_3.", True),
            ("h_1 depends on x_3.", False),
            ("y_1 depends on x_3.", True),
            ("It suits tagging the words of a finished sentence.", True),
            ("It suits answering while a stream goes on.", False),
        ),
    )

    yield from _about_saturation({**draw("a", "b", "c"), "x": series(2)}, int(rng.integers(15, 31)))

    yield Numerical(
        "Exercise 7: paths that are left",
        f"A sequence of {long} steps is cut into pieces of {piece} (the last may be shorter). "
        "How many of the paths by which W reaches z = Π y_t stay within one piece?",
        _counted(truncation(steps=long, piece=piece)["paths_kept"]),
    )
    yield Choice(
        "Exercise 7: cut into pieces",
        f"Which is true if {long} steps are cut into pieces of {piece}?",
        (
            ("With the state carried on, the forward pass is unchanged.", True),
            ("With the state reset, the forward pass is unchanged.", False),
            ("Fewer values are stored at a time.", True),
            (f"Dependencies over more than {piece} steps are learnt as well as before.", False),
        ),
    )

    for exercise in EXERCISES:
        own = problem(exercise, seed)
        for step in own.steps:
            value = float(np.atleast_1d(own.answer[step - 1])[0])
            yield Numerical(
                f"Coding: {exercise}, step {step}",
                f"Your function for {exercise}, seed {seed} (`check` writes its outputs into "
                f"answers.csv): what does it give at step {step} for unit 0?",
                ((value, 1e-4),),
            )


def _vector(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


def _about_graph(T: int, found: dict[str, Any]) -> Choice:
    kinds = {node["name"]: node["kind"] for node in found["nodes"]}
    uses = sum(edge["from"] == "W" for edge in found["edges"])
    counts = (4 * T, 5 * T)
    return Choice(
        "Exercise 1: the graph",
        f"h_t = tanh(W h_{{t−1}} + U x_t), y_t = V h_t, for {T} steps. Which is true of the graph "
        "with a rectangle for each product, sum and tanh?",
        (
            (f"W goes into {T} products.", uses == T),
            ("h_0 is a computation.", kinds["h_0"] == "computation"),
            ("V is a parameter.", kinds["V"] == "parameter"),
            *((f"It has {n} rectangles.", found["computations"] == n) for n in counts),
        ),
    )


def _about_paths(T: int, scalar: dict[str, Any]) -> Choice:
    all_paths = len(paths(**scalar | {"x": scalar["x"] * 3})["paths"])
    left = sum(path["value"] != 0 for path in paths(**scalar | {"h0": 0.0})["paths"])
    saved = stored(T)["tau_and_h"] - stored(T)["h_only"]
    return Choice(
        "Exercise 2: the paths",
        "Which is true of ∂z/∂W?",
        (
            ("For 6 steps it is a sum over 21 paths.", all_paths == 21),
            ("For 6 steps it is a sum over 12 paths.", all_paths == 12),
            ("For 2 steps and h_0 = 0, one path is left.", left == 1),
            (f"tanh' from h in place of τ saves {T - 1} values for {T} steps.", saved == T - 1),
        ),
    )


def _about_inputs(scalar: dict[str, Any]) -> Choice:
    first, second = inputs(**scalar)["changes"]
    return Choice(
        "Exercise 3: the inputs",
        f"For two steps and {_given(scalar)}: which is true?",
        (
            ("x_2 changes h_1.", second["h"][0] != 0),
            ("x_1 changes y_2.", first["y"][1] != 0),
            ("x_2 changes ∂z/∂W.", second["dz_dW"] != 0),
            ("x_1 is itself a factor in ∂z/∂W.", False),
            ("x_1 is itself a factor in ∂z/∂U.", True),
        ),
    )


def _about_clipping(told: str, c: float, clipped: dict[str, Any]) -> Choice:
    turned = {method: angle > 1e-6 for method, angle in clipped["angles"].items()}
    return Choice(
        "Exercise 4: three ways of clipping",
        f"{told}, and c = {c:g}. Which is true?",
        (
            ("global_clipnorm turns it into another direction.", turned["global_clipnorm"]),
            ("clipnorm turns it into another direction.", turned["clipnorm"]),
            ("clipvalue turns it into another direction.", turned["clipvalue"]),
            (
                f"After global_clipnorm its norm is at most {c:g}.",
                clipped["norms"]["global_clipnorm"] <= c + 1e-9,
            ),
            (
                f"After clipnorm its norm is at most {c:g}.",
                clipped["norms"]["clipnorm"] <= c + 1e-9,
            ),
        ),
    )


def _about_saturation(second: dict[str, Any], a: int) -> Iterator[Numerical | Choice]:
    first = {"a": float(a), "b": 1.0, "c": 1.0, "x": second["x"]}
    network = "h_t = tanh(a x_t + b h_{t−1} + c), h_0 = 0, L = h_1² + h_2²"
    exact = [saturation(**given) for given in (first, second)]
    rounded = [saturation(**given, on_paper=True) for given in (first, second)]
    for number, given in enumerate((first, second)):
        yield Numerical(
            f"Exercise 6: the loss of set {number + 1}",
            f"{network}. {_given(given)}. What is L? {ON_PAPER}",
            _measured(exact[number]["loss"], rounded[number]["loss"]),
        )
    yield Numerical(
        "Exercise 6: ∂L/∂a of set 2",
        f"{network}. {_given(second)}. What is ∂L/∂a? {ON_PAPER}",
        _measured(exact[1]["dL_da"], rounded[1]["dL_da"]),
    )
    losses = [found["loss"] for found in exact]
    sizes = [np.hypot(np.hypot(f["dL_da"], f["dL_db"]), f["dL_dc"]) for f in exact]
    larger = int(sizes[1] > sizes[0])
    yield Choice(
        "Exercise 6: which start learns",
        f"{network}. Set 1: {_given(first)}. Set 2: {_given(second)}. Which is true?",
        (
            ("The set with the larger loss has the larger gradient.", np.argmax(losses) == larger),
            ("Set 1 has the larger gradient.", larger == 0),
            ("Set 2 has the larger gradient.", larger == 1),
            ("Set 1 has the larger loss.", losses[0] > losses[1]),
        ),
    )


def to_moodle(seeds: Sequence[int]) -> bytes:
    """Moodle XML: a category for each question, so that Moodle can draw one of its variants."""
    root = xml.Element("quiz")
    named: dict[str, list[tuple[int, Numerical | Choice]]] = {}
    for seed in seeds:
        for question in questions(seed):
            named.setdefault(question.name, []).append((seed, question))
    for name, variants in named.items():
        category = xml.SubElement(root, "question", type="category")
        _text(category, "category", f"$course$/top/Scanline/{name.replace('/', '//')}")
        for seed, question in variants:
            root.append(_element(seed, question))
    xml.indent(root)
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _text(parent: xml.Element, tag: str, text: str, **attributes: str) -> xml.Element:
    child = xml.SubElement(parent, tag, attributes)
    xml.SubElement(child, "text").text = text
    return child


def _element(seed: int, question: Numerical | Choice) -> xml.Element:
    numerical = isinstance(question, Numerical)
    element = xml.Element("question", type="numerical" if numerical else "multichoice")
    _text(element, "name", f"{question.name} ({seed})")
    _text(element, "questiontext", f"<p>{escape(question.text)}</p>", format="html")
    xml.SubElement(element, "defaultgrade").text = "1"
    if numerical:
        for value, tolerance in question.answers:
            answer = _text(element, "answer", f"{value:.10g}", fraction="100")
            xml.SubElement(answer, "tolerance").text = f"{tolerance:.10g}"
        return element
    xml.SubElement(element, "single").text = "false"
    xml.SubElement(element, "shuffleanswers").text = "true"
    xml.SubElement(element, "answernumbering").text = "abc"
    right = sum(truth for _, truth in question.statements)
    for text, truth in question.statements:
        share = 100 / right if truth else -100 / (len(question.statements) - right)
        fraction = f"{share:.5f}".rstrip("0").rstrip(".")  # Moodle knows 33.33333, not 33.3
        _text(element, "answer", f"<p>{escape(text)}</p>", fraction=fraction, format="html")
    return element
