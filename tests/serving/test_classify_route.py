"""``POST /classify`` over the tiny network: bodies, forms, and what is wrong with either."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from model import signature
from model.images.files import PictureError
from serving import app as api
from serving import classify_route
from serving.inference.endpoints import INLINE_IMAGES
from serving.inference.models import Models
from tests.support import calls
from tests.support.calls import (
    BODY_TYPES,
    DEEP,
    INFER,
    bomb,
    error_of,
    png,
    request,
    seven,
)

SETTINGS = calls.SETTINGS.model_copy(update={"ui": False})


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture(scope="module")
def client(models):
    # A 500 must come as an answer here, as it does to a real client, not as an exception.
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(autouse=True)
def still_answering(client):
    yield
    response = client.post("/classify", content=png(seven()), headers=BODY_TYPES)
    assert response.status_code == 200


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", None])
def test_classify_a_raw_body(client, kind):
    headers = {"content-type": kind} if kind else {}
    response = client.post("/classify", content=png(seven()), headers=headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == "tiny"
    [result] = answer["results"]
    fields = "file digit confidence probabilities score rejected reason"
    assert list(result) == fields.split()
    assert (result["file"], result["rejected"], result["reason"]) == (None, False, None)
    assert sum(result["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert result["confidence"] == max(result["probabilities"])
    assert result["digit"] == result["probabilities"].index(result["confidence"])


def test_classify_finds_the_polarity(client):
    answers = [
        client.post("/classify", content=png(picture), headers=BODY_TYPES).json()["results"][0]
        for picture in (seven(), ImageOps.invert(seven()), ImageOps.invert(seven()).convert("RGBA"))
    ]
    assert answers[0] == answers[1] == answers[2]


def test_blank_page_is_rejected(client):
    for shade in (0, 128, 255):
        page = png(Image.new("L", (50, 50), shade))
        answer = client.post("/classify", content=page, headers=BODY_TYPES).json()
        nothing = dict.fromkeys(("file", "digit", "confidence", "probabilities", "score"))
        assert answer["results"] == [nothing | {"rejected": True, "reason": "no ink"}]


def test_classify_many_files_with_a_broken_one(client):
    blank = png(Image.new("L", (9, 9)))
    contents = [png(seven()), png(seven())[:80], blank, b"text", png(ImageOps.invert(seven()))]
    files = [("file", (f"{n}.png", content)) for n, content in enumerate(contents)]
    files[2:4] = [("other", files[2][1]), ("other", files[3][1])]
    response = client.post("/classify", files=files, data={"note": "ignored"})
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["file"] for result in results] == [f"{n}.png" for n in range(5)]
    alone = client.post("/classify", content=contents[0], headers=BODY_TYPES).json()["results"][0]
    assert results[0] == {**alone, "file": "0.png"}
    assert results[4] == {**alone, "file": "4.png"}
    assert results[2]["reason"] == "no ink"
    for broken in (1, 3):
        assert list(results[broken]) == ["file", "error"]


def test_pictures_of_one_request_share_a_budget(client):
    page = png(Image.new("L", (1000, 1000)))
    files = [("file", (f"{n}.png", page)) for n in range(7)]
    results = client.post("/classify", files=files).json()["results"]
    assert ["error" in result for result in results] == [False] * 5 + [True] * 2


def test_large_requests_do_not_wait_behind_pictures(models, monkeypatch):
    release = threading.Event()

    def slow(*_):
        release.wait(30)
        return [PictureError("released")]

    monkeypatch.setattr(classify_route, "classify", slow)
    pixels = np.zeros((INLINE_IMAGES + 1, signature.STEPS, signature.PIXELS), np.float32)
    with (
        TestClient(
            api.create_app(models, SETTINGS.model_copy(update={"max_batch": len(pixels)}))
        ) as client,
        ThreadPoolExecutor(api.MOST_THREADS) as callers,
    ):
        pictures = [
            callers.submit(client.post, "/classify", content=png(seven()))
            for _ in range(api.MOST_THREADS)
        ]
        try:
            while client.app.limit.heavy < api.MOST_THREADS:
                time.sleep(0.01)
            call = ThreadPoolExecutor(1).submit(client.post, INFER, json=request(pixels))
            assert call.result(10).status_code == 200
        finally:
            release.set()
        assert {picture.result().status_code for picture in pictures} == {400}


# --- What a client can get wrong --------------------------------------------------------

BAD_PICTURES = {
    "empty": (b"", 400),
    "text": (b"hello", 415),
    "json": (b'{"image": 7}', 415),
    "truncated": (png(seven())[:-60], 400),
    "bomb": (bomb(), 413),
    "deep": (DEEP, 413),
    "large": (bytes(9 * 2**20), 413),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
@pytest.mark.parametrize("form", [False, True])
def test_bad_picture(client, case, form):
    content, status = BAD_PICTURES[case]
    if form:
        response = client.post("/classify", files={"file": ("x.png", content)})
    else:
        response = client.post("/classify", content=content, headers=BODY_TYPES)
    error_of(response, status)


def test_broken_form(client):
    bounded = b"multipart/form-data; boundary=x"
    for content, kind in (
        (b"", b"multipart/form-data"),
        (b"", bounded),
        (b"--x", bounded),
        (b"hello", bounded),
        (b"--x\r\n\r\nhello\r\n--x--\r\n", bounded),
        (b"--x\r\n" + b"a" * 10**6, bounded),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", bounded),
        (b"hello", b"multipart/form-data; boundary="),
        (b"hello", b"multipart/form-data; boundary=\xff; charset=nothing"),
    ):
        error_of(client.post("/classify", content=content, headers={"content-type": kind}), 400)


def test_form_without_a_file_says_how_to_send_one(client):
    response = client.post("/classify", files={"file": (None, "seven.png")})
    assert "curl -F file=@seven.png" in error_of(response, 400)


def test_too_many_files(client):
    files = [("file", (f"{n}.png", b"x")) for n in range(SETTINGS.max_batch + 1)]
    assert "Maximum number of files is 8" in error_of(client.post("/classify", files=files), 400)


@pytest.mark.parametrize("count", [1, 2])
def test_a_broken_picture_leaves_no_garbage(models, count):
    files = [("file", ("a.png", png(seven())[:-20]))] * count
    with TestClient(api.create_app(models, SETTINGS)) as client:
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            assert client.post("/classify", files=files).status_code in (200, 400)
            gc.collect()
            assert not [one for one in gc.garbage if isinstance(one, PictureError | Image.Image)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
