"""Images, each built once, and containers of them."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.container.engine import Container, find_engine
from tests.support.running import ROOT, free_port

HEALTHY_SECONDS = 120  # for a busy machine; it prints how many it took
PICTURE = (ROOT / "tests" / "seven.png").read_bytes()


@pytest.fixture(scope="session")
def image() -> str:
    """The tag of what the Dockerfile builds by itself, with the page."""
    find_engine().build(ROOT, "scanline:test")
    return "scanline:test"


@pytest.fixture(scope="session")
def api_image(image) -> str:
    """The tag of the one without the page; built after the other, with which it shares layers."""
    find_engine().build(ROOT, f"{image}-api", "--target", "api")
    return f"{image}-api"


@pytest.fixture(scope="session")
def launch(image) -> Iterator[Callable[..., Container]]:
    """Start a container with the engine's arguments; do not wait for it."""
    started = []

    def launch(*arguments: str, tag: str = image) -> Container:
        container = find_engine()(tag, free_port())
        started.append(container)
        container.start(*arguments)
        return container

    yield launch
    for container in started:
        container.remove()


@pytest.fixture(scope="session")
def start(launch) -> Callable[..., Container]:
    """The same, until it is healthy."""

    def start(*arguments: str, **options: str) -> Container:
        began = time.perf_counter()
        container = launch(*arguments, **options)
        container.wait_until_healthy(HEALTHY_SECONDS)
        print(f"healthy {time.perf_counter() - began:.1f} s after the start")
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
