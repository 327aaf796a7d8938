"""Moodle's questions: their answers are found again from the numbers in their text."""

import re
from math import hypot, tanh
from xml.etree import ElementTree

import numpy as np
import pytest

from model.exercises import EXERCISES, problem
from model.exercises.__main__ import main

SEEDS = range(17, 22)
STEP = 1e-6  # of central differences


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("quiz") / "quiz.xml"
    assert (
        main(["--seed", str(SEEDS[0]), "--variants", str(len(SEEDS)), "--moodle", str(path)]) == 0
    )
    return path


@pytest.fixture(scope="module")
def questions(written):
    return [q for q in ElementTree.parse(written).getroot() if q.get("type") != "category"]


def text_of(question):
    return re.sub(r"</?p>", "", question.findtext("questiontext/text"))


def numbers(text):
    """``W = 0.9, x_1 = 0.5`` as a dict."""
    return {name: float(value) for name, value in re.findall(r"(\w+) = (-?[\d.]+\d|-?\d+)", text)}


def z(W, U, V, h_0, x_1, x_2):
    first = tanh(W * h_0 + U * x_1)
    return V * first * V * tanh(W * first + U * x_2)


def loss(a, b, c, x_1, x_2):
    first = tanh(a * x_1 + c)
    return first**2 + tanh(a * x_2 + b * first + c) ** 2


def by(function, name, given):
    up, down = ({**given, name: given[name] + sign * STEP} for sign in (1, -1))
    return (function(**up) - function(**down)) / (2 * STEP)


def readers(A1, B1, c1, A2, B2, c2, **x):
    x_1, x_2, x_3 = x["x_1"], x["x_2"], x["x_3"]
    third = tanh(A2 * x_3 + c2)
    return tanh(A1 * x_2 + B1 * tanh(A1 * x_1 + c1) + c1) + tanh(A2 * x_2 + B2 * third + c2)


def expected(name, text):
    """What a numerical question asks for, computed here by other means."""
    given = numbers(text)
    if name.startswith("Exercise 2: ∂z/∂"):
        return by(z, name[-1], given)
    whole = [int(n) for n in re.findall(r"\b\d+\b", text)]
    if "stored, tanh' from τ" in name:
        return 3 * (whole[-1] - 2)
    if "stored" in name:
        return 2 * (whole[-1] - 2)
    if name.startswith("Exercise 4"):
        first, second = (
            [float(n) for n in found.split(",")] for found in re.findall(r"\(([-\d., ]+)\)", text)
        )
        c = float(re.search(r"to ([\d.]+\d)\.", text)[1])
        norm = hypot(*first) if name.endswith("clipnorm") and "global" not in name else None
        return first[0] * min(1, c / (norm or hypot(*first, *second)))
    if name.startswith("Exercise 5"):
        return readers(**{n: v for n, v in given.items() if n not in ("k_4", "h_0")})
    if name.startswith("Exercise 6"):
        given.pop("h_0")
        return by(loss, "a", given) if "∂L" in name else loss(**given)
    if name.startswith("Exercise 7"):
        steps, piece = whole[:2]
        return sum(s // piece == t // piece for t in range(steps) for s in range(t + 1))
    exercise, seed = re.search(r"for ([\w-]+), seed (\d+)", text).groups()
    step = int(re.search(r"step (\d+) for unit 0", text)[1])
    return np.ravel(problem(exercise, int(seed)).answer[step - 1])[0]


def test_numerical_answers_are_right(questions):
    found = [q for q in questions if q.get("type") == "numerical"]
    for question in found:
        name = question.findtext("name/text").rpartition(" (")[0]
        answers = [
            (float(a.findtext("text")), float(a.findtext("tolerance")))
            for a in question.findall("answer")
        ]
        assert all(a.get("fraction") == "100" for a in question.findall("answer"))
        value, tolerance = answers[0]
        right = expected(name, text_of(question))
        assert value == pytest.approx(right, rel=1e-6, abs=1e-9), name
        assert tolerance == pytest.approx(
            0 if isinstance(right, int) else 1e-4 if "Coding" in name else abs(value) / 100
        )
        for rounded, allowed in answers[1:]:  # and the value with two decimals at every step
            assert allowed == 0.005
            assert rounded == pytest.approx(value, abs=0.06), name
            assert rounded == round(rounded, 2)
    names = {question.findtext("name/text").rpartition(" (")[0] for question in found}
    assert len(found) == len(names) * len(SEEDS)


TRUE = {
    "V is a parameter.": True,
    "h_0 is a computation.": False,
    "For 6 steps it is a sum over 21 paths.": True,
    "For 6 steps it is a sum over 12 paths.": False,
    "For 2 steps and h_0 = 0, one path is left.": True,
    "x_2 changes h_1.": False,
    "x_1 changes y_2.": True,
    "x_1 is itself a factor in ∂z/∂W.": False,
    "x_1 is itself a factor in ∂z/∂U.": True,
    "global_clipnorm turns it into another direction.": False,
    "k_1 depends on x_3.": True,
    "h_1 depends on x_3.": False,
    "It suits answering while a stream goes on.": False,
    "The set with the larger loss has the larger gradient.": False,
    "With the state carried on, the forward pass is unchanged.": True,
    "With the state reset, the forward pass is unchanged.": False,
}


def test_choices_are_true_and_their_shares_add_up(questions):
    seen = set()
    for question in questions:
        if question.get("type") == "numerical":
            continue
        assert question.findtext("single") == "false"
        marks = {
            re.sub(r"</?p>", "", a.findtext("text")): float(a.get("fraction"))
            for a in question.findall("answer")
        }
        for text, mark in marks.items():
            assert (mark > 0) == TRUE.get(text, mark > 0), text
        seen |= marks.keys()
        assert sum(mark for mark in marks.values() if mark > 0) == pytest.approx(100, abs=1e-3)
        assert sum(mark for mark in marks.values() if mark < 0) == pytest.approx(-100, abs=1e-3)
    assert seen >= TRUE.keys()


def test_numbers_are_individual_and_stay(questions, tmp_path):
    path = tmp_path / "again.xml"
    assert main(["--seed", "18", "--moodle", str(path)]) == 0
    again = {text_of(q) for q in ElementTree.parse(path).getroot() if q.get("type") != "category"}
    others = {text_of(q) for q in questions if "(18)" not in q.findtext("name/text")}
    assert again == {text_of(q) for q in questions if "(18)" in q.findtext("name/text")}
    assert len(again & others) <= 3  # those without numbers


def test_problems_can_be_pasted(capsys):
    assert main(["--seed", "17"]) == 0
    told = capsys.readouterr().out
    scope = {"np": np, "problem": problem}
    for part in told.split("# ")[1:]:
        exercise = part.partition(":")[0]
        exec("# " + part, scope)
        own = problem(exercise, 17)
        assert f"give steps {', '.join(map(str, own.steps))}" in part
        for name, value in own.arguments.items():
            assert np.array_equal(scope[name], value), (exercise, name)
    assert all(f"# {exercise}:" in told for exercise in EXERCISES)


def test_what_cannot_be_done_is_one_line(tmp_path, capsys):
    for words in (
        ["--seed", "-1"],
        ["--seed", "1", "--variants", "0"],
        ["--seed", "1", "--moodle", str(tmp_path / "none" / "quiz.xml")],
    ):
        assert main(words) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
