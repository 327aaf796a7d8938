"""The page's way in for photos: rows to be read, the steps on the way, and clear errors."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from model.images.preprocess import preprocess
from model.images.steps import Stage
from model.images.strokes import render
from model.predictor import Predictor
from serving.http.errors import answer_errors
from serving.page.app import STATIC
from serving.page.photo import PATH, add_picture_route, picture_config
from tests.support.drawings import FOUR, SEVEN, drawings

MAX_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    answer_errors(app)
    with ThreadPoolExecutor(1) as pool, TestClient(app) as client:
        add_picture_route(app, MAX_PIXELS, Predictor(), pool)
        yield client


def encode(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def photo(strokes, ink=(40, 50, 110)) -> Image.Image:
    """A pen on paper, in the light of a window and half in a shadow, with a camera's noise."""
    height, width = 600, 800
    y, x = np.mgrid[0:height, 0:width]
    page = 230 - 60 * x / width
    page *= 1 - 0.3 / (1 + np.exp(-(x + y - 800) / 12))
    page += np.random.default_rng(0).normal(0, 5, page.shape)
    share = np.zeros((height, width))
    share[120:480, 220:580] = render(strokes, 360, 0.05) / 255
    colours = [page * (1 - share * (1 - tone / 255)) for tone in ink]
    return Image.fromarray(np.stack(colours, axis=-1).clip(0, 255).astype(np.uint8))


def decoded(stage: dict) -> Image.Image:
    kind, data = stage["image"].split(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def rows(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert all(type(pixel) is int for row in answer.json()["rows"] for pixel in row)
    return np.array(answer.json()["rows"])


@drawings
def test_a_drawing_is_prepared_as_everywhere(client, strokes):
    answer = client.post(PATH, content=encode(255 - render(strokes)))
    np.testing.assert_array_equal(rows(answer), preprocess(255 - render(strokes)).image)
    assert answer.json()["inverted"] is True
    names = [stage["name"] for stage in answer.json()["stages"]]
    assert names == ["picture", "grey", "ink", "cropped", "box", "centred"]


def test_the_steps_of_a_photo(client):
    answer = client.post(PATH, content=encode(photo(FOUR), "JPEG", quality=85))
    stages = {stage["name"]: decoded(stage) for stage in answer.json()["stages"]}
    assert list(stages) == ["picture", "grey", "cleaned", "cropped", "box", "centred"]
    assert all(max(picture.size) <= 160 for picture in stages.values())
    assert stages["picture"].mode == "RGB"
    assert stages["picture"].size == (160, 120)
    assert stages["box"].size == (20, 20)
    np.testing.assert_array_equal(np.asarray(stages["centred"]), rows(answer))
    assert (np.asarray(stages["cleaned"]) == 0).mean() > 0.8


def test_the_steps_are_those_of_what_the_network_chose(client):
    drawing = 255 - render(SEVEN)
    framed = np.pad(drawing, 9)
    answer = client.post(PATH, content=encode(framed))
    np.testing.assert_array_equal(rows(answer), preprocess(drawing).image)
    stages = {stage["name"]: decoded(stage) for stage in answer.json()["stages"]}
    assert list(stages) == ["picture", "closer", "grey", "ink", "cropped", "box", "centred"]
    assert [np.asarray(stages[name])[0, 80, 0] for name in ("picture", "closer")] == [0, 255]
    np.testing.assert_array_equal(np.asarray(stages["centred"]), rows(answer))


def test_a_file_of_every_kind(client):
    drawing = 255 - render(SEVEN)
    expected = preprocess(drawing).image
    files = {
        "transparent": encode(Image.merge("LA", [Image.new("L", (280, 280)), _ink(drawing)])),
        "16 bits": encode(drawing.astype(np.uint16) * 257),
        "palette": encode(Image.fromarray(drawing).convert("P"), "GIF"),
        "lab": encode(Image.merge("LAB", [Image.fromarray(drawing)] * 3), "TIFF"),
        "cmyk": encode(Image.fromarray(drawing).convert("CMYK"), "TIFF"),
        "white on black": encode(255 - drawing),
    }
    for kind, data in files.items():
        answer = client.post(PATH, content=data)
        np.testing.assert_allclose(rows(answer), expected, atol=2, err_msg=kind)
        assert answer.json()["inverted"] is (kind != "white on black")


def _ink(drawing: np.ndarray) -> Image.Image:
    return Image.fromarray(255 - drawing)


def test_an_exif_turned_photo_is_shown_upright(client):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode(photo(SEVEN).rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    answer = client.post(PATH, content=turned)
    upright = client.post(PATH, content=encode(photo(SEVEN), "JPEG", quality=95))
    assert decoded(answer.json()["stages"][0]).size == (160, 120)
    assert np.corrcoef(rows(answer).ravel(), rows(upright).ravel())[0, 1] > 0.97


PAIR = np.concatenate([render(FOUR), render(SEVEN)], axis=1)


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        (b"", 400, "the image is empty"),
        (b"seven", 415, "not an image, or a broken one: send one of PNG, JPEG"),
        (encode(photo(SEVEN), "JPEG")[:9000], 400, "image is broken"),
        (encode(Image.new("L", (300, 200), 255)), 400, "no ink is found: write the digit large"),
        (encode(PAIR), 400, "2 digits seem to be in it: cut the picture down to one"),
        (encode(Image.new("L", (1001, 1000))), 413, "at most 1000000 are allowed: make it smaller"),
    ],
    ids=["empty", "text", "cut", "blank", "pair", "large"],
)
def test_what_cannot_be_read_is_told(client, data, status, error):
    answer = client.post(PATH, content=data)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert error in answer.json()["error"]


def test_the_page_knows_every_stage_and_the_way():
    assert picture_config()["path"] == PATH.lstrip("/")
    assert {"image/png", "image/jpeg", "image/webp"} <= set(picture_config()["types"])
    strings = (STATIC / "core" / "strings.js").read_text()
    step = strings[strings.index("export function step") :]
    for stage in Stage:
        assert f"\n    {stage}: [" in step, f"strings.js has no words for {stage}"
