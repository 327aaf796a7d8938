"""The page as it is served: Gradio's frame, the live view's files and config, Gradio's API."""

import asyncio
import base64
import io
import itertools
import json
import re

import gradio as gr
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw
from starlette.testclient import WebSocketDenialResponse

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, render
from model.predictor import Predictor
from serving.app import create_app
from serving.inference.models import Models
from serving.page import app as page
from serving.page import stream, units
from serving.settings import Settings
from tests.conftest import TINY_UNITS, save_tiny_model

SETTINGS = Settings(max_pixels=1_000_000, max_live=2)


@pytest.fixture(scope="module")
def models(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("more")
    for name, doubts in (("plain", False), ("described", True)):
        save_tiny_model(folder / f"{name}.onnx", doubts=doubts)
    card = {"preset": "elman", "parameters": 7, "description": "a test"}
    card |= {"test": {"error_percent": 1.5}}
    (folder / "described.card.json").write_text(json.dumps(card))
    return Models([tiny_model, folder])


@pytest.fixture(scope="module")
def predictor(models):
    return models.default


@pytest.fixture(scope="module")
def client(models):
    # Without a running loop Gradio makes some of its own and never closes them.
    async def mount() -> FastAPI:
        return page.mount(create_app(models, SETTINGS), models, SETTINGS)

    with TestClient(asyncio.run(mount())) as client:
        yield client


@pytest.fixture(scope="module")
def config(client):
    return client.get("/live/config.json").json()


def seven() -> bytes:
    picture = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(picture).line([(25, 20), (75, 20), (45, 85)], fill=0, width=9)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def call(client, image) -> str:
    """Call Gradio's endpoint as its documentation says; gives the last server-sent event."""
    started = client.post("/gradio_api/call/classify", json={"data": [image]})
    return client.get(f"/gradio_api/call/classify/{started.json()['event_id']}").text


def test_the_page_is_gradios_and_holds_the_live_view(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Scanline" in answer.text
    assert "pad-ink" in answer.text


def test_nothing_is_fetched_from_elsewhere(client):
    files = [client.get(f"/live/{path.name}").text for path in page.LIVE.iterdir()]
    fonts = client.get("/theme.css").text
    for text in (*files, fonts):
        assert not re.search(r"""(src|href|import|url)\W{1,3}(https?:)?//""", text)
    scripts = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"([^\"]+)", client.get("/").text)
    assert scripts
    assert not [address for address in scripts if "//" in address]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("main.js", "text/javascript"), ("live.css", "text/css"), ("digits.json", "application/json")],
)
def test_files_have_their_type_and_can_be_revalidated(client, name, kind):
    first = client.get(f"/live/{name}")
    assert first.status_code == 200
    assert first.headers["content-type"].startswith(kind)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(f"/live/{name}", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


def test_every_module_that_is_imported_is_there():
    for module in page.LIVE.glob("*.js"):
        for wanted in re.findall(r'from "\./([^"]+)"', module.read_text()):
            assert (page.LIVE / wanted).is_file(), f"{module.name} imports {wanted}"


def test_every_stylesheet_is_linked(client):
    page_text = client.get("/").text
    for sheet in page.LIVE.glob("*.css"):
        assert f"live/{sheet.name}" in page_text


@pytest.mark.parametrize("path", ["/live/../app.py", "/live/%2e%2e/app.py", "/live/none.js"])
def test_only_the_pages_files_are_served(client, path):
    assert client.get(path).status_code == 404


def test_the_template_is_safe_for_gradio():
    """Gradio reads it as Handlebars, then as a JavaScript template string."""
    assert not re.search(r"`|\$\{|\{\{", (page.LIVE / "view.html").read_text())


def test_the_config_describes_the_network(config):
    assert config["brush"] == BRUSH
    assert config["outputs"]["answer"] == signature.PROBABILITIES
    assert config["outputs"]["belief"] == signature.STEP_PROBABILITIES
    assert config["outputs"]["score"] is None
    assert config["thresholds"] == {"score": None, "confidence": None}
    [layer] = config["layers"]
    assert layer["backward"] is None
    assert layer["forward"]["name"] == signature.hidden_forward(1)
    assert layer["forward"]["units"] == TINY_UNITS
    assert config["range"] == [-1, 1]  # tanh
    assert config["model"]["name"] == "tiny"


def test_the_config_lists_every_network(config):
    unknown = dict.fromkeys(("preset", "parameters", "testErrorPercent", "description"))
    described = {"preset": "elman", "parameters": 7, "testErrorPercent": 1.5}
    assert config["models"] == [
        {"name": "tiny"} | unknown,
        {"name": "described", "description": "a test"} | described,
        {"name": "plain"} | unknown,
    ]


def test_the_config_of_another_network(client, config):
    assert client.get("/live/config.json?model=tiny").json() == config
    other = client.get("/live/config.json?model=described").json()
    assert other["model"] == config["models"][1]
    assert other["models"] == config["models"]
    assert other.keys() == config.keys()
    answer = client.get("/live/config.json?model=no")
    assert answer.status_code == 404
    assert "'tiny', 'described', 'plain'" in answer.json()["error"]


def test_a_card_with_something_else_in_it_is_no_trouble():
    assert page.summary("a", {"test": 3, "preset": "x"})["testErrorPercent"] is None


def test_every_unit_stands_in_one_group(config):
    groups = config["layers"][0]["forward"]["groups"]
    assert sorted(itertools.chain(*(group["units"] for group in groups))) == [*range(TINY_UNITS)]
    assert [group["digit"] for group in groups] == sorted(group["digit"] for group in groups)


def test_a_unit_goes_to_the_digit_for_which_it_is_most_active():
    states = np.zeros((signature.DIGITS, signature.STEPS, 4), np.float32)
    states[7, :, 0] = 1.0
    states[2, 10:, 1] = 0.5
    states[7, :, 2] = 0.5
    states[4, :, 2] = 0.4  # less clear than unit 0
    states[:, :, 3] = 0.3  # the same for all
    assert units.group_units(states) == [
        {"digit": 2, "units": [1]},
        {"digit": 7, "units": [0, 2]},
        {"digit": None, "units": [3]},
    ]


@pytest.mark.parametrize("digit", range(signature.DIGITS))
def test_the_templates_are_drawings_inside_the_pad(digit):
    strokes = page.templates()[str(digit)]
    points = np.concatenate(strokes)
    assert points.min() >= BRUSH / 2
    assert points.max() <= 1 - BRUSH / 2
    assert preprocess(render([np.array(stroke) for stroke in strokes])).has_ink


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_gradios_api_reads_an_image(client, prefix):
    answer = call(client, prefix + base64.b64encode(seven()).decode())
    assert "event: complete" in answer
    assert '"digit"' in answer
    assert '"probabilities"' in answer
    assert '"rejected": false' in answer


def test_gradios_api_rejects_as_classify_does(doubting_model):
    read = page.classifier(Predictor(doubting_model), SETTINGS.max_pixels)
    picture = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(picture).line([(52, 15), (48, 85)], fill=0, width=9)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    answer = read(base64.b64encode(buffer.getvalue()).decode())
    assert (answer["digit"], answer["rejected"], answer["reason"]) == (4, True, "not sure: 4 or 9")


@pytest.mark.parametrize(
    "image", ["", "not base64!", base64.b64encode(b"GIF89a, not really").decode(), 7, None]
)
def test_gradios_api_refuses_what_is_no_image(client, image):
    assert "event: error" in call(client, image)
    assert "event: complete" in call(client, base64.b64encode(seven()).decode())


@pytest.mark.parametrize("image", ["not base64!", base64.b64encode(b"hello").decode()])
def test_a_bad_image_is_no_news_for_the_log(predictor, image):
    with pytest.raises(gr.Error) as caught:
        page.classifier(predictor, SETTINGS.max_pixels)(image)
    assert not caught.value.print_exception


def test_the_documented_example_is_an_image_that_is_read(client):
    info = client.get("/gradio_api/info").json()["named_endpoints"]["/classify"]
    [image] = info["parameters"]
    assert not image["parameter_has_default"]  # a forgotten image is not replaced by it
    answer = call(client, image["example_input"])
    assert "event: complete" in answer
    assert "no ink" not in answer


def test_nothing_can_be_uploaded(client):
    for path in ("/gradio_api/upload", "/gradio_api/upload/", "/gradio_api/upload?upload_id=x"):
        answer = client.post(path, files={"files": ("x.png", seven())})
        assert answer.status_code == 404
        assert "POST /classify" in answer.json()["error"]


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(
    "path", ["/gradio_api/call/classify", "/gradio_api/queue/join", "/gradio_api/upload", "/any"]
)
def test_no_path_takes_more_than_the_largest_body(client, path, is_declared):
    body = b'{"data": ["' + b"A" * SETTINGS.max_body_bytes + b'"]}'
    content = body if is_declared else iter([body[: 2**20]] * 9)
    answer = client.post(path, content=content, headers={"content-type": "application/json"})
    # Where nothing reads the body, the answer needs no limit.
    assert answer.status_code == 413 or (not is_declared and answer.status_code in (404, 405))
    assert answer.status_code == 413 or path in ("/gradio_api/upload", "/any")
    assert answer.json().keys() == {"error"}


def test_no_more_live_views_than_are_set(client):
    with (
        client.websocket_connect(stream.PATH),
        client.websocket_connect(stream.PATH),
        pytest.raises(WebSocketDenialResponse) as refusal,
        client.websocket_connect(stream.PATH),
    ):
        pass
    assert refusal.value.status_code == 503


def test_unknown_paths_are_told_as_everywhere(client):
    answer = client.get("/nope")
    assert answer.status_code == 404
    assert answer.json().keys() == {"error"}


def test_the_page_knows_what_the_server_takes(config):
    assert config["limits"] == {
        "points": stream.MAX_POINTS,
        "strokes": stream.MAX_STROKES,
        "length": stream.MAX_LENGTH,
    }
