"""The Dockerfile, built and run for real (``make test-container``): it answers, on every way in."""

import json
import re

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from tests.container.conftest import HEALTHY_SECONDS, PICTURE, ROOT, url_of
from tests.container.engine import EngineError

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

# What the health check does, in a container that nobody else can reach.
CLASSIFY = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 7860, timeout=30)
connection.request("POST", "/classify", bytes.fromhex(sys.argv[1]), {"Content-Type": "image/png"})
print(connection.getresponse().read().decode())
"""


def digits(answer: dict) -> list[int]:
    return [result["digit"] for result in answer["results"]]


def test_rest_answers_and_leaves_no_file(start):
    container = start()
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        assert digits(client.post("/classify", files={"file": PICTURE}).json()) == [7]
        body = (ROOT / "tests" / "seven.json").read_bytes()
        assert client.post("/v2/models/scanline/infer", content=body).status_code == 200
    files = "import pathlib as p; print([str(f) for f in p.Path('/tmp').rglob('*') if f.is_file()])"
    assert container.execute("python", "-c", files).strip() == "[]"


def test_grpc_answers_where_its_port_is_set(launch):
    """On the port that the engine publishes, with REST on another: health follows it there."""
    container = launch("--env=SCANLINE_PORT=8000", "--env=SCANLINE_GRPC_PORT=7860")
    container.wait_until_healthy(HEALTHY_SECONDS)
    with grpc.insecure_channel(f"127.0.0.1:{container.port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(messages.ServerReadyRequest(), timeout=30).ready


def test_it_needs_no_network(start):
    container = start("--network=none")
    answer = container.execute("python", "-c", CLASSIFY, PICTURE.hex())
    assert digits(json.loads(answer)) == [7]


def test_several_workers_share_it(start):
    container = start("--env=SCANLINE_UI=0", "--env=SCANLINE_WORKERS=2")
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        for _ in range(8):
            assert client.post("/classify", content=PICTURE).status_code == 200
        answered = r'scanline_images_total\{model="scanline"\} 8\.0'
        assert re.search(answered, client.get("/metrics").text)
    assert container.stop() == 0


def test_the_image_without_the_page_has_the_api_and_says_so(start, api_image):
    container = start(tag=api_image)
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        assert client.get("/").headers["Location"] == "docs"
        assert client.get("/docs").status_code == 200
        assert digits(client.post("/classify", content=PICTURE).json()) == [7]
    with pytest.raises(EngineError, match="the page needs gradio"):
        container.execute("python", "-m", "serving", "--ui", "--port", "0")


def test_batch_runs_in_it(container):
    """In several processes, with nothing but /tmp to write to."""
    code = "import numpy as np; np.savez('/tmp/d.npz', images=np.zeros((300, 28, 28), np.uint8))"
    container.execute("python", "-c", code)
    command = "python -m serving.batch /tmp/d.npz --output /tmp/d.csv --processes 2"
    container.execute(*command.split())
    assert len(container.execute("cat", "/tmp/d.csv").splitlines()) == 301
