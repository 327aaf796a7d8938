"""The checker: what is right passes in any form, what is wrong is named or not, never misnamed."""

# ruff: noqa: ARG001, ARG005 (each function has its exercise's arguments)

import csv
import sys
import threading

import numpy as np
import pytest

from model.exercises import EXERCISES, check, problem

SEED = 17


def cell(x, h0, W, U, b, f=np.tanh):
    h, states = h0, []
    for row in x:
        h = f(W @ h + U @ row + b)
        states.append(h)
    return np.array(states)


def two_readers(x, A1, B1, c1, A2, B2, c2):
    zero = np.zeros(len(c1))
    return cell(x, zero, B1, A1, c1) + cell(x[::-1], zero, B2, A2, c2)[::-1]


def scalars(x, h0, a, b, c):
    h, states = h0, []
    for value in x:
        h = np.tanh(a * value + b * h + c)
        states.append(h)
    return states


def digit(image, W, U, b, V, c):
    return cell(image / 255, np.zeros(len(b)), W, U, b)


RIGHT = {
    "elman-cell": cell,
    "bidirectional-cell": two_readers,
    "saturation": scalars,
    "digit": digit,
}


def result(function, exercise, **options):
    return check(function, exercise, SEED, answers=None, **options)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_right_ones_pass_in_any_form(exercise):
    right = RIGHT[exercise]

    def single(*given):
        return right(*(np.asarray(value, np.float32) for value in given))

    forms = {
        "array": right,
        "float32": single,
        "list of steps": lambda *given: list(right(*given)),
        "lists": lambda *given: np.asarray(right(*given)).tolist(),
        "a batch of one": lambda *given: np.asarray(right(*given))[None],
        "columns": lambda *given: [np.reshape(h, (-1, 1)) for h in right(*given)],
    }
    for form, function in forms.items():
        found = result(function, exercise)
        assert found, (form, found)


def transposed(x, h0, W, U, b):
    return cell(x, h0, W.T, U, b)


def no_bias(x, h0, W, U, b):
    return cell(x, h0, W, U, np.zeros_like(b))


def no_start(x, h0, W, U, b):
    return cell(x, np.zeros_like(h0), W, U, b)


def start_first(x, h0, W, U, b):
    return [h0, *cell(x, h0, W, U, b)[:-1]]


def start_too(x, h0, W, U, b):
    return [h0, *cell(x, h0, W, U, b)]


def shifted(x, h0, W, U, b):
    return cell([x[t - 1] for t in range(len(x))], h0, W, U, b)


def shifted_from_zero(x, h0, W, U, b):
    return cell([np.zeros_like(x[0]), *x[:-1]], h0, W, U, b)


def no_tanh(x, h0, W, U, b):
    return cell(x, h0, W, U, b, f=lambda tau: tau)


def not_carried(x, h0, W, U, b):
    return [np.tanh(W @ h0 + U @ row + b) for row in x]


def no_recurrence(x, h0, W, U, b):
    return [np.tanh(U @ row + b) for row in x]


def not_scaled(image, W, U, b, V, c):
    return cell(image, np.zeros(len(b)), W, U, b)


def by_columns(image, W, U, b, V, c):
    return cell(image.T / 255, np.zeros(len(b)), W, U, b)


def outputs(image, W, U, b, V, c):
    return digit(image, W, U, b, V, c) @ V.T + c


def upward_from_the_top(x, A1, B1, c1, A2, B2, c2):
    zero = np.zeros(len(c1))
    return cell(x, zero, B1, A1, c1) + cell(x, zero, B2, A2, c2)


def upward_as_read(x, A1, B1, c1, A2, B2, c2):
    zero = np.zeros(len(c1))
    return cell(x, zero, B1, A1, c1) + cell(x[::-1], zero, B2, A2, c2)


def swapped(x, h0, a, b, c):
    return scalars(x, h0, b, a, c)


def of_scalars(function):
    return lambda x, h0, a, b, c: np.ravel(
        function(
            np.reshape(x, (-1, 1)), np.array([h0]), *np.reshape([b, a], (2, 1, 1)), np.array([c])
        )
    )


def of_rows(function):
    return lambda image, W, U, b, V, c: function(image / 255, np.zeros(len(b)), W, U, b)


def of_readers(function):
    def both(x, A1, B1, c1, A2, B2, c2):
        zero = np.zeros(len(c1))
        upward = np.asarray(function(x[::-1], zero, B2, A2, c2))
        return np.asarray(function(x, zero, B1, A1, c1)) + upward[::-1]

    return both


PLANTED = [  # the exercise, a wrong function, and a word of what must be named
    *(("elman-cell", function, said) for function, said in (
        (transposed, "W is transposed"),
        (no_bias, "the bias is left out"),
        (no_start, "h_0 is ignored"),
        (start_first, "h_0 is returned as the first step"),
        (start_too, "h_0 is returned as the first step"),
        (shifted, "x_{t−1} is used"),
        (shifted_from_zero, "x_{t−1} is used"),
        (no_tanh, "tanh is left out"),
        (not_carried, "not carried on"),
        (no_recurrence, "not carried on"),
    )),
    *(("saturation", of_scalars(function), said) for function, said in (
        (no_bias, "the bias is left out"),
        (no_start, "h_0 is ignored"),
        (start_first, "h_0 is returned"),
        (shifted, "x_{t−1} is used"),
        (no_tanh, "tanh is left out"),
        (not_carried, "not carried on"),
    )),
    ("saturation", swapped, "a and b are swapped"),
    *(("digit", of_rows(function), said) for function, said in (
        (transposed, "W is transposed"),
        (no_bias, "the bias is left out"),
        (start_too, "h_0 is returned"),
        (shifted_from_zero, "x_{t−1} is used"),
        (no_tanh, "tanh is left out"),
        (no_recurrence, "not carried on"),
    )),
    ("digit", not_scaled, "not divided by 255"),
    ("digit", by_columns, "columns are read"),
    ("digit", outputs, "y_t = V h_t + c is returned"),
    *(("bidirectional-cell", of_readers(function), said) for function, said in (
        (transposed, "B1 or B2 is transposed"),
        (no_bias, "the bias is left out"),
        (no_tanh, "tanh is left out"),
        (no_recurrence, "not carried on"),
    )),
    ("bidirectional-cell", upward_from_the_top, "runs from the top"),
    ("bidirectional-cell", upward_as_read, "in the order in which they were read"),
]  # fmt: skip


def test_planted_mistakes_are_named():
    for exercise, function, said in PLANTED:
        found = result(function, exercise)
        assert not found
        assert found.mistake, (exercise, said, found)
        assert said in found.mistake
        assert said in str(found)


def test_random_wrong_ones_are_not_misnamed():
    """200 functions, wrong in ways that are on no list: no mistake is told that was not made."""
    for seed in range(200):
        exercise = ("elman-cell", "saturation", "bidirectional-cell", "elman-cell")[seed % 4]
        kind, by = seed // 4 % 10, np.random.default_rng(seed).uniform(1.01, 3)
        if exercise == "bidirectional-cell" and kind == 3:
            kind = 0  # h_0 is 0 there

        def wrong(x, h0, W, U, b, kind=kind, by=by):
            match kind:
                case 0:
                    return cell(x, h0, W * by, U, b)
                case 1:
                    return cell(x, h0, W, U / by, b)
                case 2:
                    return cell(x, h0, W, U, b * by)
                case 3:
                    return cell(x, h0 / by, W, U, b)
                case 4:
                    return cell(x, h0, W, U, b, f=lambda tau: np.tanh(tau / by))
                case 5:
                    return cell(x, h0, W, U, b, f=np.sin)
                case 6:
                    return cell(x, h0, W, U, b, f=lambda tau: np.maximum(tau, 0) / by)
                case 7:
                    return cell(x, h0, W, U, b)[::-1] / by
                case 8:
                    return cell(x, h0, W.T, U, b, f=lambda tau: tau / by)
                case _:
                    return cell(x, h0, W, U, -b * by)

        function = {"saturation": of_scalars, "bidirectional-cell": of_readers}.get(
            exercise, lambda same: same
        )(wrong)
        found = check(function, exercise, seed, answers=None)
        assert not found, (kind, by)
        assert found.mistake is None, (kind, by, found)


def test_the_first_difference_is_told():
    def wrong(x, h0, W, U, b):
        h = cell(x, h0, W, U, b)
        if len(h) == 7:
            h[3:, 1 % h.shape[1]] += 0.5
        return h

    own = problem("elman-cell", SEED)
    assert own.answer.shape[1] > 1
    found = result(wrong, "elman-cell")
    assert (found.step, found.unit, found.mistake) == (4, 1, None)
    value = own.answer[3, 1]
    assert "step 4, unit 1" in str(found)
    assert f"{value + 0.5:.6g}" in str(found)
    assert f"{value:.6g}" not in str(found)
    assert f"should be {value:.6g}" in str(result(wrong, "elman-cell", reveal=True))


def raises(x, h0, W, U, b):
    return x[len(x)]


def changes(x, h0, W, U, b):
    h0 += 1
    return cell(x, h0 - 1, W, U, b)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raises, "raised IndexError"),
        (raises, "return x[len(x)]"),
        (lambda *given: None, "returns None"),
        (lambda *given: [[1], [2, 3]], "cannot be read as numbers"),
        (lambda *given: "seven", "cannot be read as numbers"),
        (lambda *given: cell(*given) * np.nan, "NaN"),
        (lambda *given: cell(*given).T[..., None, None].repeat(2, -1), "its shape is (1, 2, 1, 2)"),
        (changes, "changes its argument h0"),
        (lambda x: x, "raised TypeError"),
        (lambda *given: sys.exit(1), "raised SystemExit"),
    ],
)
def test_what_gives_no_answer_is_told(function, said):
    found = result(function, "elman-cell")
    assert not found
    assert said in str(found)
    assert "Traceback" not in str(found)


def test_a_function_that_never_ends():
    never = threading.Event()
    found = result(lambda *given: never.wait(), "elman-cell", seconds=0.1)
    never.set()
    assert "more than 0.1 seconds" in str(found)


def test_answers_are_written_when_all_is_right(tmp_path):
    path = tmp_path / "answers.csv"
    assert not check(no_bias, "elman-cell", SEED, answers=path)
    assert not path.exists()
    for exercise in ("elman-cell", "saturation", "elman-cell", "digit"):
        assert check(RIGHT[exercise], exercise, SEED, answers=path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert list(rows[0]) == ["exercise", "seed", "step", "unit", "value"]
    for exercise, units in (("elman-cell", None), ("saturation", 1), ("digit", 128)):
        own = problem(exercise, SEED)
        answer = own.answer.reshape(len(own.answer), -1)
        mine = [row for row in rows if row["exercise"] == exercise]
        assert len(mine) == len(own.steps) * (units or answer.shape[1])
        for row in mine:
            assert row["seed"] == str(SEED)
            expected = answer[int(row["step"]) - 1, int(row["unit"])]
            assert float(row["value"]) == pytest.approx(expected, rel=1e-12)
    assert problem("digit", SEED).steps == (1, 14, 28)


def test_another_file_is_not_overwritten(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("name,mark\nAda,1\n")
    with pytest.raises(ValueError, match="something else than answers"):
        check(cell, "elman-cell", SEED, answers=path)
    assert path.read_text() == "name,mark\nAda,1\n"


def test_what_cannot_be_asked():
    for exercise, seed, said in (("elman", 1, "no exercise 'elman'"), ("digit", -1, "seed")):
        with pytest.raises(ValueError, match=said):
            check(cell, exercise, seed)
    with pytest.raises(ValueError, match="the function itself"):
        check(cell(np.ones((1, 1)), *np.ones((1, 1)), *np.ones((3, 1, 1))), "elman-cell", 1)


def test_problems_are_individual_and_stay():
    for exercise in EXERCISES:
        one, same, other = (problem(exercise, seed) for seed in (1, 1, 2))
        assert np.array_equal(one.answer, same.answer)
        assert one.answer.shape != other.answer.shape or not np.allclose(one.answer, other.answer)
