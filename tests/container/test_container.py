"""The Dockerfile, built and run for real (``make test-container``)."""

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from model.strokes import render
from tests.container.engine import Docker, Script, find_engine
from tests.drawings import DRAWINGS

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parent.parent.parent
HEALTHY_SECONDS = 10

Container = Docker | Script


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[], Container]]:
    """Build the image once; each call starts a container of it."""
    engine = find_engine()
    began = time.perf_counter()
    engine.build(ROOT)
    print(f"built in {time.perf_counter() - began:.1f} s")
    started = []

    def start() -> Container:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        container = engine(port)
        started.append(container)
        began = time.perf_counter()
        container.start()
        container.wait_until_healthy(HEALTHY_SECONDS)
        print(f"healthy {time.perf_counter() - began:.1f} s after the start")
        return container

    yield start
    for container in started:
        container.remove()


@pytest.fixture(scope="module")
def container(start) -> Container:
    return start()


@pytest.fixture
def client(container) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{container.port}", timeout=30) as client:
        yield client


def python(container: Container, code: str):
    """Run code in the container; gives what it prints as JSON."""
    return json.loads(container.execute("python", "-c", code))


def picture(name: str) -> bytes:
    drawing = 255 - render(DRAWINGS[name], 100)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(drawing).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_page_answers_with_its_files(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "Scanline" in page.text
    scripts = re.findall(r'src="(?:\./|/)?(assets/[^"]+\.js)"', page.text)
    assert scripts
    assert all(client.get(f"/{script}").status_code == 200 for script in scripts)


@pytest.mark.parametrize(("name", "digit"), [("seven", 7), ("one", 1), ("zero", 0), ("four", 4)])
def test_classify_reads_a_drawing(client, name, digit):
    answer = client.post("/classify", files={"file": (f"{name}.png", picture(name))})
    assert answer.status_code == 200
    text = json.dumps(answer.json())
    assert re.search(rf'"digit": {digit}\b', text), text


def test_first_process_is_not_root(container):
    status = python(
        container,
        "import json; print(json.dumps(dict(line.split(':\t', 1) "
        "for line in open('/proc/1/status').read().splitlines())))",
    )
    assert "0" not in status["Uid"].split()


def test_root_is_read_only(container):
    assert python(container, "import os; print(int(bool(os.statvfs('/').f_flag & os.ST_RDONLY)))")


def test_every_module_is_there(container):
    """The Dockerfile names the files of `model` that `serving` imports one by one."""
    modules = sorted(path.stem for path in (ROOT / "serving").glob("*.py"))
    names = [f"serving.{name}" for name in modules if name != "__init__"]
    code = "import importlib, json, sys; [importlib.import_module(n) for n in sys.argv[1:]]"
    imported = json.loads(
        container.execute("python", "-c", f"{code}; print(json.dumps([*sys.modules]))", *names)
    )
    assert set(names) <= set(imported)


def test_nothing_of_training_is_there(container):
    heavy = ["tensorflow", "keras", "jax", "torch", "onnx", "scipy", "pytest", "pip", "training"]
    code = f"from importlib.util import find_spec; print([n for n in {heavy} if find_spec(n)])"
    assert container.execute("python", "-c", code).strip() == "[]"


def test_batch_runs_in_it(container):
    """In several processes, with nothing but /tmp to write to."""
    code = "import numpy as np; np.savez('/tmp/d.npz', images=np.zeros((300, 28, 28), np.uint8))"
    container.execute("python", "-c", code)
    command = "python -m serving.batch /tmp/d.npz --output /tmp/d.csv --processes 2"
    container.execute(*command.split())
    assert len(container.execute("cat", "/tmp/d.csv").splitlines()) == 301


def test_sigterm_ends_it_with_0(start):
    container = start()
    began = time.perf_counter()
    assert container.stop() == 0
    print(f"ended {time.perf_counter() - began:.1f} s after the signal")
