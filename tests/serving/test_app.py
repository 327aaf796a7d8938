"""The HTTP API: its paths, its networks, errors, files out of forms, and a path before it all."""

import re

import numpy as np
import pytest
from starlette.routing import Mount

from model import __version__, signature
from tests.conftest import TINY_UNITS, TINY_VERSION, save_tiny_model
from tests.support.calls import INFER, MODEL, client_of, error_of, png, request, seven

STEPS, PIXELS, DIGITS = signature.STEPS, signature.PIXELS, signature.DIGITS
ONE = request(np.zeros((1, STEPS, PIXELS), int))


@pytest.fixture(scope="module")
def client(tiny_model):
    with client_of([tiny_model]) as client:
        yield client


@pytest.fixture(scope="module")
def several(tmp_path_factory, tiny_model, doubting_model):
    """A client of four networks; of the last one only the card can be read."""
    folder = tmp_path_factory.mktemp("more")
    (folder / "broken.onnx").write_bytes(b"not a network")
    save_tiny_model(folder / "a.onnx")
    with client_of([tiny_model, doubting_model, folder]) as client:
        yield client


def test_server_and_health(client):
    extensions = ["binary_tensor_data", "model_configuration", "statistics"]
    expected = {"name": "scanline", "version": __version__, "extensions": extensions}
    assert client.get("/v2").json() == expected
    for path, expected in (
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"{MODEL}/ready", {"name": "tiny", "ready": True}),
        (f"{MODEL}/versions/{TINY_VERSION}/ready", {"name": "tiny", "ready": True}),
    ):
        get, head = client.get(path), client.head(path)
        assert get.json() == expected
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length"):
            assert head.headers[name] == get.headers[name]
    assert client.get("/", follow_redirects=False).headers["location"] == "docs"


def test_metadata(client, tmp_path):
    def tensor(name: str, *shape: int) -> dict:
        return {"name": name, "datatype": "FP32", "shape": [-1, *shape]}

    for path in (MODEL, f"{MODEL}/versions/{TINY_VERSION}"):
        assert client.get(path).json() == {
            "name": "tiny",
            "versions": [TINY_VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [tensor(signature.IMAGES, STEPS, PIXELS)],
            "outputs": [
                tensor(signature.PROBABILITIES, DIGITS),
                tensor(signature.STEP_PROBABILITIES, STEPS, DIGITS),
                tensor(signature.hidden_forward(1), STEPS, TINY_UNITS),
            ],
        }
    unnumbered = client_of([save_tiny_model(tmp_path / "m.onnx", version=None)])
    assert unnumbered.get("/v2/models/m/versions/1/ready").status_code == 200


def test_each_of_several_networks_has_its_paths(several):
    for name in ("tiny", "doubting", "a"):
        path = f"/v2/models/{name}"
        described = several.get(path).json()
        assert several.get(f"{path}/ready").json() == {"name": name, "ready": True}
        answer = several.post(f"{path}/infer", json=ONE).json()
        assert described["name"] == answer["model_name"] == name
        names = [output["name"] for output in answer["outputs"]]
        assert names == [output["name"] for output in described["outputs"]]
        assert (signature.SCORE in names) == (name == "doubting")
        told = several.post(f"/classify?model={name}", content=png(seven())).json()
        assert told["model"] == name
        assert (told["results"][0]["score"] is not None) == (name == "doubting")
    assert several.post("/classify", content=png(seven())).json()["model"] == "tiny"


def test_an_unknown_network_is_told_with_those_there_are(several):
    for method, path in (
        ("GET", "/v2/models/no"),
        ("GET", "/v2/models/no/ready"),
        ("POST", "/v2/models/no/infer"),
        ("POST", "/classify?model=no"),
    ):
        message = error_of(several.request(method, path, content=b"x"), 404)
        assert message == "no model 'no' here: choose one of 'tiny', 'doubting', 'a', 'broken'"
    for path in ("ready", "infer"):
        method = "POST" if path == "infer" else "GET"
        wrong = several.request(method, f"{MODEL}/versions/99/{path}", content=b"x")
        assert repr(TINY_VERSION) in error_of(wrong, 404)


def test_a_broken_network_is_for_the_log(several, caplog):
    for method, path in (
        ("GET", "/v2/models/broken/ready"),
        ("POST", "/v2/models/broken/infer"),
        ("POST", "/classify?model=broken"),
    ):
        caplog.clear()
        message = error_of(several.request(method, path, content=b"x"), 503)
        assert "log" in message
        assert "broken.onnx" not in message
        assert "broken.onnx is not a readable ONNX network" in caplog.text
    assert several.get(f"{MODEL}/ready").status_code == 200


def test_unknown_paths_and_wrong_methods(client):
    async def page(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    def check():
        for path in (
            *("/v2/", "/v2/nothing", "/v2/models", "/v2/models/other", f"{MODEL}/versions/99"),
            *(f"{MODEL}/nothing", f"{MODEL}/ready/", "/v2/models/%2e%2e%2ftiny"),
            *("/v2/models/%00%ff", "/classify/nothing"),
        ):
            error_of(client.get(path), 404)
        for method, path, allow in (
            ("GET", "/classify", "POST"),
            ("DELETE", "/classify", "POST"),
            ("GET", INFER, "POST"),
            ("PUT", INFER, "POST"),
            ("FOO", INFER, "POST"),
            ("POST", "/v2", "GET"),
            ("POST", "/v2/health/live", "GET, HEAD"),
            ("POST", MODEL, "GET"),
        ):
            response = client.request(method, path)
            assert f"use {allow.replace(', ', ' or ')}" in error_of(response, 405)
            assert response.headers["allow"] == allow

    check()
    error_of(client.get("/nothing"), 404)
    client.app.api.router.routes.append(Mount("/", page))  # takes no path of the API
    assert client.get("/nothing").text == "page"
    check()
    client.app.api.router.routes.pop()


def test_what_nobody_expected_is_json_too(client, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(client.app.endpoints("tiny").predictor, "run", fail)
    assert "log" in error_of(client.post(INFER, json=ONE), 500)
    assert "RuntimeError: unexpected" in caplog.text
    error_of(client.post("/classify", content=png(seven())), 500)


def test_no_charset_of_a_form_breaks_the_answer(client):
    for charset, name, told in (
        ("utf-8", "\u4e03.png", "\u4e03.png"),
        ("utf-7", "+2AA-.png", "?.png"),  # half a surrogate pair
        ("unicode_escape", r"\\ud800.png", "?.png"),
        ("nonsense", "a.png", "a.png"),
        ("undefined", "a.png", None),
        ("idna", "xn--a.png", None),
    ):
        part = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\nno\r\n'
        headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
        answer = client.post("/classify", content=f"{part * 2}--x--\r\n".encode(), headers=headers)
        if told is None:
            assert "charset" in error_of(answer, 400)
        else:
            assert answer.json()["results"][0]["file"] == told, charset
            assert "not an image" in answer.json()["results"][0]["error"]
    broken = {"content-type": "multipart/form-data; boundary=x"}
    error_of(client.post("/classify", content=b"no form", headers=broken), 400)


def test_a_path_before_it_all_is_taken_off_or_already_gone(tiny_model):
    with client_of([tiny_model], root_path="/digits") as client:
        for path in ("/v2", f"{MODEL}/ready", "/docs", "/openapi.json", "/metrics"):
            inner, outer = client.get(path), client.get(f"/digits{path}")
            assert inner.status_code == outer.status_code == 200, path
        assert (
            client.post(f"/digits{INFER}", json=ONE).json() == client.post(INFER, json=ONE).json()
        )
        assert client.get("/digits/", follow_redirects=True).status_code == 200
        error_of(client.get("/digits/nothing"), 404)
        error_of(client.get("/digitsv2"), 404)
        page = client.get("/digits/docs").text
        files = re.findall(r"""(?:src|href)="([^"]+)""", page) + re.findall(r"url: '([^']+)", page)
        assert len(files) == 4  # style, script, icon, document
        for file in files:
            assert file.startswith("/digits/")
            assert client.get(file).status_code == 200
        document = client.get("/digits/openapi.json").json()
        assert document["servers"] == [{"url": "/digits"}]
