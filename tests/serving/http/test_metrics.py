"""What stands at /metrics, read as Prometheus reads it; in one process, and in several."""

import hashlib
import os
import random
import string
import sys

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from model import __version__
from serving.http.metrics import BUCKETS, PATH
from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.calls import INFER, client_of, png, request, samples, samples_of, seven
from tests.support.running import serving, url_of, wait_for, workers_of

ROUTE = "/v2/models/{model}/infer"


@pytest.fixture
def client(tiny_model, doubting_model) -> TestClient:
    return client_of([tiny_model, doubting_model])


def test_requests_images_and_times_are_counted(client):
    for images in (1, 3):
        body = request(np.zeros((images, 28, 28), int))
        assert client.post(INFER, json=body).status_code == 200
    assert client.post(INFER, content=b"{").status_code == 400
    client.post("/classify?model=doubting", content=png(seven()))
    found = samples(client)
    for sample, value in {
        f'requests_total{{code="200",route="{ROUTE}"}}': 2,
        f'requests_total{{code="400",route="{ROUTE}"}}': 1,
        'requests_total{code="200",route="/classify"}': 1,
        'images_total{model="tiny"}': 4,
        'executions_total{model="tiny"}': 2,
        'images_total{model="doubting"}': 1,
        f'request_seconds_count{{route="{ROUTE}"}}': 3,
        'request_seconds_count{route="/classify"}': 1,
        f'preprocess_seconds_count{{route="{ROUTE}"}}': 2,  # what cannot be read is not read
        'preprocess_seconds_count{route="/classify"}': 1,
        'predict_seconds_count{model="tiny"}': 2,
        'predict_seconds_count{model="doubting"}': 1,
        "requests_in_flight{}": 0,
    }.items():
        assert found[f"scanline_{sample}"] == value, sample
        if "_count" in sample:
            assert found[f"scanline_{sample.replace('_count', '_sum')}"] > 0
    for end in [*BUCKETS, "+Inf"]:
        assert f'scanline_request_seconds_bucket{{le="{end}",route="{ROUTE}"}}' in found


def test_random_paths_make_no_new_series(client):
    before = len(samples(client))
    chance = random.Random(0)
    letters = string.ascii_letters + string.digits + "/-_.~%20é"
    for number in range(500):
        tail = "".join(chance.choices(letters, k=chance.randint(1, 40)))
        prefix = ("/", "/v2/", "/v2/models/", "/classify/", "/live/", "/metrics/")[number % 6]
        suffix = ("", "/infer", "/ready", "/versions/7/infer")[number % 4]
        method = ("GET", "POST", "PUT", f"X{number}")[number % 4]
        client.request(method, f"http://testserver{prefix}{tail}{suffix}", content=b"{}")
    found = samples(client)
    routes = {key.partition('route="')[2].partition('"')[0] for key in found if "route=" in key}
    known = set(client.get("/openapi.json").json()["paths"])
    assert routes <= known | {"unmatched", "/live/{path}", PATH}
    per_route = len(BUCKETS) + 3  # with +Inf, sum and count
    assert len(found) - before <= len(routes) * (per_route + 4)  # codes: 200, 400, 404, 405


def test_rejected_images_are_counted_by_kind(client):
    blank = png(Image.new("L", (28, 28)))
    faint = np.zeros((28, 28), np.uint8)
    faint[10:18, 10:18] = 255
    for picture in (blank, blank, png(Image.fromarray(faint).resize((280, 280)))):
        client.post("/classify?model=doubting", content=picture)
    kinds = {
        key.partition('reason="')[2][:-2]: value
        for key, value in samples(client).items()
        if key.startswith("scanline_rejected_total")
    }
    assert kinds.pop("no ink") == 2
    assert set(kinds) <= {"not sure", "not a digit"}  # never with the digits
    assert sum(kinds.values()) == 1


def test_networks_build_and_process_are_told(tmp_path, tiny_model):
    other = save_tiny_model(tmp_path / "other.onnx", version=None)
    client = client_of([tiny_model, tmp_path])

    def told() -> list[str]:
        return [key for key in samples(client) if key.startswith("scanline_model_info")]

    def line(path, version: str) -> str:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return f'scanline_model_info{{model="{path.stem}",sha256="{sha256}",version="{version}"}}'

    assert told() == [line(tiny_model, TINY_VERSION)]
    client.get("/v2/models/other")  # which loads it
    assert told() == [line(tiny_model, TINY_VERSION), line(other, "1")]
    found = samples(client)
    [build] = [key for key in found if key.startswith("scanline_build_info")]
    assert f'version="{__version__}"' in build
    assert "onnxruntime=" in build
    if sys.platform == "linux":
        assert found["process_resident_memory_bytes{}"] > 2**20


def test_every_metric_says_what_it_is_and_openmetrics_is_for_those_who_ask(client):
    client.post("/classify", content=png(seven()))
    families = [
        family
        for family in text_string_to_metric_families(client.get(PATH).text)
        if family.name.startswith("scanline_")
    ]
    assert len(families) >= 12
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert family.type != "histogram" or family.name.endswith("_seconds")
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = client.get(PATH, headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert "scanline_requests" in {each.name for each in parse_openmetrics(response.text)}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_of_two_workers_each_answers_for_both_and_a_dead_one_is_forgotten(tiny_model):
    with serving("--workers", "2", "--model", str(tiny_model)) as process:
        url = url_of(process)

        def found() -> dict[str, float]:
            return samples_of(httpx.get(f"{url}{PATH}", timeout=60).text)

        def workers() -> set[str]:
            return {key.partition('pid="')[2].partition('"')[0] for key in found() if "pid=" in key}

        def count() -> float:
            return found().get('scanline_requests_total{code="200",route="/v2"}', 0)

        wait_for(lambda: len(workers()) == 2)  # of which one may still have been starting
        for _ in range(20):  # each over a connection of its own: both may get some
            assert httpx.get(f"{url}/v2", timeout=60).status_code == 200
        wait_for(lambda: count() == 20)  # a request counts just after its answer is out
        assert [count() for _ in range(4)] == [20] * 4
        gone = workers_of(process.pid)[0]
        os.kill(gone, 9)
        wait_for(lambda: len(workers()) == 2 and str(gone) not in workers())
        assert count() == 20
        process.terminate()
        assert process.wait(60) == 0
