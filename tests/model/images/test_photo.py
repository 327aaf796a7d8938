"""`model.images.photo` by way of `preprocess`: pages, photos, and what is no ink in them."""

import io

import numpy as np
import pytest
from PIL import Image

from model.images.preprocess import preprocess
from model.images.strokes import render
from model.signature import WHITE
from tests.support.drawings import SEVEN, assert_same, correlation, drawings, paper, photo


def test_a_blank_page_is_no_ink():
    pages = [Image.new("L", (280, 200), level) for level in (0, 1, 128, 255)]
    pages += [page.convert(mode) for page in pages for mode in ("RGB", "RGBA")]
    for hidden in (0, 255):
        canvas = np.full((50, 60, 4), hidden, np.uint8)
        canvas[..., 3] = 0
        pages.append(canvas)
    for page in pages:
        result = preprocess(page)
        assert (result.has_ink, result.inverted, result.box) == (False, False, None)
        assert not result.image.any()


@pytest.mark.parametrize("noise", [0, 3, 10, 30])
@pytest.mark.parametrize("shape", [(280, 280), (300, 400), (1200, 900)])
def test_noise_and_shading_are_no_ink(noise, shape):
    for seed, light in enumerate([(230, 120), (250, 60), (128, 128), (90, 30)]):
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


def test_odd_shapes_keep_what_is_promised():
    rng = np.random.default_rng(1)
    for shape in ((1, 1), (1, 7), (7, 1), (2, 2), (1, 3000), (3000, 1), (600, 3)):
        for picture in (
            *(rng.integers(0, 256, (*shape, *channels), np.uint8) for channels in ((), (3,), (4,))),
            np.linspace(0, 255, shape[0] * shape[1]).reshape(shape),
        ):
            result = preprocess(picture)
            assert np.isfinite(result.image).all()
            assert result.has_ink == result.image.any() == (result.box is not None)
            if result.has_ink:
                left, top, right, bottom = result.box
                assert 0 <= left < right <= shape[1]
                assert 0 <= top < bottom <= shape[0]
