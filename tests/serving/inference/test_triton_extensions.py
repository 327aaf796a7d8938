"""Configuration, statistics and index over HTTP."""

import json
import threading

import numpy as np
import pytest
from fastapi.testclient import TestClient

from model import signature
from serving import app as api
from serving.inference import triton_extensions as repository
from serving.inference.endpoints import Endpoints
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import TINY_VERSION, save_tiny_model

MODEL = "/v2/models/tiny"
BODY = {
    "inputs": [
        {
            "name": signature.IMAGES,
            "shape": [2, signature.STEPS, signature.PIXELS],
            "datatype": "UINT8",
            "data": [7] * 2 * signature.STEPS * signature.PIXELS,
        }
    ]
}


@pytest.fixture
def client(tmp_path, tiny_model):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    save_tiny_model(tmp_path / "a.onnx")
    app = api.create_app(Models([tiny_model, tmp_path]), Settings(max_batch=8))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/{TINY_VERSION}"])
def test_config_has_the_shapes_of_the_metadata(client, path):
    config = client.get(f"{path}/config").json()
    metadata = client.get(path).json()
    assert (config["name"], config["max_batch_size"]) == ("tiny", 8)
    assert config["default_model_filename"] == "tiny.onnx"
    for kind in ("input", "output"):
        assert [
            {"name": tensor["name"], "datatype": tensor["data_type"][5:], "shape": tensor["dims"]}
            for tensor in config[kind]
        ] == [tensor | {"shape": tensor["shape"][1:]} for tensor in metadata[f"{kind}s"]]


def stats(client, path: str = MODEL) -> dict:
    [found] = client.get(f"{path}/stats").json()["model_stats"]
    return found


def test_statistics_count_what_was_asked(client):
    before = stats(client)
    assert (before["inference_count"], before["last_inference"], before["batch_stats"]) == (
        0,
        0,
        [],
    )
    for _ in range(3):
        assert client.post(f"{MODEL}/infer", json=BODY).status_code == 200
    assert client.post(f"{MODEL}/infer", json={}).status_code == 400
    after = stats(client, f"{MODEL}/versions/{TINY_VERSION}")
    assert (after["inference_count"], after["execution_count"]) == (6, 3)
    assert after["last_inference"] > 1.7e12
    inner = after["inference_stats"]
    assert {key: value["count"] for key, value in inner.items()} == {
        "success": 3,
        "fail": 1,
        "queue": 3,
        "compute_input": 3,
        "compute_infer": 3,
        "compute_output": 3,
    }
    parts = [inner[key]["ns"] for key in inner if key not in ("success", "fail")]
    assert all(part > 0 for part in parts)
    assert sum(parts) <= inner["success"]["ns"]
    [batch] = after["batch_stats"]
    assert (batch["batch_size"], batch["compute_infer"]["count"]) == (2, 3)


def test_statistics_of_all_networks_in_memory(client):
    answer = client.get("/v2/models/stats").json()["model_stats"]
    assert [entry["name"] for entry in answer] == ["tiny"]
    assert client.get("/v2/models/a").status_code == 200
    answer = client.get("/v2/models/stats").json()["model_stats"]
    assert [entry["name"] for entry in answer] == ["tiny", "a"]


def test_index_names_what_cannot_be_used(client):
    entries = client.post("/v2/repository/index").json()
    assert [(entry["name"], entry["state"]) for entry in entries] == [
        ("tiny", "READY"),
        ("a", "READY"),
        ("broken", "UNAVAILABLE"),
    ]
    assert [entry["version"] for entry in entries] == [TINY_VERSION, TINY_VERSION, ""]
    assert "log" in entries[2]["reason"]
    assert "onnx" not in entries[2]["reason"]
    assert client.post("/v2/repository/index", json={"ready": True}).json() == entries[:2]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"ready": 1}', b'{"ready": null}', b"\xff"])
def test_a_broken_question_for_the_index(client, body):
    response = client.post("/v2/repository/index", content=body)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("name", ["config", "stats", "versions/9/config", "versions/9/stats"])
def test_unknown_models_and_versions(client, name):
    assert client.get(f"/v2/models/no/{name}").status_code == 404
    if "versions" in name:
        assert client.get(f"{MODEL}/{name}").status_code == 404


def test_bodies_in_bytes_over_http(client):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype("<f4")
    headers = {"inference-header-content-length": "0"}
    response = client.post(f"{MODEL}/infer", content=images.tobytes(), headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    tensors = json.loads(response.content[:length])["outputs"]
    sizes = [tensor["parameters"]["binary_data_size"] for tensor in tensors]
    assert sizes == [4 * int(np.prod(tensor["shape"])) for tensor in tensors]
    assert len(response.content) == length + sum(sizes)


@pytest.mark.parametrize("length", ["", "-1", "1_0", "9" * 5000, "0x10", "1.5", "²"])
def test_a_header_that_is_no_length(client, length):
    headers = {b"inference-header-content-length": length.encode()}
    response = client.post(f"{MODEL}/infer", json=BODY, headers=headers)
    assert response.status_code == 400
    assert "must be a number of bytes" in response.json()["error"]


def test_the_index_does_not_hold_up_the_event_loop(client, monkeypatch):
    threads = []

    def index(*_):
        threads.append(threading.current_thread().name)
        return []

    monkeypatch.setattr(repository, "index", index)
    assert client.post("/v2/repository/index").json() == []
    assert [name.startswith("scanline-infer") for name in threads] == [True]


def test_of_two_that_come_for_a_new_network_both_get_the_same(tiny_model):
    class Interrupted(Models):
        inner = None

        def choose(self, name):
            if self.inner is None:
                self.inner = True
                self.inner = endpoints(name)  # as another thread would, at this moment
            return super().choose(name)

    models = Interrupted([tiny_model])
    endpoints = Endpoints(models, 8, None)
    outer = endpoints("tiny")
    assert outer is models.inner is endpoints("tiny")
