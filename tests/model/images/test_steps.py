"""`model.images.steps`: what a picture is on its way to 28 x 28, as `preprocess` records it."""

import io

import numpy as np
from PIL import Image

from model.images.preprocess import preprocess
from model.images.steps import Stage
from model.images.strokes import render
from model.signature import WHITE
from tests.support.drawings import SEVEN, paper, photo


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
