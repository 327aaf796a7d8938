"""Made-up drawings: every kind can be drawn, stays on the page, and is seeded."""

import numpy as np
import pytest

from training.sources import scribbles

KINDS = scribbles.TRAINING_KINDS + scribbles.HELD_OUT_KINDS


def test_no_kind_is_both_trained_on_and_held_out():
    assert len(set(KINDS)) == len(KINDS)
    assert scribbles.HELD_OUT_KINDS
    assert len(scribbles.TRAINING_KINDS) > len(scribbles.HELD_OUT_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_lies_in_the_unit_square(kind):
    for strokes in scribbles.draw(np.random.default_rng(0), 20, (kind,)):
        points = np.concatenate(strokes)
        assert all(stroke.ndim == 2 and stroke.shape[1] == 2 for stroke in strokes)
        assert points.min() >= 0
        assert points.max() <= 1
        if kind != "dots":
            assert 0.5 <= np.ptp(points, axis=0).max() <= 0.9


def test_the_seed_decides_and_every_drawing_is_new():
    def drawn(seed, *kinds):
        return scribbles.draw(np.random.default_rng(seed), 200, *kinds)

    def points(drawings):
        return [np.concatenate(strokes) for strokes in drawings]

    first, again, other = (points(drawn(seed)) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    star, second, *_ = points(drawn(0, ("star",)))
    assert not np.allclose(star, second, atol=0.01)
    dots = [all(len(stroke) == 1 for stroke in strokes) for strokes in drawn(0, ("dots", "square"))]
    assert 60 < sum(dots) < 140
