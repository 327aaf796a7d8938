"""What stands at /metrics, read as Prometheus reads it; in one process, and in several."""

import hashlib
import io
import os
import random
import string
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from model import signature
from serving.app import create_app
from serving.classify_route import PATH as CLASSIFY
from serving.http import metrics
from serving.http.metrics import BUCKETS
from serving.inference.models import Models
from serving.inference.v2 import INFER, SERVER_VERSION
from serving.settings import Settings
from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.running import ROOT, serving, url_of, wait_for

SEVEN = (ROOT / "tests" / "seven.png").read_bytes()
PICTURE = {"content-type": "image/png"}


@pytest.fixture
def client(tiny_model, doubting_model) -> TestClient:
    app = create_app(Models([tiny_model, doubting_model]), Settings())
    return TestClient(app, raise_server_exceptions=False)


def values(text: str) -> dict[str, float]:
    """Samples as ``name{a="1",b="2"}``, the labels by name, to their values."""
    return {
        sample.name
        + "{"
        + ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(client: TestClient) -> dict[str, float]:
    response = client.get(metrics.PATH)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return values(response.text)


def body(images: int) -> dict:
    shape = (images, signature.STEPS, signature.PIXELS)
    tensor = {"name": signature.IMAGES, "shape": shape, "datatype": "UINT8"}
    return {"inputs": [{**tensor, "data": np.zeros(shape, int).ravel().tolist()}]}


def test_requests_images_and_times_are_counted(client):
    for images in (1, 3):
        assert client.post("/v2/models/tiny/infer", json=body(images)).status_code == 200
    assert client.post("/v2/models/tiny/infer", content=b"{").status_code == 400
    client.post("/classify?model=doubting", content=SEVEN, headers=PICTURE)
    found = scraped(client)
    assert found[f'scanline_requests_total{{code="200",route="{INFER}"}}'] == 2
    assert found[f'scanline_requests_total{{code="400",route="{INFER}"}}'] == 1
    assert found[f'scanline_requests_total{{code="200",route="{CLASSIFY}"}}'] == 1
    assert found['scanline_images_total{model="tiny"}'] == 4
    assert found['scanline_executions_total{model="tiny"}'] == 2
    assert found['scanline_images_total{model="doubting"}'] == 1
    for name, label, count in (
        ("request", f'route="{INFER}"', 3),
        ("request", f'route="{CLASSIFY}"', 1),
        ("preprocess", f'route="{INFER}"', 2),  # what cannot be read is not read
        ("preprocess", f'route="{CLASSIFY}"', 1),
        ("predict", 'model="tiny"', 2),
        ("predict", 'model="doubting"', 1),
    ):
        assert found[f"scanline_{name}_seconds_count{{{label}}}"] == count
        assert 0 < found[f"scanline_{name}_seconds_sum{{{label}}}"] < 60


def test_buckets_reach_from_a_tenth_of_a_millisecond_to_ten_seconds(client):
    client.get("/v2")
    found = scraped(client)
    ends = [float(end) for end in ("0.0001", "0.001", "0.01", "0.1", "1.0", "10.0")]
    assert (BUCKETS[0], BUCKETS[-1]) == (ends[0], ends[-1])
    assert set(ends) <= set(BUCKETS)
    for end in [*BUCKETS, "+Inf"]:
        assert f'scanline_request_seconds_bucket{{le="{end}",route="/v2"}}' in found


def test_a_thousand_random_paths_make_no_new_series(client):
    before = len(scraped(client))
    chance = random.Random(0)
    letters = string.ascii_letters + string.digits + "/-_.~%20é"
    for number in range(1000):
        tail = "".join(chance.choices(letters, k=chance.randint(1, 40)))
        prefix = ("/", "/v2/", "/v2/models/", "/classify/", "/live/", "/metrics/")[number % 6]
        suffix = ("", "/infer", "/ready", "/versions/7/infer")[number % 4]
        method = ("GET", "POST", "PUT", f"X{number}")[number % 4]
        client.request(method, f"http://testserver{prefix}{tail}{suffix}", content=b"{}")
    found = scraped(client)
    routes = {key.partition('route="')[2].partition('"')[0] for key in found if "route=" in key}
    known = set(client.get("/openapi.json").json()["paths"])
    assert routes <= known | {"unmatched", metrics.PATH}
    per_route = len(BUCKETS) + 3  # with +Inf, sum and count
    assert len(found) - before <= len(routes) * (per_route + 4)  # codes: 200, 400, 404, 405


def test_the_routes_of_a_page_at_the_root_are_told_by_their_templates(client):
    app = client.app

    async def page(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    app.mount("/files", page)
    app.mount("/", page)
    for path in ("/files/a", "/files/b/c", "/d", "/e?f"):
        assert client.get(path).text == "page"
    found = scraped(client)
    assert found['scanline_requests_total{code="200",route="/files/{path}"}'] == 2
    assert found['scanline_requests_total{code="200",route="unmatched"}'] == 2


def test_rejected_images_are_counted_by_kind(client):
    watch = client.app.state.metrics
    for first in range(10):
        for second in range(10):
            watch.rejected("doubting", f"not sure: {first} or {second}")
    watch.rejected("doubting", "not a digit")
    page = io.BytesIO()
    Image.new("L", (9, 9)).save(page, "PNG")
    answer = client.post("/classify?model=tiny", content=page.getvalue(), headers=PICTURE)
    assert answer.json()["results"][0]["reason"] == "no ink"
    found = {key: value for key, value in scraped(client).items() if "rejected" in key}
    assert found == {
        'scanline_rejected_total{model="doubting",reason="not sure"}': 100,
        'scanline_rejected_total{model="doubting",reason="not a digit"}': 1,
        'scanline_rejected_total{model="tiny",reason="no ink"}': 1,
    }


def test_the_networks_that_are_loaded_are_told_with_version_and_hash(tmp_path, tiny_model):
    other = save_tiny_model(tmp_path / "other.onnx", version=None)
    models = Models([tiny_model, other.parent])
    client = TestClient(create_app(models, Settings()))

    def told() -> list[str]:
        return [key for key in scraped(client) if key.startswith("scanline_model_info")]

    def line(path: Path, version: str) -> str:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.stem
        return f'scanline_model_info{{model="{name}",sha256="{sha256}",version="{version}"}}'

    assert told() == [line(tiny_model, TINY_VERSION)]
    client.get("/v2/models/other")  # which loads it
    assert told() == [line(tiny_model, TINY_VERSION), line(other, "1")]


def test_the_build_and_the_process_are_told(client):
    found = scraped(client)
    [build] = [key for key in found if key.startswith("scanline_build_info")]
    assert f'version="{SERVER_VERSION}"' in build
    assert "onnxruntime=" in build
    if sys.platform == "linux":
        assert found["process_resident_memory_bytes{}"] > 2**20
        assert found["process_cpu_seconds_total{}"] > 0


def test_every_metric_says_what_it_is_and_has_a_good_name(client):
    client.post("/classify", content=SEVEN, headers=PICTURE)
    text = client.get(metrics.PATH).text
    families = [f for f in text_string_to_metric_families(text) if f.name.startswith("scanline_")]
    assert len(families) >= 12
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert family.type != "histogram" or family.name.endswith("_seconds")
        if family.type == "counter":  # the parser takes _total off
            assert f"\n{family.name}_total" in text or not family.samples


def test_whoever_asks_for_openmetrics_gets_it(client):
    client.get("/v2")
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = client.get(metrics.PATH, headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(response.text)}
    assert {"scanline_requests", "scanline_request_seconds", "scanline_model"} <= names


def test_metrics_are_no_part_of_the_documented_api(client):
    assert metrics.PATH not in client.get("/openapi.json").json()["paths"]


# --- Several workers ---------------------------------------------------------------------

# Answers, counts what it is told on standard input, or prints what a scrape of it gives.
WORKER = """
import sys
from pathlib import Path
from serving.http.metrics import Metrics
from serving.inference.models import Models

watch = Metrics(Models([Path(sys.argv[1])]))
watch.in_flight.inc()
for line in sys.stdin:
    if line.strip() == "scrape":
        print(watch.render()[0].decode() + "# EOF", flush=True)
    else:
        for _ in range(int(line)):
            watch.answered("/v2", 200, 0.002)
            watch.inferred("tiny", 0.003, 5)
        print("counted", flush=True)
"""


class Worker:
    """A process with metrics of its own."""

    def __init__(self, model: Path):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-c", WORKER, str(model)]
        self.process = subprocess.Popen(command, cwd=ROOT, **pipes)

    def tell(self, line: str) -> str:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def count(self, requests: int) -> None:
        assert self.tell(str(requests)) == "counted\n"

    def scrape(self) -> dict[str, float]:
        lines = [self.tell("scrape")]
        while lines[-1] != "# EOF\n":
            lines.append(self.process.stdout.readline())
            assert lines[-1], "the worker has ended"
        return values("".join(lines[:-1]))

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def two_workers(model: Path) -> Iterator[list[Worker]]:
    with metrics.shared_folder():
        workers = [Worker(model), Worker(model)]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.kill()


def test_each_of_two_workers_answers_for_both(tiny_model):
    with two_workers(tiny_model) as workers:
        for worker, requests in zip(workers, (3, 40), strict=True):
            worker.count(requests)
        for found in [worker.scrape() for worker in workers]:
            assert found['scanline_requests_total{code="200",route="/v2"}'] == 43
            assert found['scanline_images_total{model="tiny"}'] == 215
            assert found['scanline_request_seconds_count{route="/v2"}'] == 43
            assert found['scanline_request_seconds_sum{route="/v2"}'] == pytest.approx(0.086)
            assert found['scanline_request_seconds_bucket{le="0.001",route="/v2"}'] == 0
            assert found['scanline_request_seconds_bucket{le="0.0025",route="/v2"}'] == 43
            assert found["scanline_requests_in_flight{}"] == 2
            [model] = [key for key in found if key.startswith("scanline_model_info")]
            assert 'model="tiny"' in model
            if sys.platform == "linux":
                for worker in workers:
                    key = f'process_resident_memory_bytes{{pid="{worker.process.pid}"}}'
                    assert found[key] > 2**20


def test_of_a_dead_worker_the_counts_stay_and_the_gauges_go(tiny_model):
    with two_workers(tiny_model) as (alive, dead):
        alive.count(1)
        dead.count(2)
        assert alive.scrape()["scanline_requests_in_flight{}"] == 2
        dead.kill()
        metrics.worker_died(dead.process.pid)
        found = alive.scrape()
        assert found["scanline_requests_in_flight{}"] == 1
        assert found['scanline_requests_total{code="200",route="/v2"}'] == 3
        assert not [key for key in found if f'pid="{dead.process.pid}"' in key]


def test_a_server_of_two_workers_counts_every_request_once(tiny_model):
    flags = ("--workers", "2", "--model", str(tiny_model))
    with serving(*flags) as process:
        url = url_of(process)
        for _ in range(20):  # each over a connection of its own: both get some
            assert httpx.get(f"{url}/v2").status_code == 200
        key = 'scanline_requests_total{code="200",route="/v2"}'

        def count() -> float:
            return values(httpx.get(f"{url}{metrics.PATH}").text)[key]

        wait_for(lambda: count() == 20)  # a request counts just after its answer is out
        assert [count() for _ in range(4)] == [20] * 4
        process.terminate()
        assert process.wait(30) == 0


def test_the_shared_folder_goes_with_the_parent():
    with metrics.shared_folder() as folder:
        assert os.environ[metrics.FOLDER_VARIABLE] == str(folder)
        assert folder.is_dir()
    assert metrics.FOLDER_VARIABLE not in os.environ
    assert not folder.exists()
