"""Preprocessing: MNIST's convention from any drawing in any polarity, and mistakes by name."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.images.preprocess import find_ink, preprocess
from model.images.steps import Stage
from model.images.strokes import render
from model.signature import DIGITS, PIXELS, STEPS, WHITE
from tests.support.drawings import (
    FOUR,
    SEVEN,
    ZERO,
    assert_same,
    correlation,
    drawings,
    paper,
    photo,
)


def centre(image):
    """Centre of mass (x, y) in pixel indices."""
    steps, pixels = np.arange(STEPS), np.arange(PIXELS)
    return image.sum(axis=0) @ pixels / image.sum(), image.sum(axis=1) @ steps / image.sum()


def extent(image):
    """(width, height) of what is not page."""
    return [np.ptp(np.flatnonzero(image.any(axis=axis))) + 1 for axis in (0, 1)]


# MNIST's convention


@drawings
def test_drawing_arrives_in_the_convention(strokes):
    result = preprocess(render(strokes))
    assert result.image.shape == (STEPS, PIXELS)
    assert result.image.dtype == np.float32
    assert result.image.min() == 0
    assert result.image.max() == WHITE
    assert max(extent(result.image)) == 20
    # MNIST's own digits have it in 13.5 .. 14.5 (pixel i's middle is at i), as measured.
    assert centre(result.image) == pytest.approx((14, 14), abs=0.501)
    assert ((result.image > 0) & (result.image < WHITE)).sum() > 10  # anti-aliased


@drawings
def test_a_part_of_the_ink_is_placed_where_it_is_in_the_whole(strokes):
    ink = render(strokes)
    whole = preprocess(ink)
    np.testing.assert_array_equal(whole.place(ink), whole.image)
    upper, lower = ink.copy(), ink.copy()
    upper[140:], lower[:140] = 0, 0
    parts = whole.place(upper) + whole.place(lower)
    np.testing.assert_allclose(parts, whole.image, atol=1)  # each in whole greys
    assert not whole.place(np.zeros_like(ink)).any()


@pytest.mark.parametrize(("width", "height"), [(100, 50), (30, 120), (80, 80), (24, 200)])
def test_aspect_ratio_is_kept(width, height):
    picture = np.zeros((300, 260), np.uint8)
    picture[40 : 40 + height, 21 : 21 + width] = 255
    result = preprocess(picture)
    assert result.box == (21, 40, 21 + width, 40 + height)
    longest = max(width, height)
    mass = 20 * width / longest * 20 * height / longest
    assert result.image.sum() / WHITE == pytest.approx(mass, rel=0.12)
    expected = [width * 20 / longest, height * 20 / longest]
    np.testing.assert_allclose(
        extent(result.image), expected, atol=1.7
    )  # an edge in mid-pixel widens


@drawings
@pytest.mark.parametrize("invert", [False, True])
def test_a_digit_in_the_convention_comes_back_as_it_is(strokes, invert):
    first = preprocess(render(strokes))
    again = preprocess(WHITE - first.image if invert else first.image)
    np.testing.assert_array_equal(again.image, first.image)
    assert again.inverted == invert


@drawings
def test_place_and_size_of_the_drawing_do_not_matter(strokes):
    expected = preprocess(render(strokes, 200))
    canvas = np.zeros((900, 500), np.uint8)
    canvas[650:850, 10:210] = render(strokes, 200)
    moved = preprocess(canvas)
    assert correlation(moved.image, expected.image) > 0.98
    larger = preprocess(render(strokes, 2000))
    assert correlation(larger.image, expected.image) > 0.98


def test_a_hairline_is_as_bright_as_a_thick_line():
    result = preprocess(render(SEVEN, brush=0.004))
    assert result.image.max() == WHITE
    assert max(extent(result.image)) == 20


def test_the_same_picture_gives_the_same_bits():
    pictures = [render(FOUR), photo(FOUR, paper(300, 400), 100, 50, 200)]
    for picture in pictures:
        before = picture.copy()
        first, second = preprocess(picture), preprocess(picture)
        np.testing.assert_array_equal(first.image, second.image)
        assert first.box == second.box
        np.testing.assert_array_equal(picture, before)


# Polarity


@drawings
@pytest.mark.parametrize("brush", [0.01, 0.09, 0.2])
def test_polarity_is_found(strokes, brush):
    drawing = render(strokes, brush=brush)
    light_ink, dark_ink = preprocess(drawing), preprocess(255 - drawing)
    assert not light_ink.inverted
    assert dark_ink.inverted
    assert_same(dark_ink, light_ink, 0)
    assert dark_ink.box == light_ink.box


@drawings
def test_grey_ink_on_a_grey_page(strokes):
    drawing = render(strokes)
    expected = preprocess(drawing)
    for page, ink in ((200, 90), (90, 200), (255, 215)):
        grey = np.rint(page + (ink - page) * (drawing / WHITE)).astype(np.uint8)
        result = preprocess(grey)
        assert_same(result, expected, 8)
        assert result.inverted == (ink < page)


@drawings
def test_ink_that_touches_the_border(strokes):
    drawing = render(strokes)
    left, top, right, bottom = preprocess(drawing).box
    tight = drawing[top:bottom, left:right]
    for picture, inverted in ((tight, False), (255 - tight, True)):
        result = preprocess(picture)
        assert result.inverted == inverted
        assert result.box == (0, 0, right - left, bottom - top)
        assert_same(result, preprocess(drawing), 0)
    cut = drawing[:, (left + right) // 2 :]  # half of the digit is off the page
    rows = np.flatnonzero(cut.any(axis=1))
    expected = (0, rows[0], right - (left + right) // 2, rows[-1] + 1)
    assert preprocess(cut).box == preprocess(255 - cut).box == expected


# Every kind of picture


@pytest.mark.parametrize(("ink", "hidden"), [(0, 255), (70, 0), (190, 255), (255, 0)])
def test_ink_on_a_transparent_canvas(ink, hidden):
    drawing = render(SEVEN)
    canvas = np.full((280, 280, 4), hidden, np.uint8)
    canvas[drawing > 0, :3] = ink
    canvas[..., 3] = drawing
    result = preprocess(Image.fromarray(canvas))
    assert_same(result, preprocess(drawing), 0)
    assert result.inverted == (ink < 128)
    assert_same(preprocess(canvas), result, 0)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_drawing_with_transparent_corners(inverted):
    drawing = render(SEVEN)
    card = Image.fromarray(255 - drawing if inverted else drawing).convert("RGBA")
    alpha = np.full(drawing.shape, 255, np.uint8)
    alpha[:9, :9] = alpha[-9:] = 0
    card.putalpha(Image.fromarray(alpha))
    result = preprocess(card)
    assert result.inverted == inverted
    assert_same(result, preprocess(drawing))


def test_a_page_made_transparent_leaves_a_frayed_rim():
    page = Image.fromarray(255 - render(SEVEN)).convert("P")
    file = io.BytesIO()
    page.save(file, "PNG", transparency=255)
    result = preprocess(Image.open(file))
    assert result.inverted
    assert_same(result, preprocess(render(SEVEN)))


def test_every_mode_of_pillow():
    drawing = render(SEVEN)
    expected = preprocess(drawing)
    grey = Image.fromarray(drawing)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"):
        for inverted in (False, True):
            picture = Image.fromarray(255 - drawing) if inverted else grey
            picture = picture if mode in "1 L LA I F" else picture.convert("RGB")
            result = preprocess(picture.convert(mode))
            assert result.inverted == inverted
            if mode == "1":  # no grey is left
                assert correlation(result.image, expected.image) > 0.99
            else:
                assert_same(result, expected)
    flat = Image.new("L", grey.size, 128)
    for picture in (
        grey.convert("LA").convert("La"),
        grey.convert("RGBA").convert("RGBa"),
        grey.convert("P").convert("PA"),
        Image.merge("LAB", (grey, flat, flat)),
        grey.convert("I").convert("I;16"),
        grey.convert("I").convert("I;16B"),
        Image.fromarray(drawing.astype(np.uint16) * 257),
        Image.fromarray(drawing.astype(np.int32) * 257),
    ):
        assert_same(preprocess(picture), expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16])
def test_every_kind_of_array(kind):
    drawing = render(ZERO)
    expected = preprocess(drawing)
    assert_same(preprocess(drawing.astype(kind)), expected, 0)
    assert_same(preprocess(np.repeat(drawing.astype(kind)[..., None], 3, axis=2)), expected, 0)
    assert correlation(preprocess(drawing > 127).image, expected.image) > 0.99
    assert_same(preprocess((drawing / WHITE).astype(np.float32)), expected, 0)  # 0..1
    assert_same(preprocess(drawing[::-1, ::-1][::-1, ::-1]), expected, 0)  # a view


def test_a_phone_stores_its_photo_sideways():
    page = photo(SEVEN, paper(300, 400), 150, 50, 200)
    upright = preprocess(page)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to show"
    file = io.BytesIO()
    Image.fromarray(page).rotate(90, expand=True).save(file, "JPEG", quality=95, exif=exif)
    result = preprocess(Image.open(file))
    assert correlation(result.image, upright.image) > 0.99
    np.testing.assert_allclose(result.box, upright.box, atol=3)


# What is recorded on the way

FROM_INK = [Stage.CROPPED, Stage.BOX, Stage.CENTRED]


def recorded(picture):
    """All that is recorded, in order, and the result."""
    stages = {}

    def record(stage, image):
        assert stage not in stages
        stages[stage] = np.asarray(image).copy()

    return stages, preprocess(picture, record)


def test_the_stages_of_a_drawing():
    picture = Image.fromarray(255 - render(SEVEN)).convert("RGB")
    stages, result = recorded(picture)
    assert list(stages) == [Stage.PICTURE, Stage.GREY, Stage.INK, *FROM_INK]
    left, top, right, bottom = result.box
    for stage, expected in (
        (Stage.PICTURE, picture),
        (Stage.GREY, 255 - render(SEVEN)),
        (Stage.INK, render(SEVEN)),
        (Stage.CROPPED, render(SEVEN)[top:bottom, left:right]),
        (Stage.CENTRED, result.image),
    ):
        np.testing.assert_array_equal(stages[stage], expected)
    assert stages[Stage.BOX].shape == (20, 20)
    assert stages[Stage.BOX].sum() == result.image.sum()
    blank, _ = recorded(np.full((80, 90), 200, np.uint8))
    assert list(blank) == [Stage.PICTURE]


def test_the_stages_of_a_photo():
    stages, result = recorded(photo(SEVEN, paper(270, 360), 100, 50, 170))
    assert list(stages) == [Stage.PICTURE, Stage.GREY, Stage.CLEANED, *FROM_INK]
    page = np.ones((270, 360), bool)
    page[50:220, 100:270] = False
    assert stages[Stage.GREY][page].std() > 20  # uneven light and noise
    assert not stages[Stage.CLEANED][page].any()
    np.testing.assert_array_equal(stages[Stage.CENTRED], result.image)


def test_small_ink_is_looked_at_again_and_its_stages_are_those_of_the_closer_look():
    canvas = np.zeros((3000, 4000), np.uint8)
    canvas[2900:2950, 60:110] = render(SEVEN, 50)
    stages, _ = recorded(canvas)
    assert list(stages) == [Stage.PICTURE, Stage.CLOSER, Stage.GREY, Stage.INK, *FROM_INK]
    assert max(stages[Stage.PICTURE].shape) == 500
    assert stages[Stage.CLOSER].shape == stages[Stage.GREY].shape
    assert max(stages[Stage.CLOSER].shape) < 200


# Mistakes


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (None, "must have shape"),
        (np.zeros(5), "must have shape"),
        (np.zeros((2, 28, 28, 3)), "must have shape"),
        (np.zeros((28, 28, 2)), "must have shape"),
        (np.zeros((0, 28)), "no pixels"),
        (Image.new("L", (0, 5)), "no pixels"),
        (np.full((28, 28), np.nan), r"must lie in 0\.\.255"),
        (np.array([[0, np.inf]]), r"must lie in 0\.\.255"),
        (np.array([[-1, 5]]), r"must lie in 0\.\.255"),
        (np.array([[0.0, 300.0]]), r"must lie in 0\.\.255"),
        (np.array([["a"]]), "must be numbers"),
        (np.zeros((5, 5), complex), "must be numbers"),
    ],
)
def test_wrong_pictures_are_named(picture, message):
    with pytest.raises(ValueError, match=message):
        preprocess(picture)


def test_a_truncated_file_is_named():
    file = io.BytesIO()
    Image.fromarray(render(SEVEN)).save(file, "PNG")
    whole = file.getvalue()
    with pytest.raises(ValueError, match="cannot be decoded"):
        preprocess(Image.open(io.BytesIO(whole[: len(whole) // 2])))


# Real digits, where SCANLINE_DATA names MNIST's mnist.npz


@pytest.mark.skipif(
    not Path(os.environ.get("SCANLINE_DATA", "-")).is_file(), reason="SCANLINE_DATA is not a file"
)
def test_mnist_comes_back():
    with np.load(os.environ["SCANLINE_DATA"]) as data:
        images, labels = data["x_train"][-1000:], data["y_train"][-1000:]  # validation
    assert set(labels) == set(range(DIGITS))
    same = photos = 0
    for image in images:
        result = preprocess(image)
        assert not result.inverted
        same += np.abs(result.image - image).max() <= 2
        page = paper(300, 400)
        large = Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC)
        page[100:240, 30:170] *= 1 - 0.75 * np.asarray(large) / WHITE
        photos += correlation(preprocess(page.clip(0, WHITE)).image, image) / len(images)
    assert same >= 0.97 * len(images)
    assert photos > 0.9


# What cameras, sensors and highlighters make of it


@drawings
@pytest.mark.parametrize("bits", [10, 12, 13, 16])
def test_values_that_fill_a_part_of_16_bits(strokes, bits):
    drawing = render(strokes)
    values = np.rint(drawing / WHITE * (2**bits - 1))
    for base in (0, 20_000) if bits < 16 else (0,):
        pixels = (values + base).astype(np.uint16)
        assert_same(preprocess(pixels), preprocess(drawing))
        assert_same(preprocess(Image.fromarray(pixels)), preprocess(drawing))
    assert not preprocess(np.full((30, 30), 5_000, np.uint16)).has_ink


@drawings
def test_colours_of_one_luminance_and_a_yellow_pen(strokes):
    share = render(strokes)[..., None] / WHITE
    for ink, page in (
        ((200, 0, 0), (0, 102, 0)),
        ((40, 60, 255), (255, 0, 0)),
        ((255, 250, 0),) * 2,
    ):
        page = (255, 255, 255) if page == ink else page
        picture = np.rint(share * ink + (1 - share) * page).astype(np.uint8)
        assert_same(preprocess(picture), preprocess(render(strokes)), 4)
    noise = np.random.default_rng(0).normal(0, 4, (280, 280, 3))
    uneven = np.linspace(0.7, 1, 280)[:, None]
    photo = (share * (250, 240, 60) + (1 - share) * 250.0) * uneven + noise
    seen = preprocess(photo.clip(0, WHITE).astype(np.uint8))
    assert correlation(seen.image, preprocess(render(strokes)).image) > 0.9


@drawings
def test_lines_of_one_pixel_become_a_pens(strokes):
    seen = preprocess(render(strokes, size=500, brush=0.003))
    thick = preprocess(render(strokes, brush=0.05)).image
    assert correlation(seen.image, thick) > 0.8
    assert seen.image.sum() == pytest.approx(thick.sum(), rel=0.4)
    np.testing.assert_array_equal(seen.place(render(strokes, size=500, brush=0.003)), seen.image)


@pytest.mark.parametrize("side", [21, 22, 40, 200])
def test_a_spot_brighter_than_the_lines_does_not_make_them_thin(side):
    """It was thickened again and again, without an end."""
    picture = np.zeros((side + 8, side + 8), np.uint8)
    picture[4:-4, 4 : 4 + side // 4] = 140
    plain = preprocess(picture).image
    picture[4, 4] = 255
    assert correlation(preprocess(picture).image, plain) > 0.98


@drawings
@pytest.mark.parametrize("side", [84, 140, 280, 400])
def test_an_enlarged_or_compressed_drawing_is_one(strokes, side):
    small = Image.fromarray(render(strokes, 28))
    for way in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS, Image.Resampling.NEAREST):
        large = small.resize((side, side), way)
        file = io.BytesIO()
        large.save(file, "JPEG", quality=60)
        for picture in (large, Image.open(file)):
            assert find_ink(picture).is_drawing
            assert correlation(preprocess(picture).image, preprocess(small).image) > 0.85
