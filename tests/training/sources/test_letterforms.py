"""Our own letterforms: some skeletons of each are held out, and all are what they are called."""

import numpy as np
import pytest

from training.sources import letterforms


@pytest.mark.parametrize("held_out", [False, True])
def test_every_form_by_its_skeletons(held_out):
    drawn = letterforms.draw(np.random.default_rng(0), 3, held_out)
    assert {(each.form, each.label) for each in drawn} == {
        ("flagged 1", 1),
        ("crossed 7", 7),
        ("open 4", 4),
        ("curled 9", 9),
    }
    assert len(drawn) == 4 * 3 * (4 if held_out else 8)
    for each in drawn:
        points = np.concatenate(each.strokes)
        np.testing.assert_array_equal(points, points.clip(0, 1))
        assert len(each.strokes) == 2 or each.label != 7  # the bar


def test_no_two_skeletons_are_alike_and_each_drawing_is_another():
    for _, _, skeletons in letterforms.FORMS.values():
        assert len(set(skeletons)) == 12
    one, other = letterforms.draw(np.random.default_rng(0), 2)[:2]
    assert not np.array_equal(one.strokes[0], other.strokes[0])
