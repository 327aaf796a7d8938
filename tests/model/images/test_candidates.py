"""Pictures that may be meant in several ways: one of the candidates is the digit alone."""

import numpy as np
import pytest
from PIL import Image

from model.images.candidates import candidates
from model.images.preprocess import preprocess
from model.images.steps import Stage
from model.images.strokes import render
from tests.support.drawings import FOUR, SEVEN, ZERO, correlation, drawings, paper, photo

SIDE = 280


def page(ink, tone=255, pen=0):
    """Ink on a page, (height, width) of floats."""
    return tone + (pen - tone) * (ink / 255.0)


def framed(ink):
    return np.pad(page(ink)[3:-3, 3:-3], 3)


def letterbox(ink):
    return np.pad(page(ink), ((40, 40), (0, 0)))


def pillarbox(ink):
    return np.pad(page(ink), ((0, 0), (50, 30)), constant_values=70)


def status_bar(ink):
    bar = np.full((24, SIDE), 60.0)
    bar[8:16, 10:50:3] = 240
    return np.concatenate([bar, page(ink)])


def inner_frame(ink):
    scene = page(ink)
    scene[8:11, 8:-8] = scene[-11:-8, 8:-8] = scene[8:-8, 8:11] = scene[8:-8, -11:-8] = 0
    return scene


def underlined(ink):
    scene = page(ink)
    scene[255:258, 30:250] = 0
    return scene


def neighbour(ink):
    scene = page(ink)
    scene[60:200, -12:] = 0
    return scene


def sheet(ink):
    """A sheet of paper, turned a little, on a dark table, in a camera's noise."""
    turned = Image.fromarray(np.pad(page(ink, 230, 40), 60, constant_values=-1).astype(np.float32))
    turned = np.asarray(turned.rotate(7, fillcolor=-1))
    noise = np.random.default_rng(0).normal(0, 3, turned.shape)
    return np.where(turned < 0, 45, turned) + noise


def red_on_green(ink):
    share = ink[..., None] / 255
    return share * (200, 0, 0) + (1 - share) * (0, 102, 0)


def yellow_on_white(ink):
    share = ink[..., None] / 255
    return share * (255, 250, 40) + (1 - share) * 255.0


@drawings
@pytest.mark.parametrize(
    "scene",
    [
        *(framed, letterbox, pillarbox, status_bar, inner_frame, underlined, neighbour, sheet),
        *(red_on_green, yellow_on_white),
    ],
)
def test_one_candidate_is_the_digit_alone(strokes, scene):
    ink = render([0.7 * stroke + 0.15 for stroke in strokes])
    picture = scene(ink).clip(0, 255).astype(np.uint8)
    expected = preprocess(np.asarray(Image.fromarray(ink).rotate(7 * (scene is sheet)))).image
    found = candidates(picture)
    assert max(correlation(each.seen.image, expected) for each in found) > 0.93
    for each in found:
        np.testing.assert_array_equal(each.stages[Stage.CENTRED], each.seen.image)
        whole = each.stages[Stage.PICTURE]
        assert whole.width * len(picture) == whole.height * picture.shape[1]


def test_a_sheet_is_found_in_every_mode():
    picture = Image.fromarray(sheet(render(ZERO)).clip(0, 255).astype(np.uint8)).convert("RGB")
    expected = preprocess(np.asarray(Image.fromarray(render(ZERO)).rotate(7))).image
    for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"):
        found = candidates(picture.convert(mode))
        assert max(correlation(each.seen.image, expected) for each in found) > 0.93


@drawings
def test_a_drawing_alone_is_meant_in_one_way(strokes):
    ink = render(strokes)
    transparent = Image.fromarray(np.stack([0 * ink, 0 * ink, 0 * ink, ink], axis=2))
    colour = Image.fromarray(255 - ink).convert("RGB")
    for picture in (ink, 255 - ink, colour, transparent):
        [one] = candidates(picture)
        np.testing.assert_array_equal(one.seen.image, preprocess(picture).image)
    small = preprocess(ink).image.astype(np.uint8)
    small[2:5, 1] = 255  # dirt in a picture of the network's own size stays
    [one] = candidates(small)
    assert one.seen.image[:, :4].any()


def test_no_part_of_several_digits_is_taken_for_one():
    pair = np.concatenate([render([0.7 * s + 0.15 for s in one]) for one in (FOUR, ZERO)], axis=1)
    underline = page(pair)
    underline[260:264, 40:500] = 0
    noisy = photo(SEVEN, paper(400, 700, (220, 200)), 40, 100, 200)
    noisy[:, 350:] = photo(FOUR, paper(400, 350, (210, 190)), 40, 100, 200)
    for scene in (page(pair), framed(pair), letterbox(pair), underline, noisy):
        assert candidates(scene.clip(0, 255).astype(np.uint8))[0].digits > 1


def test_a_digit_that_fills_its_picture_is_not_dropped():
    ink = render(ZERO)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    tight = 255 - ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert correlation(candidates(tight)[0].seen.image, preprocess(ink).image) > 0.95


def test_a_digit_of_28_pixels_on_a_ground_of_the_inks_tone_is_a_candidate():
    image = np.full((28, 28), 255, np.uint8)
    image[4:24, 8:20] = 0
    image[7:21, 13:15] = image[7:9, 10:15] = 255  # white on a dark rectangle of a light page
    _, hole = candidates(image)
    digit = preprocess(np.where(np.pad(image[4:24, 8:20], ((4, 4), (8, 8))) > 0, 255, 0)).image
    assert correlation(hole.seen.image, digit) > 0.95
    clean = preprocess(render(SEVEN)).image
    assert len(candidates(np.rint(clean).astype(np.uint8))) == 1


def test_hostile_pictures_have_few_candidates():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :300]
    dots = ((x % 4 < 2) & (y % 4 < 2)) * np.uint8(255)
    for picture in (dots, (rng.random((300, 300)) < 0.4), np.zeros((1, 900)), np.eye(300)):
        assert 1 <= len(candidates(picture)) <= 6
