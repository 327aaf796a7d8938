"""The service on a real Ray of this machine (`make test-ray`)."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

from model import signature
from model.predictor import RELEASE, Predictor
from tests.support.running import ROOT, free_port, wait_for

pytest.importorskip("ray", reason="Ray has an environment of its own: make test-ray")
from ray.serve.schema import ServeDeploySchema

from deploy.ray import serve_app

CLUSTER = yaml.safe_load((ROOT / "deploy" / "ray" / "serve.yaml").read_text())
INFER = "/v2/models/elman/infer"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Of `serve run` with the cluster's file, on this machine and with one replica."""
    folder = tmp_path_factory.mktemp("ray")
    port = free_port()
    content = CLUSTER | {"http_options": {"host": "127.0.0.1", "port": port}}
    content["applications"][0]["deployments"][0]["autoscaling_config"]["min_replicas"] = 1
    (folder / "serve.yaml").write_text(yaml.safe_dump(content))
    command = [Path(sys.executable).with_name("serve"), "run", folder / "serve.yaml"]
    switches = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | switches
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def is_ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                return client.get("/v2/health/ready").status_code == 200

            wait_for(is_ready, 120)
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_the_clusters_file_is_what_ray_reads():
    [application] = ServeDeploySchema.model_validate(CLUSTER).applications
    assert application.import_path == "deploy.ray.serve_app:app"
    assert [each.name for each in application.deployments] == ["Scanline"]
    serve_app.Arguments(**application.args)


def test_many_clients_get_what_the_network_computes(client):
    """Each another number of images."""

    def ask(count: int) -> None:
        shape = (count, signature.STEPS, signature.PIXELS)
        images = np.random.default_rng(count).integers(0, 256, shape).astype(np.float32)
        tensor = {"name": signature.IMAGES, "shape": shape, "datatype": "FP32"}
        body = {"inputs": [tensor | {"data": images.ravel().tolist()}]}
        answer = client.post(INFER, json=body)
        assert answer.status_code == 200, answer.text
        outputs = {each["name"]: each for each in answer.json()["outputs"]}
        expected = network.run(images)
        assert list(outputs) == list(expected)
        for name, value in expected.items():
            data = np.array(outputs[name]["data"]).reshape(outputs[name]["shape"])
            np.testing.assert_allclose(data, value, rtol=1e-4, atol=1e-5)

    network = Predictor(RELEASE / "elman.onnx")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(1, 41)))


def test_pictures_are_classified(client):
    answer = client.post("/classify", content=(ROOT / "tests" / "seven.png").read_bytes())
    assert [result["digit"] for result in answer.json()["results"]] == [7]


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        (INFER, b"", 400),
        (INFER, json.dumps({"inputs": []}).encode(), 400),
        ("/v2/models/none/infer", b"{}", 404),
        ("/v2/nothing", b"{}", 404),
        (INFER, b"0" * (9 * 2**20), 413),
    ],
)
def test_errors_are_the_services(client, path, content, status):
    answer = client.post(path, content=content)
    assert answer.status_code == status
    assert answer.json()["error"]
