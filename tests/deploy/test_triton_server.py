"""A real Triton serves what the export writes (`make test-triton`).

The server is the one in the package nvidia-pytriton. It has no ONNX Runtime backend, so
``triton_backend.py`` stands in for that; reading config.pbtxt, warming up, queueing, batching
and both protocols are Triton's own.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpc
from fastapi.testclient import TestClient

from model import reference, signature, weights
from model.export import command as export
from model.export import triton
from model.predictor import RELEASE
from serving.app import create_app
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.models import Models
from serving.settings import Settings
from tests.support.networks import random_images
from tests.support.running import ROOT, free_ports

ENVIRONMENT = os.environ.get("TRITON_ENV")  # where the package is installed
pytestmark = pytest.mark.skipif(not ENVIRONMENT, reason="make test-triton installs a Triton")
MODELS = ("scanline", "elman")


class Server:
    def __init__(self, folder):
        self.log, self.batches = folder / "log", folder / "batches"
        self.http, self.grpc, self.metrics = free_ports(3)
        self.url = f"http://127.0.0.1:{self.http}"
        (packages,) = (Path(ENVIRONMENT) / "lib").glob("python3.*/site-packages")
        installed = packages.resolve() / "pytriton" / "tritonserver"
        backends = folder / "backends"
        shutil.copytree(installed / "backends", backends)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        for part in (installed / "python_backend_stubs" / version).iterdir():
            (backends / "python" / part.name).write_bytes(part.read_bytes())
            (backends / "python" / part.name).chmod(0o755)
        (backends / "onnxruntime").mkdir()
        shutil.copy(
            ROOT / "tests" / "support" / "triton_backend.py", backends / "onnxruntime" / "model.py"
        )
        repository = folder / "repository"
        for name in MODELS:
            source = RELEASE / f"{name}.onnx"
            assert export.main([str(source), "--triton", str(repository)]) == 0
        libraries = [
            sysconfig.get_config_var("LIBDIR"),
            packages.resolve() / "nvidia_pytriton.libs",
        ]
        environment = {
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PYTHONHOME": sys.base_prefix,
            "TRITON_TEST_LOG": str(self.batches),
            "TRITON_TEST_PACKAGES": str(packages.resolve()),
        }
        command = [
            installed / "bin" / "tritonserver",
            f"--model-repository={repository}",
            f"--backend-directory={backends}",
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            *("--http-address=127.0.0.1", f"--http-port={self.http}"),
            *("--grpc-address=127.0.0.1", f"--grpc-port={self.grpc}"),
            *("--metrics-address=127.0.0.1", f"--metrics-port={self.metrics}"),
        ]
        with self.log.open("wb") as log:
            # Not in our root: Triton's Python would take our package `model` for its own.
            self.process = subprocess.Popen(
                command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log
            )

    def wait(self):
        for _ in range(60):
            assert self.process.poll() is None, self.errors()
            try:
                if httpx.get(f"{self.url}/v2/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        pytest.fail(self.errors())

    def errors(self):
        lines = self.log.read_text().splitlines()
        return "\n".join(line[:200] for line in lines if "UNAVAIL" in line or "rror" in line)

    def executions(self):
        lines = (line.split() for line in self.batches.read_text().splitlines())
        return [(name, int(requests), int(images)) for name, requests, images in lines]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("triton"))
    try:
        server.wait()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(60)


def body(images, outputs=()):
    tensor = {"name": signature.IMAGES, "shape": list(images.shape), "datatype": "FP32"}
    request = {"id": "7", "inputs": [tensor | {"data": images.ravel().tolist()}]}
    return json.dumps(request | {"outputs": [{"name": name} for name in outputs]})


def test_it_was_warmed_up_with_every_batch(server):
    for name in MODELS:
        sizes = [images for model, _, images in server.executions() if model == name]
        assert sizes[:3] == [1, *triton.PREFERRED_BATCHES]


@pytest.mark.parametrize("name", MODELS)
def test_rest_and_grpc_give_what_the_reference_does(server, name):
    images = random_images(5)
    expected = reference.forward(weights.load_arrays(RELEASE / f"{name}.npz"), images)
    answer = httpx.post(f"{server.url}/v2/models/{name}/infer", content=body(images)).json()
    assert (answer["id"], answer["model_version"]) == ("7", "1")
    by_rest = {
        tensor["name"]: np.array(tensor["data"]).reshape(tensor["shape"])
        for tensor in answer["outputs"]
    }
    client = grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}")
    tensor = grpc.InferInput(signature.IMAGES, list(images.shape), "FP32")
    tensor.set_data_from_numpy(images)
    result = client.infer(name, [tensor])
    by_grpc = {name: result.as_numpy(name) for name in expected}
    client.close()
    assert set(by_rest) == set(expected)
    for output, value in expected.items():
        assert reference.relative_error(value, by_rest[output]) < 1e-5, output
        assert reference.relative_error(value, by_grpc[output]) < 1e-5, output


def test_our_own_server_answers_the_same_request_alike(server):
    content = body(random_images(2), [signature.PROBABILITIES, signature.STEP_PROBABILITIES])
    path = "/v2/models/elman/infer"
    with TestClient(create_app(Models([RELEASE / "elman.onnx"]), Settings())) as ours:
        answers = [
            httpx.post(server.url + path, content=content).json(),
            ours.post(path, content=content).json(),
        ]
    values = [[tensor.pop("data") for tensor in answer["outputs"]] for answer in answers]
    assert answers[0] == answers[1]
    for theirs, mine in zip(*values, strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-5)


def test_binary_tensors_are_answered_alike_too(server):
    images = random_images(2)
    tensor = {"name": signature.IMAGES, "shape": list(images.shape), "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": images.nbytes}
    output = {"name": signature.PROBABILITIES, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    request = {"content": head + images.tobytes(), "headers": {LENGTH_HEADER: str(len(head))}}
    path = "/v2/models/elman/infer"
    with TestClient(create_app(Models([RELEASE / "elman.onnx"]), Settings())) as ours:
        answers = [httpx.post(server.url + path, **request), ours.post(path, **request)]
    heads = [json.loads(each.content[: int(each.headers[LENGTH_HEADER])]) for each in answers]
    assert heads[0] == heads[1]
    values = [
        np.frombuffer(each.content[int(each.headers[LENGTH_HEADER]) :], np.float32)
        for each in answers
    ]
    assert len(values[0]) == 2 * signature.DIGITS
    np.testing.assert_allclose(*values, atol=1e-5)


def test_requests_at_the_same_time_are_batched(server):
    before = len(server.executions())
    content = body(random_images(1), [signature.PROBABILITIES])
    url = f"{server.url}/v2/models/elman/infer"
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(32) as pool:
        codes = list(pool.map(lambda _: client.post(url, content=content).status_code, range(400)))
    assert set(codes) == {200}
    executions = server.executions()[before:]
    assert sum(images for _, _, images in executions) == 400
    assert len(executions) < 400


def test_too_many_images_are_refused_as_by_our_own_server(server):
    images = np.zeros((triton.MAX_BATCH + 1, signature.STEPS, signature.PIXELS), np.float32)
    answer = httpx.post(f"{server.url}/v2/models/elman/infer", content=body(images), timeout=60)
    assert answer.status_code == 400
    assert "batch-size must be <=" in answer.json()["error"]
