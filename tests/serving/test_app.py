"""The HTTP API over the tiny network: its paths, its networks, and what a client can get wrong."""

import tomllib

import numpy as np
import pytest
from fastapi.testclient import TestClient

from model import signature
from serving import app as api
from serving.inference.models import Models
from tests.conftest import TINY_UNITS, TINY_VERSION, save_tiny_model
from tests.support.calls import BODY_TYPES, INFER, MODEL, SETTINGS, error_of, png, request, seven
from tests.support.running import ROOT

EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"]


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture(scope="module")
def predictor(models):
    return models.default


@pytest.fixture(scope="module")
def client(models):
    # A 500 must come as an answer here, as it does to a real client, not as an exception.
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, signature.STEPS, signature.PIXELS))


@pytest.fixture(autouse=True)
def still_answering(client):
    yield
    response = client.post("/classify", content=png(seven()), headers=BODY_TYPES)
    assert response.status_code == 200


def test_server_and_health(client):
    answer = client.get("/v2").json()
    assert answer == {"name": "scanline", "version": api.SERVER_VERSION, "extensions": EXTENSIONS}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


def test_server_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == api.SERVER_VERSION


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/{TINY_VERSION}"])
def test_model_metadata_and_readiness(client, path):
    steps, pixels, digits = signature.STEPS, signature.PIXELS, signature.DIGITS
    assert client.get(path).json() == {
        "name": "tiny",
        "versions": [TINY_VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": signature.IMAGES, "datatype": "FP32", "shape": [-1, steps, pixels]}],
        "outputs": [
            {"name": signature.PROBABILITIES, "datatype": "FP32", "shape": [-1, digits]},
            {
                "name": signature.STEP_PROBABILITIES,
                "datatype": "FP32",
                "shape": [-1, steps, digits],
            },
            {
                "name": signature.hidden_forward(1),
                "datatype": "FP32",
                "shape": [-1, steps, TINY_UNITS],
            },
        ],
    }
    assert client.get(f"{path}/ready").json() == {"name": "tiny", "ready": True}


def test_model_without_a_version_is_version_1(tmp_path):
    models = Models([save_tiny_model(tmp_path / "m.onnx", version=None)])
    client = TestClient(api.create_app(models, SETTINGS))
    assert client.get("/v2/models/m/versions/1/ready").status_code == 200


@pytest.fixture(scope="module")
def several(tmp_path_factory, tiny_model, doubting_model):
    """A client of three networks; of the third only the card can be read."""
    folder = tmp_path_factory.mktemp("more")
    (folder / "broken.onnx").write_bytes(b"not a network")
    models = Models([tiny_model, doubting_model, save_tiny_model(folder / "a.onnx").parent])
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("name", ["tiny", "doubting", "a"])
def test_each_of_several_networks_has_its_paths(several, images, name):
    path = f"/v2/models/{name}"
    described = several.get(path).json()
    assert described["name"] == name
    assert several.get(f"{path}/ready").json() == {"name": name, "ready": True}
    answer = several.post(f"{path}/infer", json=request(images)).json()
    assert answer["model_name"] == name
    names = [output["name"] for output in answer["outputs"]]
    assert names == [output["name"] for output in described["outputs"]]
    assert (signature.SCORE in names) == (name == "doubting")


def test_classify_asks_the_network_that_is_named(several):
    def ask(query: str) -> dict:
        return several.post(f"/classify{query}", content=png(seven()), headers=BODY_TYPES).json()

    assert ask("") == ask("?model=tiny")
    assert ask("")["results"][0]["score"] is None
    assert ask("?model=doubting")["model"] == "doubting"
    assert ask("?model=doubting")["results"][0]["score"] is not None


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/models/no"), ("GET", "/v2/models/no/ready"), ("POST", "/classify?model=no")],
)
def test_an_unknown_network_is_told_with_those_there_are(several, method, path):
    message = error_of(several.request(method, path, content=b"x"), 404)
    assert message == "no model 'no' here: choose one of 'tiny', 'doubting', 'a', 'broken'"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/models/broken/ready"), ("POST", "/classify?model=broken")],
)
def test_a_broken_network_is_for_the_log(several, method, path, caplog):
    message = error_of(several.request(method, path, content=b"x"), 503)
    assert "log" in message
    assert "broken.onnx" not in message
    assert "broken.onnx is not a readable ONNX network" in caplog.text
    assert several.get("/v2/models/tiny/ready").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/",
        "/v2/nothing",
        "/v2/models",
        "/v2/models/other",
        "/v2/models/other/ready",
        f"{MODEL}/versions/99",
        f"{MODEL}/versions/99/ready",
        f"{MODEL}/nothing",
        f"{MODEL}/ready/",
        "/v2/models/%2e%2e%2ftiny",
        "/v2/models/%00%ff",
        "/classify/nothing",
        "/nothing",
    ],
)
def test_unknown_path(client, path):
    error_of(client.get(path), 404)


def test_unknown_model_says_which_there_is(client, images):
    response = client.post("/v2/models/other/infer", json=request(images))
    assert "'tiny'" in error_of(response, 404)
    response = client.post(f"{MODEL}/versions/99/infer", json=request(images))
    assert repr(TINY_VERSION) in error_of(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/classify", "POST"),
        ("DELETE", "/classify", "POST"),
        ("GET", INFER, "POST"),
        ("PUT", INFER, "POST"),
        ("FOO", INFER, "POST"),
        ("POST", "/v2", "GET"),
        ("POST", "/v2/health/live", "GET, HEAD"),
        ("POST", MODEL, "GET"),
    ],
)
def test_wrong_method(client, method, path, allow):
    response = client.request(method, path)
    assert f"use {allow.replace(', ', ' or ')}" in error_of(response, 405)
    assert response.headers["allow"] == allow


def test_page_mounted_at_the_root_takes_no_path_of_the_api(models):
    app = api.create_app(models, SETTINGS)

    async def page(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    app.mount("/", page)
    client = TestClient(app)
    assert client.get("/").text == client.get("/any").text == "page"
    error_of(client.get("/v2/nothing"), 404)
    error_of(client.get("/classify"), 405)
    error_of(client.post("/v2"), 405)
    assert client.get("/v2").status_code == 200


def test_unexpected_exception_is_json_too(models, predictor, images, monkeypatch):
    def fail(*_):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(predictor, "run", fail)
    client = TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False)
    error_of(client.post(INFER, json=request(images)), 500)
    monkeypatch.undo()
