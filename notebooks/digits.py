"""Digits for the notebook: MNIST where it is, else drawings of our own strokes, varied."""

import json
import os
from pathlib import Path

import numpy as np

from model.images.preprocess import preprocess
from model.images.strokes import render

STROKES = Path(__file__).parents[1] / "serving" / "page" / "static" / "drawing" / "digits.json"
TRAIN, TEST = 12_000, 2_000  # of MNIST's
DRAWN, DRAWN_TEST = 3_000, 500

Digits = tuple[np.ndarray, np.ndarray]  # images (count, 28, 28), 0..255, and labels


def load(seed: int = 0) -> tuple[Digits, Digits, str]:
    """Digits to train on and others to test on, and a sentence on where they come from.

    MNIST is looked for where SCANLINE_DATA says, a file or its folder. The digits to test on
    are the end of its training set: the test set is for the network that one hands in.
    """
    named = os.environ.get("SCANLINE_DATA")
    path = Path(named or "none")
    path = path / "mnist.npz" if path.is_dir() else path
    if named and path.is_file():
        with np.load(path) as file:
            images, labels = file["x_train"], file["y_train"]
        train = images[:TRAIN], labels[:TRAIN]
        test = images[-TEST:], labels[-TEST:]
        return train, test, f"{TRAIN:,} of MNIST's digits, and {TEST:,} others to test on"
    rng = np.random.default_rng(seed)
    train, test = _drawn(DRAWN, rng), _drawn(DRAWN_TEST, rng)
    sentence = (
        "No MNIST here (set SCANLINE_DATA to mnist.npz): drawings of our own strokes, varied. "
        "They are easier than MNIST, so more is right."
    )
    return train, test, sentence


def _drawn(count: int, rng: np.random.Generator) -> Digits:
    """Our ten digits, each slanted, turned, narrowed and shaken anew."""
    templates = json.loads(STROKES.read_text())
    labels = rng.integers(0, 10, count)
    images = [preprocess(render(_varied(templates[str(label)], rng))).image for label in labels]
    return np.stack(images), labels


def _varied(strokes: list, rng: np.random.Generator) -> list[np.ndarray]:
    angle = rng.normal(0, 0.15)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shape = np.array([[rng.uniform(0.6, 1.1), 0], [rng.normal(0, 0.2), rng.uniform(0.7, 1.0)]])
    moved = [(np.asarray(stroke) - 0.5) @ shape @ turn for stroke in strokes]
    shaken = [stroke + rng.normal(0, 0.012, stroke.shape) for stroke in moved]
    return [np.clip(0.9 * stroke + 0.5, 0, 1) for stroke in shaken]
