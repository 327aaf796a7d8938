"""Configuration, statistics and index over HTTP."""

import numpy as np
import pytest

from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.calls import MODEL, client_of, error_of, request

BODY = request(np.full((2, 28, 28), 7))


@pytest.fixture
def client(tmp_path, tiny_model):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    save_tiny_model(tmp_path / "a.onnx")
    with client_of([tiny_model, tmp_path], max_batch=8) as client:
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
    assert before["inference_count"] == before["last_inference"] == len(before["batch_stats"]) == 0
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
    assert inner["queue"]["ns"] == 0  # each came alone
    parts = [inner[key]["ns"] for key in inner if key.startswith("compute")]
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


def test_a_broken_question_for_the_index(client):
    for body in (b"[]", b"{", b'{"ready": 1}', b'{"ready": null}', b"\xff"):
        error_of(client.post("/v2/repository/index", content=body), 400)


def test_unknown_models_and_versions(client):
    for name in ("config", "stats", "versions/9/config", "versions/9/stats"):
        error_of(client.get(f"/v2/models/no/{name}"), 404)
    for name in ("versions/9/config", "versions/9/stats"):
        error_of(client.get(f"{MODEL}/{name}"), 404)
