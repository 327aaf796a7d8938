"""Images, each built once, and containers of them."""

import io
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from model.images.strokes import render
from tests.container.engine import Container, Docker, Script, find_engine
from tests.support.drawings import DRAWINGS
from tests.support.running import ROOT, free_port

HEALTHY_SECONDS = 10
LABELS = {"VERSION": "1.2.3", "REVISION": "0" * 40, "CREATED": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="session")
def engine() -> type[Docker] | type[Script]:
    return find_engine()


@pytest.fixture(scope="session")
def image(engine) -> str:
    """The tag of what the Dockerfile builds by itself, with the page."""
    return _build(engine, "scanline:test")


@pytest.fixture(scope="session")
def api_image(engine, image) -> str:
    """The tag of the one without the page; built after the other, with which it shares layers."""
    return _build(engine, f"{image}-api", "--target", "api")


def _build(engine: type[Docker] | type[Script], tag: str, *arguments: str) -> str:
    began = time.perf_counter()
    labels = [f"--build-arg={name}={value}" for name, value in LABELS.items()]
    engine.build(ROOT, tag, *labels, *arguments)
    print(f"{tag} built in {time.perf_counter() - began:.1f} s")
    return tag


@pytest.fixture(scope="session")
def launch(engine) -> Iterator[Callable[..., Container]]:
    """Start a container of the image `tag` with the engine's arguments; do not wait for it."""
    started = []

    def launch(tag: str, *arguments: str) -> Container:
        container = engine(tag, free_port())
        started.append(container)
        container.start(*arguments)
        return container

    yield launch
    for container in started:
        container.remove()


@pytest.fixture(scope="session")
def start(launch, image) -> Callable[..., Container]:
    """The same, until it is healthy; without `tag` of the image with the page."""

    def start(*arguments: str, tag: str = image) -> Container:
        began = time.perf_counter()
        container = launch(tag, *arguments)
        container.wait_until_healthy(HEALTHY_SECONDS)
        print(f"{tag} healthy {time.perf_counter() - began:.1f} s after the start")
        return container

    return start


@pytest.fixture(scope="session")
def container(start) -> Container:
    """One that runs through all tests."""
    return start()


@pytest.fixture
def client(container) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url_of(container), timeout=30) as client:
        yield client


def url_of(container: Container) -> str:
    return f"http://127.0.0.1:{container.port}"


def picture(name: str, side: int = 100) -> bytes:
    """A drawing as the file of a picture with `side` pixels to the side, black on white."""
    drawing = np.rint(255 - render(DRAWINGS[name], 100)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(drawing).resize((side, side)).save(buffer, "PNG")
    return buffer.getvalue()
