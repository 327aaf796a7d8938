"""The Dockerfile, built and run for real (``make test-container``): it answers, on every way in."""

import json
import re

import grpc
import httpx
import pytest
import websockets.sync.client

from model import signature
from serving.inference import grpc_codec as messages
from tests.container.conftest import ROOT, picture, url_of
from tests.container.engine import EngineError
from tests.support.drawings import DRAWINGS
from tests.test_stream import message, unpack

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

DIGITS = {"seven": 7, "one": 1, "zero": 0, "four": 4}
digits = pytest.mark.parametrize(("name", "digit"), DIGITS.items())

# What the health check does, in a container that nobody else can reach.
CLASSIFY = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 7860, timeout=30)
connection.request("POST", "/classify", bytes.fromhex(sys.argv[1]), {"Content-Type": "image/png"})
print(connection.getresponse().read().decode())
"""


@digits
def test_classify_reads_a_drawing(client, name, digit):
    answer = client.post("/classify", files={"file": (f"{name}.png", picture(name))})
    assert answer.status_code == 200
    [result] = answer.json()["results"]
    assert result["digit"] == digit


@digits
def test_the_stream_reads_strokes(container, name, digit):
    with websockets.sync.client.connect(f"ws://127.0.0.1:{container.port}/live") as socket:
        socket.send(message(DRAWINGS[name], sequence=5))
        header, tensors = unpack(socket.recv(timeout=30))
    assert header["sequence"] == 5
    assert tensors[signature.PROBABILITIES].argmax() == digit


def test_infer_reads_the_example_of_the_readme(client):
    request = (ROOT / "tests" / "seven.json").read_bytes()
    answer = client.post("/v2/models/scanline/infer", content=request)
    assert answer.status_code == 200
    outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    probabilities = outputs[signature.PROBABILITIES]
    assert max(range(signature.DIGITS), key=probabilities.__getitem__) == 7


def test_grpc_answers_where_its_port_is_set(launch, image):
    """On the port that the engine publishes, with REST on another: health follows it there."""
    container = launch(image, "--env=SCANLINE_PORT=8000", "--env=SCANLINE_GRPC_PORT=7860")
    container.wait_until_healthy(30)
    with grpc.insecure_channel(f"127.0.0.1:{container.port}") as channel:
        ready = channel.unary_unary(f"/{messages.SERVICE}/ServerReady")(b"", timeout=30)
    assert messages.response_class("ServerReady").FromString(ready).ready


def test_a_key_guards_all_but_health(start):
    container = start("--env=SCANLINE_API_KEY=secret")
    url = f"{url_of(container)}/v2/models/scanline"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"X-API-Key": "secret"}).status_code == 200


def test_it_needs_no_network(start):
    container = start("--network=none")
    answer = json.loads(container.execute("python", "-c", CLASSIFY, picture("seven").hex()))
    assert [result["digit"] for result in answer["results"]] == [7]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url_of(container)}/v2/health/live", timeout=1)


def test_several_workers_share_it(start):
    container = start("--env=SCANLINE_UI=0", "--env=SCANLINE_WORKERS=2")
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        for _ in range(8):
            assert client.post("/classify", content=picture("one")).status_code == 200
        answered = r'scanline_images_total\{model="scanline"\} 8\.0'
        assert re.search(answered, client.get("/metrics").text)
    assert container.stop() == 0


@pytest.mark.parametrize("kind", ["api", "page"])
def test_without_the_page_the_api_answers(request, start, image, kind):
    if kind == "api":
        container = start(tag=request.getfixturevalue("api_image"))
    else:
        container = start("--env=SCANLINE_UI=0", tag=image)
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        assert client.get("/").headers["Location"] == "docs"
        assert client.get("/docs").status_code == 200
        answer = client.post("/classify", files={"file": ("seven.png", picture("seven"))})
    assert answer.json()["results"][0]["digit"] == 7


def test_the_image_without_the_page_says_so(launch, api_image):
    container = launch(api_image)
    with pytest.raises(EngineError, match="the page needs gradio"):
        container.execute("python", "-m", "serving", "--ui", "--port", "0")


def test_every_module_is_there(container):
    """The Dockerfile names the files of `model` that `serving` imports one by one."""
    names = [f"serving.{path.stem}" for path in sorted((ROOT / "serving").glob("*.py"))]
    names.remove("serving.__init__")
    code = "import importlib, json, sys; [importlib.import_module(n) for n in sys.argv[1:]]"
    imported = json.loads(
        container.execute("python", "-c", f"{code}; print(json.dumps([*sys.modules]))", *names)
    )
    assert set(names) <= set(imported)


def test_batch_runs_in_it(container):
    """In several processes, with nothing but /tmp to write to."""
    code = "import numpy as np; np.savez('/tmp/d.npz', images=np.zeros((300, 28, 28), np.uint8))"
    container.execute("python", "-c", code)
    command = "python -m serving.batch /tmp/d.npz --output /tmp/d.csv --processes 2"
    container.execute(*command.split())
    assert len(container.execute("cat", "/tmp/d.csv").splitlines()) == 301
