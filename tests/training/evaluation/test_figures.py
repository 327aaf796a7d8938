"""Every figure of an evaluation against a direct computation, on drawings whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from model.prediction import prepare
from model.signature import PROBABILITIES, SCORE, STEP_PROBABILITIES
from model.verdict import Thresholds
from tests.support.columns import Columns, Ink
from tests.support.digits import save_digits
from tests.support.sources import save_characters, save_fonts, save_pens, save_scanned
from training import data
from training.data import Digits
from training.evaluation import figures as evaluation
from training.evaluation import sets
from training.evaluation.corruptions import CORRUPTIONS
from training.evaluation.metrics import expected_calibration_error
from training.evaluation.table import to_table
from training.sources import render


@pytest.fixture(scope="module", autouse=True)
def _small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "CORRUPTED", 30)
        patch.setattr(evaluation, "CURVED", 20)
        patch.setattr(evaluation, "FORMED", 2)
        patch.setattr(sets, "SCRIBBLES", 25)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    save_digits(folder / "mnist.npz")
    save_pens(folder)
    save_characters(folder)
    save_fonts(folder, "kalam")
    save_scanned(folder)
    return folder


@pytest.fixture(scope="module")
def digits(folder) -> Digits:
    """100 digits, of which the first seven carry a wrong label."""
    digits = data.load_test(folder)
    digits.labels[:7] = (digits.labels[:7] + 1) % 10
    return digits


@pytest.fixture(scope="module")
def whole(folder, digits, _small) -> dict:
    return evaluation.evaluate(Columns(Thresholds(0.5, 0.2)), digits, folder)


def test_mnist(digits):
    outputs = Columns().run(digits.images, [PROBABILITIES, STEP_PROBABILITIES, SCORE])
    probabilities, beliefs = outputs[PROBABILITIES], outputs[STEP_PROBABILITIES]
    figures = evaluation.on_mnist(Columns(Thresholds(score=0.1)), digits)
    assert (figures["wrong"], figures["count"], figures["error_percent"]) == (7, 100, 7)
    assert np.trace(figures["confusion"]) == 93
    assert figures["calibration_error_percent"] == pytest.approx(
        100 * expected_calibration_error(probabilities, digits.labels), abs=1e-3
    )
    for row in (0, 12, 27):
        right = (beliefs[:, row].argmax(axis=-1) == digits.labels).mean()
        assert figures["belief_error_percent_by_row"][row] == pytest.approx(100 - 100 * right)
        assert figures["belief_calibration_error_percent_by_row"][row] == pytest.approx(
            100 * expected_calibration_error(beliefs[:, row], digits.labels), abs=1e-3
        )
    share = (digits.images[:, 0, 0] > 25.5).mean()
    assert 0 < share < 1
    assert figures["rejected_percent"] == pytest.approx(100 * share)


def test_worst_errors_are_the_surest(digits, monkeypatch):
    monkeypatch.setattr(evaluation, "WORST", 5)
    probabilities = Columns().run(digits.images)[PROBABILITIES]
    worst = evaluation.on_mnist(Columns(), digits)["worst"]
    surest = sorted(range(7), key=lambda i: -probabilities[i].max())[:5]
    assert [error["index"] for error in worst] == surest
    for error in worst:
        assert error["label"] == (error["index"] + 1) % 10
        assert error["answer"] == error["index"] % 10
        assert error["confidence_percent"] == pytest.approx(
            100 * probabilities[error["index"]].max(), abs=1e-3
        )


def test_pens(folder):
    pens = sets.pens(folder)
    figures = evaluation.on_pens(Ink(), pens, np.random.default_rng(0))
    assert figures["count"] == len(pens) == 18
    assert len(figures["writers"]) == 6
    rng = np.random.default_rng(0)
    errors = {}
    for name, style in render.STYLES.items():
        drawn = sets.drawn(pens, style, rng)
        probabilities = Ink().run(drawn.images)[PROBABILITIES]
        errors[name] = 100 * (probabilities.argmax(axis=-1) != drawn.labels).mean()
        result = figures["styles"][name]
        assert result["error_percent"] == pytest.approx(errors[name], abs=1e-3)
        assert result["calibration_error_percent"] == pytest.approx(
            100 * expected_calibration_error(probabilities, drawn.labels), abs=1e-3
        )
        assert result["rejected_percent"] is None
    others = [errors[name] for name in errors if name != "normal"]
    assert np.mean(others) != pytest.approx(errors["normal"], abs=1), errors
    assert figures["mean_error_percent_not_normal"] == pytest.approx(np.mean(others), abs=2e-3)


def test_corruptions_raw_and_preprocessed(digits):
    figures = evaluation.on_corruptions(Columns(), digits, np.random.default_rng(0))
    assert list(figures["error_percent"]) == list(CORRUPTIONS)
    rng = np.random.default_rng(0)
    for name, corrupt in CORRUPTIONS.items():
        raw = corrupt(digits.images, rng)
        read = [answer.digit for answer in Columns().predict([prepare(image) for image in raw])]
        seen = Columns().run(raw)[PROBABILITIES].argmax(axis=-1)
        for way, answers in (("raw", seen), ("preprocessed", read)):
            wrong = 100 * np.mean(
                [a != label for a, label in zip(answers, digits.labels, strict=True)]
            )
            assert figures["error_percent"][name][way] == pytest.approx(wrong), (name, way)
    raw = [errors["raw"] for errors in figures["error_percent"].values()]
    assert figures["mean_error_percent"]["raw"] == pytest.approx(np.mean(raw), abs=1e-3)


def test_curves_start_at_what_is_uncorrupted(digits):
    sample = Digits(digits.images[:40], digits.labels[:40])
    figures = evaluation.curves(Columns(), sample, None, np.random.default_rng(0))
    assert set(figures) == {"shift", "rotation"}  # no pens, no brush
    for curve in figures.values():
        assert curve["count"] == 20
        here = curve["at"].index(0)
        assert curve["error_percent"]["raw"][here] == 35  # 7 of 20
        assert len(curve["error_percent"]["preprocessed"]) == len(curve["at"])
    # Two pixels to the side make another digit of half of them, up or down of none.
    moved = figures["shift"]["error_percent"]["raw"][2]
    assert 35 < moved < 90
    assert max(figures["rotation"]["error_percent"]["raw"]) > 50


def test_all_points_of_a_curve_see_the_same_chance(digits, folder, monkeypatch):
    chances = {"shifted": [], "drawn": []}
    for name in chances:
        real = getattr(sets, name)

        def recorded(images, how, rng, name=name, real=real):
            chances[name].append(rng.bit_generator.state["state"]["state"])
            return real(images, how, rng)

        monkeypatch.setattr(sets, name, recorded)
    pens = sets.pens(folder)
    evaluation.curves(Columns(), digits, pens, np.random.default_rng(0))
    shifts, brushes = chances["shifted"], chances["drawn"]
    assert (len(shifts), len(brushes)) == (len(evaluation.SHIFTS), len(evaluation.BRUSHES))
    assert len(set(shifts)) == len(set(brushes)) == 1


def no_digits(scores: list[int], bars: list[int]) -> np.ndarray:
    """Drawings with `scores` 0..255 in the first pixel and a bar of some grey, as in a 3."""
    images = np.zeros((len(scores), 28, 28), np.uint8)
    images[:, 2:26, 10:12] = np.array(bars)[:, None, None]
    images[:, 0, 0] = scores
    return images


def test_no_digits_worked_by_hand(monkeypatch, tmp_path):
    # A bar of 255 is 96 % sure, one of 150 is 75 % sure, a blank page 10 %.
    groups = {
        sets.SCRIBBLED: no_digits([255, 50], bars=[255, 0]),
        sets.ALPHABET: no_digits([200, 0, 50], bars=[255, 255, 150]),
    }
    monkeypatch.setattr(sets, "no_digits", lambda _folder, _rng: groups)
    digits = Digits(no_digits([0, 0, 0, 100], bars=[255] * 4), np.full(4, 3))
    rng = np.random.default_rng(0)
    figures = evaluation.on_no_digits(Columns(Thresholds(score=0.5)), digits, tmp_path, None, rng)
    scribbles, alphabet, both = figures.values()
    assert scribbles["auroc"] == (4 + 3) / 8  # 255 is above all four, 50 above three
    assert alphabet["auroc"] == (4 + 1.5 + 3) / 12  # 0 ties with three
    assert both["auroc"] == (4 + 3 + 4 + 1.5 + 3) / 20
    # The blank one is less sure than all digits; a full bar is as sure as they are.
    assert scribbles["auroc_of_confidence"] == (2 + 4) / 8
    rejected = [group["rejected_percent"] for group in figures.values()]
    assert rejected == pytest.approx([50, 100 / 3, 40], abs=1e-3)
    # Of the three full bars one is not rejected.
    sure = [group["sure_and_accepted_percent"] for group in figures.values()]
    assert sure == pytest.approx([0, 100 / 3, 20], abs=1e-3)
    assert [group["count"] for group in figures.values()] == [2, 3, 5]


def test_whole_evaluation_and_its_table(whole):
    assert whole["left_out"] == []
    assert whole["thresholds"] == {"score": 0.5, "confidence": 0.2}
    assert whole["corruptions"]["count"] == 30
    assert whole["curves"]["brush"]["count"] == 18
    assert whole["fonts"]["count"] == 10
    assert whole["scanned"]["count"] == 6
    assert whole["letterforms"]["flagged 1"]["count"] == 4 * 2
    letters = whole["no_digits"][sets.LETTERS]["count"]
    assert whole["no_digits"]["all"]["count"] == 25 + 3 + letters
    table = to_table({"model": "a.onnx", "split": "validation", **whole})
    assert "Left out" not in table
    assert "test set" not in table
    lines = {line[:34].strip(): line[34:].split() for line in table.splitlines()}
    assert lines["MNIST, 100 digits"][0] == "wrong"
    assert lines["as they are"][0] == "7.00"
    assert lines["Fonts, 10 digits, 1 hands"][0] == "right"
    assert lines["Pen, 18 digits, 6 writers"]
    thin = whole["pens"]["styles"]["thin"]
    assert lines["thin"][0] == f"{100 - thin['error_percent']:.2f}"
    assert lines["thin"][-1] == f"{thin['rejected_percent']:.2f}"
    assert lines["all"][1] == f"{whole['no_digits']['all']['auroc']:.4f}"
    assert max(map(len, table.splitlines())) <= 120


def test_what_is_missing_is_named(digits, tmp_path):
    figures = evaluation.evaluate(Columns(has_score=False), digits, tmp_path)
    named = "; ".join(figures["left_out"])
    for what in ("pendigits-orig.tra", "omniglot-small1.zip", "score", "thresholds"):
        assert what in named
    assert "pens" not in figures
    assert figures["no_digits"][sets.SCRIBBLED]["auroc"] is None
    table = to_table({"model": "a.onnx", "split": "test", **figures})
    assert named in table
    assert "The test set was read." in table


def test_a_part_does_not_depend_on_the_others(whole, digits, tmp_path):
    alone = evaluation.evaluate(Columns(Thresholds(0.5, 0.2)), digits, tmp_path)
    for name in ("mnist", "corruptions"):
        assert alone[name] == whole[name]
    assert alone["curves"]["shift"] == whole["curves"]["shift"]
    assert alone["no_digits"][sets.SCRIBBLED] == whole["no_digits"][sets.SCRIBBLED]
