"""The Ray Serve app, in Ray's local mode and on a real Ray of this machine (`make test-ray`)."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient

from model import signature
from model.predictor import RELEASE, ModelError, Predictor
from serving.inference.json_codec import ProtocolError
from tests.support.running import ROOT

pytest.importorskip("ray", reason="Ray has an environment of its own: make test-ray")
from ray import serve
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve._private.config import DeploymentConfig
from ray.serve.context import _set_internal_replica_context
from ray.serve.schema import ReplicaRank, ServeDeploySchema

from deploy.ray import serve_app

CLUSTER = ROOT / "deploy" / "ray" / "serve.yaml"
MODEL = "elman"


def images(count, seed=0):
    shape = (count, signature.STEPS, signature.PIXELS)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)


def body(pixels, outputs=None, **more):
    tensor = {"name": signature.IMAGES, "shape": list(pixels.shape), "datatype": "FP32"}
    request = {"inputs": [tensor | {"data": pixels.ravel().tolist()}]} | more
    if outputs:
        request["outputs"] = [{"name": name} for name in outputs]
    return json.dumps(request).encode()


def arrays(answer):
    return {
        tensor["name"]: np.array(tensor["data"], np.float32).reshape(tensor["shape"])
        for tensor in answer["outputs"]
    }


def check(answer, pixels, outputs=None, model=MODEL):
    expected = Predictor(RELEASE / f"{model}.onnx").run(pixels, outputs)
    actual = arrays(answer)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def local():
    """Everything in this process: the way Ray offers for tests."""
    # It lacks what @serve.batch asks for at its first call (Ray 2.60).
    _set_internal_replica_context(
        replica_id=ReplicaID("local", DeploymentID("Scanline", "local")),
        servable_object=None,
        _deployment_config=DeploymentConfig(max_ongoing_requests=64),
        rank=ReplicaRank(rank=0, node_rank=0, local_rank=0),
        world_size=1,
    )
    handle = serve.run(serve_app.app(serve_app.Arguments()), name="local", _local_testing_mode=True)
    yield handle
    handle.shutdown()


def test_local_mode_answers_as_the_predictor(local):
    for count, outputs in ((1, None), (5, [signature.PROBABILITIES]), (40, None)):
        pixels = images(count)
        answer, json_length = local.answer.remote(MODEL, None, body(pixels, outputs)).result()
        assert json_length is None
        check(json.loads(answer), pixels, outputs)


def test_requests_at_the_same_time_each_get_their_own(local):
    wanted = [None, [signature.PROBABILITIES], [signature.hidden_forward(1)]] * 10
    pixels = [images(1 + n % 3, seed=n) for n in range(len(wanted))]
    pending = [
        local.answer.remote(MODEL, "1", body(each, names))
        for each, names in zip(pixels, wanted, strict=True)
    ]
    for each, names, response in zip(pixels, wanted, pending, strict=True):
        check(json.loads(response.result()[0]), each, names)


def test_each_network_computes_what_is_its_own_once(monkeypatch):
    elman, stacked = (Predictor(RELEASE / f"{name}.onnx") for name in (MODEL, "stacked"))
    calls = []
    run = Predictor.run

    def counted(self, pixels, names=None):
        calls.append((self.name, len(pixels), names))
        return run(self, pixels, names)

    monkeypatch.setattr(Predictor, "run", counted)
    answer, belief = signature.PROBABILITIES, signature.STEP_PROBABILITIES
    batch = [
        serve_app.Work(elman, serve_app.Infer(images(1, seed=1), [answer])),
        serve_app.Work(stacked, serve_app.Infer(images(2, seed=2))),
        serve_app.Work(elman, serve_app.Infer(images(3, seed=3), [belief, answer])),
    ]
    results = serve_app.compute(batch)
    assert calls == [(MODEL, 4, [answer, belief]), ("stacked", 2, stacked.output_names)]
    for work, result in zip(batch, results, strict=True):
        expected = run(work.predictor, work.request.images, work.request.outputs)
        assert list(result) == list(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(result[name], value, rtol=1e-4, atol=1e-5)


def test_what_waits_is_computed_together_and_networks_are_not_mixed(local, monkeypatch):
    calls = []
    run = Predictor.run

    def slow(self, pixels, names=None):
        calls.append(len(pixels))
        time.sleep(0.02)  # so that the others wait
        return run(self, pixels, names)

    monkeypatch.setattr(Predictor, "run", slow)
    models = [MODEL, "stacked"] * 20
    pixels = images(1)
    pending = [local.answer.remote(model, None, body(pixels)) for model in models]
    answers = [json.loads(response.result()[0]) for response in pending]
    monkeypatch.undo()
    for model, answer in zip(models, answers, strict=True):
        check(answer, pixels, model=model)
    assert sum(calls) == len(models)
    assert len(calls) < len(models) / 2


def test_bad_requests_raise_what_the_protocol_says(local):
    with pytest.raises(ProtocolError, match="not valid JSON"):
        local.answer.remote(MODEL, None, b"[").result()


@pytest.mark.parametrize("text", ["", "-1", "1_0", "²", "9" * 5000])
def test_a_length_that_is_none_is_told(text):
    with pytest.raises(ProtocolError, match="must be a number of bytes"):
        serve_app.json_length(text)


def test_a_broken_network_is_for_the_log(caplog):
    api = FastAPI(exception_handlers=serve_app.api.exception_handlers)

    @api.get("/")
    async def read():
        raise ModelError("secret.onnx cannot be read")

    answer = TestClient(api).get("/")
    assert answer.status_code == 503
    assert "cannot be used" in answer.json()["error"]
    assert "secret" not in answer.text
    assert "secret.onnx" in caplog.text


def test_the_clusters_file_is_what_ray_reads():
    content = yaml.safe_load(CLUSTER.read_text())
    read = ServeDeploySchema.model_validate(content)
    (application,) = read.applications
    assert application.import_path == "deploy.ray.serve_app:app"
    assert [d.name for d in application.deployments] == [serve_app.Scanline.name]
    serve_app.Arguments(**application.args)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """`serve run deploy/ray/serve.yaml` on this machine, on a free port and with one replica."""
    folder = tmp_path_factory.mktemp("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    content = yaml.safe_load(CLUSTER.read_text())
    content["http_options"] = {"host": "127.0.0.1", "port": port}
    content["applications"][0]["deployments"][0]["autoscaling_config"]["min_replicas"] = 1
    (folder / "serve.yaml").write_text(yaml.safe_dump(content))
    command = [Path(sys.executable).with_name("serve"), "run", folder / "serve.yaml"]
    switches = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | switches
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/v2/health/ready", process, folder / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _wait(url, process, log):
    for _ in range(120):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        time.sleep(1)
    pytest.fail(log.read_text())


def test_http_on_a_real_ray(url):
    with httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert client.get(f"/v2/models/{MODEL}/ready").json() == {"name": MODEL, "ready": True}
        described = client.get(f"/v2/models/{MODEL}/versions/1").json()
        assert described["inputs"][0]["name"] == signature.IMAGES
        pixels = images(3)
        for path in (f"/v2/models/{MODEL}/infer", f"/v2/models/{MODEL}/versions/1/infer"):
            answer = client.post(path, content=body(pixels, id="7")).json()
            assert (answer["id"], answer["model_name"]) == ("7", MODEL)
            check(answer, pixels)


def test_binary_tensors_on_a_real_ray(url):
    pixels = images(2)
    tensor = {"name": signature.IMAGES, "shape": [2, 28, 28], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": pixels.nbytes}
    output = {"name": signature.PROBABILITIES, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    header = {"Inference-Header-Content-Length": str(len(head))}
    answer = httpx.post(
        f"{url}/v2/models/{MODEL}/infer", content=head + pixels.tobytes(), headers=header
    )
    length = int(answer.headers["Inference-Header-Content-Length"])
    actual = np.frombuffer(answer.content[length:], np.float32).reshape(2, signature.DIGITS)
    expected = Predictor(RELEASE / f"{MODEL}.onnx").run(pixels, [signature.PROBABILITIES])
    np.testing.assert_allclose(actual, expected[signature.PROBABILITIES], atol=1e-5)


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "words"),
    [
        (f"/v2/models/{MODEL}/infer", b"", {}, 400, "the body is empty"),
        (f"/v2/models/{MODEL}/infer", b"{}", {}, 400, "inputs"),
        ("/v2/models/none/infer", b"{}", {}, 404, "no model 'none'"),
        (f"/v2/models/{MODEL}/versions/9/infer", b"{}", {}, 404, "no version '9'"),
        ("/v2/nothing", b"{}", {}, 404, "Not Found"),
        (f"/v2/models/{MODEL}/infer", b"0" * (9 * 2**20), {}, 413, "bytes"),
        (
            f"/v2/models/{MODEL}/infer",
            b"{}",
            {"Inference-Header-Content-Length": "-1"},
            400,
            "must be a number of bytes",
        ),
        (
            f"/v2/models/{MODEL}/infer",
            b"{}",
            {"Inference-Header-Content-Length": "9" * 5000},
            400,
            "must be a number of bytes",
        ),
    ],
)
def test_errors_on_a_real_ray(url, path, content, headers, status, words):
    answer = httpx.post(url + path, content=content, headers=headers, timeout=60)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_many_clients_on_a_real_ray(url):
    pixels = images(1)
    content = body(pixels, [signature.PROBABILITIES])
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda _: client.post(f"/v2/models/{MODEL}/infer", content=content), range(200)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    check(answers[-1].json(), pixels, [signature.PROBABILITIES])
