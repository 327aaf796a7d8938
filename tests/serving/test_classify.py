"""Picture files to answers, and that each may be doubted for itself."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model import signature
from model.predictor import Predictor
from serving.classify import File, classify
from tests.conftest import save_tiny_model

MAX_PIXELS = 1_000_000


def drawing(name: str) -> File:
    """Black on white: little ink ("one"), a "seven", and more ink than a digit ("scribble")."""
    lines = {
        "blank": [],
        "one": [(52, 15), (48, 85)],
        "seven": [(27, 20), (74, 20), (62, 45), (52, 66), (44, 86)],
        "scribble": [(15 + 70 * (i % 2), 15 + 7 * i) for i in range(11)],
    }
    picture = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(picture).line(lines[name], fill=0, width=9)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return File(name, buffer.getvalue())


@pytest.fixture(scope="module")
def predictor(doubting_model):
    return Predictor(doubting_model)


def test_each_verdict_and_the_digit_all_the_same(predictor):
    expected = {
        "seven": (7, None),
        "blank": (None, "no ink"),
        "scribble": (7, "not a digit"),
        "one": (4, "not sure: 4 or 9"),
    }
    results = classify([drawing(name) for name in expected], predictor, MAX_PIXELS)
    assert {r["file"]: (r["digit"], r["reason"]) for r in results} == expected
    for result in results:
        assert result["rejected"] == (result["reason"] is not None)
        if result["file"] == "blank":
            nothing = ("confidence", signature.PROBABILITIES, signature.SCORE)
            assert [result[field] for field in nothing] == [None] * 3
        else:
            assert result["digit"] == int(np.argmax(result["probabilities"]))
            assert result["confidence"] == max(result["probabilities"])
            assert 0 <= result["score"] <= 1


def test_two_digits_one_below_the_other_are_not_read_as_one(predictor):
    seven = Image.open(io.BytesIO(drawing("seven").data))
    page = Image.new("L", (100, 240), 255)
    page.paste(seven, (0, 0))
    page.paste(seven, (0, 130))
    file = io.BytesIO()
    page.save(file, "PNG")
    [answer] = classify([File(None, file.getvalue())], predictor, MAX_PIXELS)
    assert (answer["rejected"], answer["reason"]) == (True, "more than one digit")
    assert answer["digit"] is not None


def test_without_thresholds_only_a_blank_page_is_rejected_and_a_score_may_be_missing(
    tmp_path, tiny_model
):
    predictor = Predictor(save_tiny_model(tmp_path / "m.onnx", doubts=True))
    names = ["seven", "scribble", "one", "blank"]
    results = classify([drawing(name) for name in names], predictor, MAX_PIXELS)
    assert [r["reason"] for r in results] == [None, None, None, "no ink"]
    assert results[1]["score"] > 0.7
    [answer] = classify([drawing("seven")], Predictor(tiny_model), MAX_PIXELS)
    assert (answer["score"], answer["rejected"]) == (None, False)


# What a camera does to an upright picture before it says so in its EXIF data.
STORED = {
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


def photo(image_format: str, orientation: int, exif: bytes | None = None) -> File:
    picture = Image.new("RGB", (120, 90), "white")
    ImageDraw.Draw(picture).line([(40, 15), (80, 15), (66, 40), (52, 75)], fill="black", width=8)
    for turn in STORED[orientation]:
        picture = picture.transpose(turn)
    if exif is None:
        tags = Image.Exif()
        tags[0x0112] = orientation
        exif = tags.tobytes()
    buffer = io.BytesIO()
    picture.save(buffer, image_format, exif=exif)
    return File("photo", buffer.getvalue())


@pytest.fixture
def seen(predictor, monkeypatch):
    """The images that reached the network."""
    images, run = [], predictor.run
    monkeypatch.setattr(predictor, "run", lambda i, names: images.extend(i) or run(i, names))
    return images


def test_the_exif_orientation_is_undone_exactly_once(predictor, seen):
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        for orientation in STORED:
            seen.clear()
            files = [photo("PNG", 1), photo(image_format, orientation)]
            assert all(isinstance(r, dict) for r in classify(files, predictor, MAX_PIXELS))
            assert np.abs(seen[0] - seen[1]).mean() < 3, (image_format, orientation)
            assert np.abs(seen[0] - seen[0].T).mean() > 20, "it does not show its orientation"


def test_broken_exif_data_count_as_upright(predictor, seen):
    for exif in (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\xff\xff\0\0\xff\xff",  # cut off
        b"Exif\0\0XX\0*\0\0\0\x08\0\x01",  # of no byte order
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0",  # 99
        b"Exif\0\0",
    ):
        seen.clear()
        results = classify([photo("PNG", 1), photo("JPEG", 1, exif)], predictor, MAX_PIXELS)
        assert isinstance(results[1], dict)
        assert np.abs(seen[0] - seen[1]).mean() < 3
