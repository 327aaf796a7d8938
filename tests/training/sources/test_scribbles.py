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


def test_the_seed_decides():
    def drawn(seed):
        return [
            np.concatenate(strokes)
            for strokes in scribbles.draw(np.random.default_rng(seed), count=10)
        ]

    for first, again in zip(drawn(1), drawn(1), strict=True):
        np.testing.assert_array_equal(first, again)
    assert any(
        a.shape != b.shape or (a != b).any() for a, b in zip(drawn(1), drawn(2), strict=True)
    )


def test_no_two_drawings_of_a_kind_are_alike():
    first, second = scribbles.draw(np.random.default_rng(0), 2, ("star",))
    assert not np.allclose(first[0], second[0], atol=0.01)


def test_all_kinds_asked_for_are_drawn():
    drawings = scribbles.draw(np.random.default_rng(0), 200, ("dots", "square"))
    dots = sum(all(len(stroke) == 1 for stroke in strokes) for strokes in drawings)
    assert 60 < dots < 140
