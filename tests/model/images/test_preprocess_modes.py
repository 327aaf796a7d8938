"""Preprocessing takes every kind of picture: transparent, all modes, arrays, sideways."""

import io

import numpy as np
import pytest
from PIL import Image

from model.images.preprocess import preprocess
from model.images.strokes import render
from model.signature import WHITE
from tests.support.drawings import SEVEN, ZERO, assert_same, correlation, paper, photo


@pytest.mark.parametrize("ink", [0, 70, 190, 255])
@pytest.mark.parametrize("hidden", [0, 255])
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


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("inverted", [False, True])
def test_every_mode_of_pillow(mode, inverted):
    drawing = render(SEVEN)
    picture = Image.fromarray(255 - drawing if inverted else drawing).convert("RGB")
    picture = picture.convert("L").convert(mode) if mode in "1 L LA I F" else picture.convert(mode)
    result = preprocess(picture)
    assert result.inverted == inverted
    if mode == "1":  # no grey is left
        assert correlation(result.image, preprocess(drawing).image) > 0.99
    else:
        assert_same(result, preprocess(drawing))


def test_rare_modes_of_pillow():
    drawing = render(SEVEN)
    grey = Image.fromarray(drawing)
    flat = Image.new("L", grey.size, 128)
    rare = [
        grey.convert("LA").convert("La"),
        grey.convert("RGBA").convert("RGBa"),
        grey.convert("P").convert("PA"),
        Image.merge("LAB", (grey, flat, flat)),
        grey.convert("I").convert("I;16"),
        grey.convert("I").convert("I;16B"),
        Image.fromarray(drawing.astype(np.uint16) * 257),
        Image.fromarray(drawing.astype(np.int32) * 257),
    ]
    for picture in rare:
        assert_same(preprocess(picture), preprocess(drawing))


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
