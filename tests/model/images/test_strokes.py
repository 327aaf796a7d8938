"""`model.images.strokes`: the pen."""

import numpy as np
import pytest

from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, brush_for, render, without_each
from model.signature import WHITE
from tests.support.drawings import DRAWINGS, FOUR, SEVEN, correlation, drawings


@drawings
@pytest.mark.parametrize("size", [64, 280, 281])
def test_mirrored_strokes_give_the_mirrored_drawing(strokes, size):
    drawing = render(strokes, size)
    assert drawing.dtype == np.uint8
    assert drawing.shape == (size, size)
    assert drawing.max() == WHITE
    mirrored = render([np.array([1, 0]) + stroke * [-1, 1] for stroke in strokes], size)
    np.testing.assert_array_equal(mirrored, drawing[:, ::-1])
    flipped = render([np.array([0, 1]) + stroke * [1, -1] for stroke in strokes], size)
    np.testing.assert_array_equal(flipped, drawing[::-1])
    np.testing.assert_array_equal(render([s[:, ::-1] for s in strokes], size), drawing.T)


def test_a_line_is_as_thick_and_long_as_the_brush_says():
    drawing = render([[[0.25, 0.5], [0.75, 0.5]]], size=200, brush=0.1) / WHITE
    assert drawing[:, 100].sum() == pytest.approx(20, abs=0.5)
    assert drawing[100].sum() == pytest.approx(100 + 20, abs=0.5)  # round caps stick out
    assert drawing.sum() == pytest.approx(100 * 20 + np.pi * 100, rel=0.01)
    assert drawing[90, 40] < 0.1  # round, not square: the cap's corner is empty


def test_two_points_and_many_points_draw_the_same_line():
    few = render([[[0.2, 0.3], [0.8, 0.7]]])
    many = render([np.linspace([0.2, 0.3], [0.8, 0.7], 300)])
    assert np.abs(few.astype(int) - many).max() <= 0.2 * WHITE  # a fifth of a pixel at the edge


def test_one_point_is_a_round_dot():
    drawing = render([[[0.5, 0.5]]], size=100, brush=0.2) / WHITE
    assert drawing.sum() == pytest.approx(np.pi * 10**2, rel=0.01)
    assert ((drawing > 0) & (drawing < 1)).any()  # anti-aliased


def test_what_lies_outside_is_clipped():
    inside = render([[[-0.5, 0.5], [1.5, 0.5]]])
    middle = inside[:, 140].astype(int)
    assert np.abs(inside[:, 0] - middle).max() <= 0.2 * WHITE
    assert np.abs(inside[:, -1] - middle).max() <= 0.2 * WHITE
    assert not render([[[-0.5, -0.5]], [[5, 5], [9, 9]], [[1e300, -1e300], [1e300, 1e300]]]).any()
    assert render([[[-1e5, 0.5], [1e5, 0.5]]])[140].min() == WHITE


def test_nothing_drawn_is_a_black_page():
    assert not render([]).any()
    assert not render([np.zeros((0, 2))]).any()


def test_wrong_strokes_and_sizes_are_named():
    for strokes, message in (
        ([[1.0, 2.0]], "stroke 0 must have shape"),
        ([[[0, 0]], np.zeros((2, 3))], "stroke 1 must have shape"),
        ([[[0, np.nan]]], "NaN"),
        ([[[np.inf, 0]]], "NaN or infinite"),
        ([["a", "b"]], "rows of two numbers"),
        ([[[0, 1], [2]]], "rows of two numbers"),
        (7, "sequence of arrays"),
    ):
        with pytest.raises(ValueError, match=message):
            render(strokes)
    for wrong in ({"size": 0}, {"brush": 0}, {"brush": 1.5}, {"brush": np.nan}):
        with pytest.raises(ValueError, match="size must be at least 1 and brush"):
            render(SEVEN, **wrong)


@pytest.mark.parametrize("strokes", [[FOUR[0]], FOUR, [*FOUR, *SEVEN, *DRAWINGS["zero"]]])
def test_drawn_without_each_stroke(strokes):
    for n, picture in enumerate(without_each(strokes)):
        others = strokes[:n] + strokes[n + 1 :]
        np.testing.assert_array_equal(picture, render(others, brush=brush_for(strokes)))


@drawings
@pytest.mark.parametrize("scale", [0.3, 0.12])
def test_a_small_drawing_is_read_as_a_large_one(strokes, scale):
    small = preprocess(render([0.1 + scale * stroke for stroke in strokes])).image
    extent = np.ptp(np.concatenate(strokes), axis=0).max()
    large = preprocess(render(strokes, brush=extent * BRUSH / 0.5)).image
    assert correlation(small, large) > 0.9


def test_the_brush_is_thinner_on_small_drawings_alone_and_a_dot_stays_one():
    side = [np.array([[0.0, 0.0], [1.0, 1.0]])]
    assert brush_for([]) == brush_for(side) == brush_for([0.6 * side[0]]) == BRUSH
    assert brush_for([0.2 * side[0]]) == pytest.approx(0.2 * BRUSH / 0.5)
    assert brush_for([0.01 * side[0]]) == brush_for([side[0][:1]]) == BRUSH
