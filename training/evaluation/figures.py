"""All figures of one network as a dict that JSON can hold; shares are in percent.

Each part draws its random numbers from its own generator, so that it does not depend on which
other parts there are.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng
from tqdm import tqdm

from model.prediction import prepare
from model.predictor import Predictor
from model.signature import PROBABILITIES, SCORE, STEP_PROBABILITIES, STEPS
from model.verdict import Thresholds, judge
from training.data import Digits
from training.evaluation import sets
from training.evaluation.corruptions import CORRUPTIONS
from training.evaluation.metrics import (
    auroc,
    error_to_json,
    expected_calibration_error,
    measure,
    reliability,
)
from training.sources import fonts, letterforms, omniglot, optdigits, pendigits, render
from training.sources.pendigits import PenDigit

BATCH = 64
CORRUPTED = 2_000  # digits of MNIST for each corruption
CURVED = 1_000  # digits for each point of a curve
FORMED = 50  # digits of each skeleton of a letterform
WORST = 36
SURE = 0.9  # a confidence that people believe

SHIFTS = (0, 1, 2, 3, 4, 5, 6)  # pixels
ROTATIONS = (-45, -30, -20, -10, 0, 10, 20, 30, 45)  # degrees, counter-clockwise
BRUSHES = (0.02, 0.03, 0.045, 0.06, 0.09, 0.12, 0.15, 0.18)  # units of the page's side

RAW, PREPROCESSED = "raw", "preprocessed"
Figures = dict[str, Any]


def evaluate(predictor: Predictor, digits: Digits, folder: Path, seed: int = 0) -> Figures:
    """Try a network on everything there is.

    Args:
        predictor: the network, with its card's thresholds.
        digits: MNIST's, never trained on.
        folder: holds the files of the other sources; parts whose file is missing are left out.
        seed: of all choices.

    Raises:
        TrainingError: a source's file is damaged.
    """
    pens, written, scanned = sets.pens(folder), sets.written(folder), sets.scanned(folder)
    sample = sets.sample(digits, CORRUPTED, default_rng(seed))
    parts = {
        "mnist": lambda _: on_mnist(predictor, digits),
        "pens": lambda rng: pens and on_pens(predictor, pens, rng),
        "corruptions": lambda rng: on_corruptions(predictor, sample, rng),
        "curves": lambda rng: curves(predictor, sample, pens, rng),
        "no_digits": lambda rng: on_no_digits(predictor, digits, folder, written, rng),
        "fonts": lambda _: written and on_fonts(predictor, written),
        "letterforms": lambda rng: on_letterforms(predictor, rng),
        "scanned": lambda _: scanned and on_digits(predictor, scanned),
    }
    progress = tqdm(parts.items(), "evaluating", leave=False, unit="part", disable=None)
    figures = {name: part(default_rng([seed, i])) for i, (name, part) in enumerate(progress)}
    missing = {
        f"pen digits: no {pendigits.FILE}": pens is None,
        f"fonts: none held out in a folder {fonts.FOLDER}": written is None,
        f"scanned digits: no {' or '.join(optdigits.FILES)}": scanned is None,
        f"{sets.ALPHABET}: no {omniglot.FILE}": sets.ALPHABET not in figures["no_digits"],
        "score: the network has none": SCORE not in predictor.answer_names,
        "rejection: no thresholds in the card": predictor.thresholds == Thresholds(),
    }
    return {
        "seed": seed,
        "thresholds": asdict(predictor.thresholds),
        "left_out": [what for what, is_missing in missing.items() if is_missing],
        **{name: part for name, part in figures.items() if part is not None},
    }


def run(
    predictor: Predictor, images: np.ndarray, names: Sequence[str] = (PROBABILITIES,)
) -> dict[str, np.ndarray]:
    """`Predictor.run` over any number of images (count, 28, 28), 64 at a time."""
    starts = range(0, len(images), BATCH)
    parts = [predictor.run(images[start : start + BATCH], list(names)) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def rejects(outputs: dict[str, np.ndarray], thresholds: Thresholds) -> np.ndarray:
    """Which drawings the app would reject, taken as one digit each: bool (count,)."""
    verdicts = judge(outputs[PROBABILITIES], outputs.get(SCORE), thresholds)
    return np.array([verdict.rejected for verdict in verdicts])


def on_mnist(predictor: Predictor, digits: Digits) -> Figures:
    """Errors, calibration and rejections on digits as they are."""
    outputs = run(predictor, digits.images, [*predictor.answer_names, STEP_PROBABILITIES])
    probabilities, beliefs = outputs[PROBABILITIES], outputs[STEP_PROBABILITIES]
    result = measure(probabilities, beliefs, digits.labels)
    by_row = [expected_calibration_error(beliefs[:, t], digits.labels) for t in range(STEPS)]
    return {
        **result.to_json(),
        "confusion": result.confusion.tolist(),
        **_calibration(probabilities, digits.labels),
        "belief_calibration_error_percent_by_row": [_percent(error) for error in by_row],
        **_rejected(outputs, predictor.thresholds),
        "worst": _worst(probabilities, digits.labels),
    }


def on_pens(predictor: Predictor, pens: list[PenDigit], rng: np.random.Generator) -> Figures:
    """The same for pen digits of writers held out, in each style."""
    styles = {}
    for name, style in render.STYLES.items():
        digits = sets.drawn(pens, style, rng)
        outputs = run(predictor, digits.images, predictor.answer_names)
        styles[name] = {
            **_error(outputs[PROBABILITIES], digits.labels),
            **_calibration(outputs[PROBABILITIES], digits.labels),
            **_rejected(outputs, predictor.thresholds),
        }
    return {
        "count": len(pens),
        "writers": sorted({digit.writer for digit in pens}),
        "styles": styles,
        "mean_error_percent_not_normal": _mean(
            styles[name]["error_percent"] for name in styles if name != "normal"
        ),
    }


def on_fonts(predictor: Predictor, written: sets.Written) -> Figures:
    """The same for the digits of font families held out."""
    return {"versions": written.versions, **on_digits(predictor, written.digits)}


def on_digits(predictor: Predictor, digits: Digits) -> Figures:
    """The same for digits that the app has seen."""
    outputs = run(predictor, digits.images, predictor.answer_names)
    return {
        **_error(outputs[PROBABILITIES], digits.labels),
        **_calibration(outputs[PROBABILITIES], digits.labels),
        **_rejected(outputs, predictor.thresholds),
    }


def on_letterforms(predictor: Predictor, rng: np.random.Generator) -> Figures:
    """The same for each of our own letterforms, by skeletons never trained on."""
    drawn = letterforms.draw(rng, FORMED, held_out=True)
    images = render.to_images([each.strokes for each in drawn], rng, render.ANY)
    labels = np.array([each.label for each in drawn])
    forms = np.array([each.form for each in drawn])
    return {
        form: on_digits(predictor, Digits(images[forms == form], labels[forms == form]))
        for form in letterforms.FORMS
    }


def on_corruptions(predictor: Predictor, digits: Digits, rng: np.random.Generator) -> Figures:
    """Errors on corrupted digits, as they are and as the app would see them."""
    each = {}
    for name, corrupt in CORRUPTIONS.items():
        each[name] = _raw_and_preprocessed(predictor, corrupt(digits.images, rng), digits.labels)
    return {
        "count": len(digits),
        "error_percent": each,
        "mean_error_percent": {
            way: _mean(errors[way] for errors in each.values()) for way in (RAW, PREPROCESSED)
        },
    }


def curves(
    predictor: Predictor, digits: Digits, pens: list[PenDigit] | None, rng: np.random.Generator
) -> Figures:
    """Errors over shift, rotation and, where there are pen digits, the brush's diameter."""
    digits = Digits(digits.images[:CURVED], digits.labels[:CURVED])
    direction, place, choice = rng.integers(0, 2**32, 3)  # the same at all points of a curve
    moved = {p: sets.shifted(digits.images, p, default_rng(direction)) for p in SHIFTS}
    turned = {angle: sets.turned(digits.images, angle) for angle in ROTATIONS}
    figures = {}
    for name, unit, images in (("shift", "pixels", moved), ("rotation", "degrees", turned)):
        errors = [_raw_and_preprocessed(predictor, x, digits.labels) for x in images.values()]
        figures[name] = {
            "unit": unit,
            "at": list(images),
            "count": len(digits),
            "error_percent": {way: [e[way] for e in errors] for way in (RAW, PREPROCESSED)},
        }
    if pens is not None:
        chosen = [pens[index] for index in default_rng(choice).permutation(len(pens))[:CURVED]]
        drawn = [sets.drawn(chosen, render.Style((b, b)), default_rng(place)) for b in BRUSHES]
        errors = [_error_percent(predictor, seen.images, seen.labels) for seen in drawn]
        figures["brush"] = {
            "unit": "units of the page's side",
            "at": list(BRUSHES),
            "count": len(chosen),
            "error_percent": {PREPROCESSED: errors},
        }
    return figures


def on_no_digits(
    predictor: Predictor,
    digits: Digits,
    folder: Path,
    written: sets.Written | None,
    rng: np.random.Generator,
) -> Figures:
    """How well what is no digit is told from MNIST's digits, and what becomes of it."""
    real = run(predictor, digits.images, predictor.answer_names)
    images = sets.no_digits(folder, rng)
    if written is not None:
        images[sets.LETTERS] = written.letters
    groups = {name: run(predictor, each, predictor.answer_names) for name, each in images.items()}
    if len(groups) > 1:
        groups["all"] = {
            name: np.concatenate([group[name] for group in groups.values()])
            for name in predictor.answer_names
        }
    figures = {}
    for name, outputs in groups.items():
        confidence = outputs[PROBABILITIES].max(axis=-1)
        accepted = ~rejects(outputs, predictor.thresholds)
        figures[name] = {
            "count": len(confidence),
            "auroc": auroc(outputs[SCORE][:, 0], real[SCORE][:, 0]) if SCORE in outputs else None,
            # The baseline of Hendrycks and Gimpel 2017, to see what the score adds.
            "auroc_of_confidence": auroc(-confidence, -real[PROBABILITIES].max(axis=-1)),
            **_rejected(outputs, predictor.thresholds),
            "sure_and_accepted_percent": _percent((accepted & (confidence > SURE)).mean()),
        }
    return figures


def _percent(share: float) -> float:
    return round(100 * float(share), 3)


def _mean(percents) -> float:
    return round(float(np.mean(list(percents))), 3)


def _error(probabilities: np.ndarray, labels: np.ndarray) -> Figures:
    return error_to_json(int((probabilities.argmax(axis=-1) != labels).sum()), len(labels))


def _error_percent(predictor: Predictor, images: np.ndarray, labels: np.ndarray) -> float:
    return _error(run(predictor, images)[PROBABILITIES], labels)["error_percent"]


def _raw_and_preprocessed(predictor: Predictor, images: np.ndarray, labels: np.ndarray) -> Figures:
    return {
        RAW: _error_percent(predictor, images, labels),
        PREPROCESSED: _percent((_read_by_app(predictor, images) != labels).mean()),
    }


def _read_by_app(predictor: Predictor, images: np.ndarray) -> np.ndarray:
    """The digit (count,) that the app says, rejected or not; -1 where it sees no ink."""
    answers = []
    for start in range(0, len(images), BATCH):
        answers += predictor.predict([prepare(image) for image in images[start : start + BATCH]])
    return np.array([-1 if answer.digit is None else answer.digit for answer in answers])


def _calibration(probabilities: np.ndarray, labels: np.ndarray) -> Figures:
    bins = asdict(reliability(probabilities, labels))
    return {
        "calibration_error_percent": _percent(expected_calibration_error(probabilities, labels)),
        "reliability": {name: values.round(5).tolist() for name, values in bins.items()},
    }


def _rejected(outputs: dict[str, np.ndarray], thresholds: Thresholds) -> Figures:
    if thresholds == Thresholds():
        return {"rejected_percent": None}
    return {"rejected_percent": _percent(rejects(outputs, thresholds).mean())}


def _worst(probabilities: np.ndarray, labels: np.ndarray) -> list[Figures]:
    """The wrong answers that were surest."""
    answers, confidence = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
    wrong = np.flatnonzero(answers != labels)
    return [
        {
            "index": int(index),
            "label": int(labels[index]),
            "answer": int(answers[index]),
            "confidence_percent": _percent(confidence[index]),
        }
        for index in wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST]
    ]
