"""From drawings to training images: how much is drawn, how thick, where, and that it is seeded."""

import numpy as np
import pytest

from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, render
from training.sources.render import (
    ANY,
    STYLES,
    Style,
    partial,
    pictures_to_images,
    placed,
    to_images,
)

BAR = np.array([[0.5, 0.1], [0.5, 0.9]])
DOT = np.array([[0.2, 0.2]])
SEVEN = [np.array([[0.2, 0.2], [0.8, 0.2], [0.4, 0.9]]), np.array([[0.4, 0.5], [0.8, 0.5]])]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_share_of_the_strokes_length_is_kept():
    for share, end in ((0, [0.5, 0.1]), (0.25, [0.5, 0.3]), (0.5, [0.5, 0.5]), (1, [0.5, 0.9])):
        (stroke,) = partial([BAR], share)
        np.testing.assert_allclose([stroke[0], stroke[-1]], [BAR[0], end])
    second = np.add(BAR, (0.2, 0))
    (only,) = partial([BAR, second], 0.25)
    np.testing.assert_allclose(only, [[0.5, 0.1], [0.5, 0.5]])
    np.testing.assert_allclose(partial([BAR, second], 0.75), [BAR, [[0.7, 0.1], [0.7, 0.5]]])
    assert len(partial([SEVEN[0]], 0.9)[0]) == 3  # corners on the way are kept
    for strokes in ([DOT], [BAR, DOT], [DOT, BAR]):  # and dots survive
        assert [len(stroke) for stroke in partial(strokes, 1)] == [len(s) for s in strokes]
    np.testing.assert_array_equal(partial([DOT], 0.5)[0], DOT)


def test_placed_keeps_the_aspect_ratio_and_fills_the_room():
    top, bottom = (np.concatenate(placed(SEVEN, 0.5, x, x)) for x in (0, 1))
    np.testing.assert_allclose(top.min(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(bottom.max(axis=0), 1)
    np.testing.assert_allclose(np.ptp(top, axis=0), [0.5 * 0.6 / 0.7, 0.5])
    np.testing.assert_allclose(placed([DOT], 0.5, 0.5, 0.5)[0], [[0.5, 0.5]])


def test_images_are_what_the_app_sees():
    check = np.array([[0.2, 0.5], [0.4, 0.8], [0.8, 0.2]])  # as wide as high: only one place
    (image,) = to_images([[check]], rng(), Style(extent=(1, 1)))
    drawn = (check - 0.2) / 0.6 * (1 - BRUSH) + BRUSH / 2
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.rint(preprocess(render([drawn])).image))


def test_thickness_follows_the_brush_and_the_extent():
    def mass(**style) -> float:
        return to_images([SEVEN] * 8, rng(), Style(**style)).mean()

    thin, normal, thick = (mass(brush=(b, b)) for b in (0.04, 0.08, 0.14))
    assert thin < normal < thick
    assert mass(extent=(0.3, 0.3)) > mass(extent=(0.9, 0.9))


def test_a_corner_cuts_nothing_off():
    middle = to_images([SEVEN] * 4, rng(), Style(extent=(0.4, 0.4)))
    corner = to_images([SEVEN] * 4, rng(), Style(extent=(0.4, 0.4), corner=True))
    np.testing.assert_allclose(corner.mean(), middle.mean(), rtol=0.03)


def test_partial_drawings_hold_other_ink():
    whole, part = (to_images([SEVEN], rng(), Style(share=(s, s))) for s in (1, 0.3))
    assert np.abs(whole.astype(int) - part).mean() > 10


@pytest.mark.parametrize("style", [*STYLES.values(), ANY])
def test_every_style_shows_ink(style):
    images = to_images([SEVEN, [DOT], [BAR]], rng(), style)
    assert (images.max(axis=(1, 2)) > 200).all()


def test_the_seed_decides_and_not_the_number_of_processes():
    drawings = [SEVEN, [BAR]] * 120
    images = to_images(drawings, rng(1), ANY)
    np.testing.assert_array_equal(to_images(drawings, rng(1), ANY), images)
    shared = to_images(drawings, rng(1), ANY, processes=2)
    assert np.abs(shared.astype(int) - images).max() <= 1  # BLAS with other threads
    assert (to_images(drawings, rng(2), ANY) != images).any()


def picture(width: int) -> np.ndarray:
    page = np.zeros((105, 105), np.uint8)
    page[30:90, 60 : 60 + width] = 255
    page[30 : 30 + width, 40:60] = 255
    return page


def test_lines_of_pictures_are_retraced_as_thick_as_strokes():
    style = Style(brush=(0.08, 0.08), extent=(0.6, 0.6))
    strokes = [np.array([[0.4, 0.3], [0.6, 0.3], [0.6, 0.9]])]
    drawn = to_images([strokes], rng(), style).mean()
    for width in (2, 3, 5):  # Omniglot's lines are about 5 pixels wide
        retraced = pictures_to_images([picture(width)], rng(), style).mean()
        np.testing.assert_allclose(retraced, drawn, rtol=0.15)


def test_blank_pictures_and_no_pictures():
    blank = pictures_to_images([np.zeros((20, 30), np.uint8)], rng())
    assert blank.shape == (1, 28, 28)
    assert not blank.any()
    assert pictures_to_images([], rng()).shape == (0, 28, 28)
    assert to_images([], rng()).shape == (0, 28, 28)
