"""Run a student's function on many cases, and say where it differs and why."""

import csv
import traceback
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from model.exercises.problems import EXERCISES, Arguments, Exercise, Problem, problem

COLUMNS = ("exercise", "seed", "step", "unit", "value")


@dataclass(frozen=True)
class Result:
    """What was found. True in a condition if all is right.

    `step` (from 1) and `unit` (from 0) are the first that differ, where it is numbers that do;
    `mistake` is what gives exactly the function's numbers, where that is known.
    """

    passed: bool
    message: str
    step: int | None = None
    unit: int | None = None
    mistake: str | None = None

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.message

    __repr__ = __str__  # so that a notebook shows the message


@dataclass(frozen=True)
class Case:
    name: str
    arguments: Arguments
    expected: np.ndarray


class Refused(Exception):
    """What a function did that ends the check; the message says what."""


def check(
    function: Callable[..., Any],
    exercise: str,
    seed: int,
    *,
    reveal: bool = False,
    answers: Path | str | None = "answers.csv",
    seconds: float = 10.0,
) -> Result:
    """Check a forward function, on the sheet's numbers, on random ones and on the student's own.

    Args:
        function: see `model.exercises`. It may return a list of steps, an array (steps, units)
            or one (1, steps, units), in float32 or float64.
        exercise: "elman-cell", "bidirectional-cell", "saturation" or "digit".
        seed: of the student's own problem.
        reveal: tell the expected number, too.
        answers: where the function's outputs of the requested steps are written if all is
            right; rows of other exercises that are there stay. None: nowhere.
        seconds: most that all cases together may take.

    Raises:
        ValueError: no such exercise, no such seed, `function` cannot be called, or the file of
            answers holds something else.
    """
    own = problem(exercise, seed)
    if not callable(function):
        raise ValueError(f"give the function itself, not what it returned ({type(function)})")
    cases = _cases(EXERCISES[exercise], own)
    try:
        outputs = _run(function, cases, seconds)
    except Refused as refused:
        return Result(False, f"{exercise}: not right yet. {refused}")
    wrong = [n for n, case in enumerate(cases) if not _same(outputs[n], case.expected)]
    if wrong:
        # The student's own numbers before random ones.
        first = len(cases) - 1 if len(cases) - 1 in wrong and wrong[0] != 0 else wrong[0]
        mistake = _mistake(EXERCISES[exercise], cases, outputs)
        return _wrong(exercise, cases[first], outputs[first], mistake, reveal)
    message = f"{exercise}: right in all {len(cases)} cases."
    if answers is not None:
        write_answers(Path(answers), own, _shaped(outputs[-1], own.answer))
        steps = ", ".join(map(str, own.steps))
        message += f" {answers} holds your outputs of steps {steps} for seed {seed}."
    return Result(True, message)


def _cases(exercise: Exercise, own: Problem) -> list[Case]:
    """The sheet's, the random ones and last the student's own."""
    rng = np.random.default_rng([own.seed, 0, 0])
    named = [("the sheet's numbers", exercise.sheet)] if exercise.sheet else []
    named += [("random numbers", exercise.draw(rng, steps)) for steps in exercise.steps]
    named.append((f"the numbers of seed {own.seed}", own.arguments))
    return [Case(name, given, exercise.formula(*given.values())) for name, given in named]


def _run(function: Callable[..., Any], cases: list[Case], seconds: float) -> list[np.ndarray]:
    """Outputs by case.

    Raises:
        Refused: it raised, changed what it was given, returned no numbers, or took too long.
    """
    outputs, refused = [], []

    def all_cases() -> None:
        for case in cases:
            try:
                outputs.append(_call(function, case))
            except Refused as error:
                refused.append(error)
                return

    # A thread of its own, left behind if it never ends: it cannot be stopped from outside.
    thread = Thread(target=all_cases, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Refused(f"Your function took more than {seconds:g} seconds.")
    if refused:
        raise refused[0]
    return outputs


def _call(function: Callable[..., Any], case: Case) -> np.ndarray:
    given = deepcopy(dict(case.arguments))
    try:
        found = function(*given.values())
    except BaseException as error:  # a thread would print the traceback, of SystemExit nothing
        raise Refused(f"With {case.name} it raised {_told(function, error)}.") from None
    for name, value in case.arguments.items():
        if not np.array_equal(given[name], value):
            raise Refused(f"It changes its argument {name}: work on a copy.")
    if found is None:
        raise Refused("It returns None: end it with `return`.")
    try:
        numbers = np.asarray(found, dtype=np.float64)
    except Exception as error:  # each array library raises its own
        raise Refused(f"What it returns cannot be read as numbers: {error}.") from None
    if not np.isfinite(numbers).all():
        raise Refused(f"With {case.name} it returns NaN or infinity.")
    return numbers


def _told(function: Callable[..., Any], error: BaseException) -> str:
    """The error, and the last line of the student's own file that led to it."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    own_file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own_file]
    return f"{text} (line {frames[-1].lineno}: {frames[-1].line})" if frames else text


def _shaped(found: np.ndarray, expected: np.ndarray) -> np.ndarray | None:
    """The numbers as (steps, units), if axes of length 1 are all that differs."""
    same = np.squeeze(found).shape == np.squeeze(expected).shape
    return found.reshape(expected.shape) if same else None


def _close(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(found - expected) <= 1e-6 + 1e-5 * np.abs(expected)


def _same(found: np.ndarray, expected: np.ndarray) -> bool:
    shaped = _shaped(found, expected)
    return shaped is not None and bool(_close(shaped, expected).all())


def _mistake(exercise: Exercise, cases: list[Case], outputs: list[np.ndarray]) -> str | None:
    """The mistake whose formula gives all of these outputs."""
    with np.errstate(all="ignore"):  # without tanh, states may grow without bound
        for name, formulas in exercise.mistakes.items():
            for formula in formulas:
                if all(
                    _same(found, formula(*case.arguments.values()))
                    for case, found in zip(cases, outputs, strict=True)
                ):
                    return name
    return None


def _wrong(
    exercise: str, case: Case, found: np.ndarray, mistake: str | None, reveal: bool
) -> Result:
    shaped, step, unit = _shaped(found, case.expected), None, None
    if shaped is None:
        told = f"With {case.name} its shape is {found.shape} and should be {case.expected.shape}."
    else:
        units = shaped.reshape(len(shaped), -1)
        expected = case.expected.reshape(units.shape)
        row, unit = (int(index) for index in np.argwhere(~_close(units, expected))[0])
        step = row + 1
        told = f"With {case.name} step {step}, unit {unit} is {units[row, unit]:.6g}"
        told += f" and should be {expected[row, unit]:.6g}." if reveal else ", which is wrong."
        told += " (Steps count from 1, units from 0.)"
    why = (
        f"Your numbers are those that come out if {mistake}."
        if mistake
        else "They are those of no mistake that is known here."
    )
    return Result(False, f"{exercise}: not right yet. {told} {why}", step, unit, mistake)


def write_answers(path: Path, own: Problem, outputs: np.ndarray) -> None:
    """Write a row for each unit of the requested steps, in place of the exercise's earlier ones."""
    rows = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            earlier = csv.DictReader(file)
            if earlier.fieldnames != list(COLUMNS):
                raise ValueError(f"{path} holds something else than answers: give another name")
            rows = [row for row in earlier if row["exercise"] != own.exercise]
    for step in own.steps:
        for unit, value in enumerate(np.atleast_1d(outputs[step - 1]).tolist()):
            rows.append(
                dict(zip(COLUMNS, (own.exercise, own.seed, step, unit, value), strict=True))
            )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
