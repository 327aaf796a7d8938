"""Pictures as people bring them: all kinds are made, alike for a seed, and the app reads them."""

from collections import Counter

import numpy as np

from model.images.files import open_picture
from model.predictor import Predictor
from tests.support.drawings import FOUR, SEVEN, ZERO
from training.evaluation.pictures import __main__ as pictures
from training.sources.pendigits import PenDigit

DIGITS = [PenDigit(strokes, label, 1) for strokes, label in ((SEVEN, 7), (ZERO, 0), (FOUR, 4))]


def test_there_are_many_kinds_and_a_seed_gives_the_same_pictures():
    assert len(pictures.KINDS) >= 40
    for make in list(pictures.KINDS.values())[::15]:
        first, again = (make(SEVEN, np.random.default_rng(4)) for _ in range(2))
        assert first == again
        assert max(open_picture(first, 3_000_000).size) <= 2000


def test_the_app_reads_plain_digits_in_every_kind_and_refuses_several(monkeypatch):
    monkeypatch.setattr(pictures, "COUNT", 1)
    found = pictures.outcomes(Predictor(), DIGITS, seed=5)
    total = Counter()
    for name in pictures.KINDS:
        total += found[name]
    assert total["right"] >= 0.95 * total.total()
    assert sum(found[name]["refused"] for name in pictures.SEVERAL) >= len(pictures.SEVERAL) - 1
