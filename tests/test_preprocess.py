"""`model.preprocess`: MNIST's convention from any drawing, file format, photo or mistake."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.preprocess import preprocess
from model.signature import DIGITS, PIXELS, STEPS, WHITE
from model.stages import Stage
from model.strokes import render
from tests.drawings import FOUR, SEVEN, ZERO, drawings


def centre(image):
    """Centre of mass (x, y) in pixel indices."""
    steps, pixels = np.arange(STEPS), np.arange(PIXELS)
    return image.sum(axis=0) @ pixels / image.sum(), image.sum(axis=1) @ steps / image.sum()


def extent(image):
    """(width, height) of what is not page."""
    return [np.ptp(np.flatnonzero(image.any(axis=axis))) + 1 for axis in (0, 1)]


def assert_same(result, expected, tolerance=2):
    assert result.has_ink
    assert np.abs(result.image - expected.image).max() <= tolerance


def correlation(a, b):
    """Of the pixels; whole-pixel centring may put two near-equal digits one pixel apart."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(np.roll(a, by, (0, 1)).ravel(), b.ravel())[0, 1] for by in shifts)


def paper(height, width, light=(230, 120), noise=8, vignette=30, seed=0):
    """A photographed page: light falls off from left to right and to the corners."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = x / width, y / height
    page = light[0] + (light[1] - light[0]) * x - vignette * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    return page + np.random.default_rng(seed).normal(0, noise, page.shape)


def photo(strokes, page, left, top, side):
    """Draw with a pen that leaves a quarter of the light on a page, (left, top) first."""
    ink = np.zeros(page.shape)
    ink[top : top + side, left : left + side] = render(strokes, side) / WHITE
    return np.rint((page * (1 - 0.75 * ink)).clip(0, WHITE)).astype(np.uint8)


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


# Transparency and modes


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


# Pages and photos


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_blank_page_is_no_ink(level, mode):
    result = preprocess(Image.new("L", (280, 200), level).convert(mode))
    assert not result.has_ink
    assert not result.inverted
    assert result.box is None
    assert result.image.shape == (STEPS, PIXELS)
    assert not result.image.any()


def test_a_transparent_canvas_is_no_ink():
    for hidden in (0, 255):
        canvas = np.full((50, 60, 4), hidden, np.uint8)
        canvas[..., 3] = 0
        assert not preprocess(canvas).has_ink


@pytest.mark.parametrize("noise", [0, 3, 10, 30])
@pytest.mark.parametrize("light", [(230, 120), (250, 60), (128, 128), (90, 30)])
@pytest.mark.parametrize("shape", [(280, 280), (300, 400), (1200, 900)])
def test_noise_and_shading_are_no_ink(noise, light, shape):
    for seed in range(3):
        page = paper(*shape, light, noise, seed=seed).clip(0, WHITE)
        for picture in (page, page.T, page[:, ::-1]):
            assert not preprocess(picture).has_ink


def test_an_edge_of_a_shadow_is_no_ink():
    page = paper(300, 400, light=(220, 200), noise=4)
    y, x = np.mgrid[0:300, 0:400]
    shadow = page * (1 - 0.35 / (1 + np.exp(-(x + y - 350) / 6)))
    assert not preprocess(shadow).has_ink


@drawings
@pytest.mark.parametrize("noise", [0, 8, 20])
def test_a_photo_in_uneven_light(strokes, noise):
    expected = preprocess(render(strokes, 180))
    page = paper(300, 400, noise=noise)
    for left, top in ((5, 110), (110, 60), (215, 5)):
        picture = photo(strokes, page, left, top, 180)
        result = preprocess(picture)
        assert result.inverted
        assert correlation(result.image, expected.image) > 0.9
        np.testing.assert_allclose(np.subtract(result.box, expected.box), [left, top] * 2, atol=5)
        background = result.image[expected.image == 0]
        assert np.median(background) == 0
        negative = preprocess(255 - picture)
        assert not negative.inverted
        assert correlation(negative.image, expected.image) > 0.85


@drawings
def test_a_photo_half_in_the_shadow(strokes):
    page = paper(300, 400, light=(230, 210), noise=4)
    y, x = np.mgrid[0:300, 0:400]
    page *= 1 - 0.35 / (1 + np.exp(-(x + y - 350) / 6))
    result = preprocess(photo(strokes, page, 110, 60, 180))
    assert result.inverted
    assert correlation(result.image, preprocess(render(strokes, 180)).image) > 0.85


def test_dust_does_not_count_as_ink():
    picture = photo(SEVEN, paper(300, 400), 110, 60, 180)
    clean = preprocess(picture)
    for x, y in ((20, 20), (380, 30), (30, 280), (370, 270)):
        picture[y : y + 3, x : x + 3] = 40
    assert_same(preprocess(picture), clean)


def test_a_jpeg_of_a_drawing():
    file = io.BytesIO()
    Image.fromarray(255 - render(SEVEN)).save(file, "JPEG", quality=40)
    result = preprocess(Image.open(file))
    assert result.inverted
    assert correlation(result.image, preprocess(render(SEVEN)).image) > 0.98


def test_a_small_digit_in_a_huge_picture():
    page = paper(3000, 4000)
    result = preprocess(photo(SEVEN, page, 3100, 300, 300))
    expected = preprocess(render(SEVEN, 300))
    assert correlation(result.image, expected.image) > 0.95
    np.testing.assert_allclose(np.subtract(result.box, expected.box), [3100, 300] * 2, atol=10)
    canvas = np.zeros((3000, 4000), np.uint8)
    canvas[2900:2950, 60:110] = render(SEVEN, 50)
    tiny = preprocess(canvas)
    box = np.add(preprocess(render(SEVEN, 50)).box, [60, 2900] * 2)
    np.testing.assert_allclose(tiny.box, box, atol=2)
    assert correlation(tiny.image, preprocess(render(SEVEN, 50)).image) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (1, 3000), (3000, 1), (600, 3)])
def test_odd_shapes_keep_what_is_promised(shape):
    rng = np.random.default_rng(1)
    for picture in (
        rng.integers(0, 256, shape, np.uint8),
        rng.integers(0, 256, (*shape, 3), np.uint8),
        rng.integers(0, 256, (*shape, 4), np.uint8),
        np.linspace(0, 255, shape[0] * shape[1]).reshape(shape),
    ):
        result = preprocess(picture)
        assert result.image.shape == (STEPS, PIXELS)
        assert np.isfinite(result.image).all()
        assert result.has_ink == result.image.any() == (result.box is not None)
        if result.has_ink:
            left, top, right, bottom = result.box
            assert 0 <= left < right <= shape[1]
            assert 0 <= top < bottom <= shape[0]


# Stages


def recorded(picture):
    """All that is recorded, in order, and the result."""
    stages = {}

    def record(stage, image):
        assert stage not in stages
        stages[stage] = np.asarray(image).copy()

    return stages, preprocess(picture, record)


FROM_INK = [Stage.CROPPED, Stage.BOX, Stage.CENTRED]


def test_the_stages_of_a_drawing():
    picture = Image.fromarray(255 - render(SEVEN)).convert("RGB")
    stages, result = recorded(picture)
    assert list(stages) == [Stage.PICTURE, Stage.GREY, Stage.INK, *FROM_INK]
    np.testing.assert_array_equal(stages[Stage.PICTURE], picture)
    np.testing.assert_array_equal(stages[Stage.GREY], 255 - render(SEVEN))
    np.testing.assert_array_equal(stages[Stage.INK], render(SEVEN))
    left, top, right, bottom = result.box
    np.testing.assert_array_equal(stages[Stage.CROPPED], render(SEVEN)[top:bottom, left:right])
    assert stages[Stage.BOX].shape == (20, 20)
    assert stages[Stage.BOX].sum() == result.image.sum()
    np.testing.assert_array_equal(stages[Stage.CENTRED], result.image)


def test_the_stages_of_a_photo():
    stages, result = recorded(photo(SEVEN, paper(300, 400), 110, 60, 180))
    assert list(stages) == [Stage.PICTURE, Stage.GREY, Stage.CLEANED, *FROM_INK]
    page = np.ones((300, 400), bool)
    page[60:240, 110:290] = False
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


def test_the_recorded_picture_is_upright_and_in_colour():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    photo_file = Image.new("RGB", (1200, 900), (250, 250, 240))
    photo_file.paste((20, 30, 160), (500, 300, 560, 700))
    photo_file.save(file, "JPEG", quality=95, exif=exif)
    stages, _ = recorded(Image.open(file))
    assert stages[Stage.PICTURE].shape == (400, 300, 3)
    red, _, blue = stages[Stage.PICTURE][175, 150]
    assert blue > red + 50


def test_without_ink_only_the_picture_is_recorded():
    for blank in (np.full((80, 90), 200, np.uint8), paper(300, 400)):
        stages, result = recorded(blank.clip(0, WHITE))
        assert list(stages) == [Stage.PICTURE]
        assert not result.has_ink


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
        images, labels = data["x_test"][:1000], data["y_test"][:1000]
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
    assert same >= 0.99 * len(images)
    assert photos > 0.9
