"""SIGTERM: at any time it ends the container with code 0, and no accepted request is lost."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.container.conftest import picture, url_of

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

REQUESTS = 50
PICTURES = 4  # in each: seconds of work for all, so that the signal comes amid them
DRAIN_SECONDS = 60  # for a busy machine


def test_sigterm_ends_it_with_0(start):
    container = start()
    began = time.perf_counter()
    assert container.stop() == 0
    print(f"ended {time.perf_counter() - began:.1f} s after the signal")


@pytest.mark.parametrize("seconds", [0, 0.05, 0.2, 0.5, 1, 2, 3])
def test_sigterm_during_the_imports_ends_it_with_0(launch, image, seconds):
    container = launch(image)
    time.sleep(seconds)
    assert container.stop() == 0


def test_sigterm_loses_no_accepted_request(start):
    """50 requests at once, and the signal while they are computed.

    Accepted is what the server itself counts in ``scanline_requests_in_flight``: the signal
    comes once each of the 50 is in flight or answered. Those that it finds in flight are told
    that their connection ends. Each must have a whole answer with the right digit.
    """
    container = start(
        f"--env=SCANLINE_MAX_HEAVY={REQUESTS}", f"--env=SCANLINE_DRAIN_SECONDS={DRAIN_SECONDS}"
    )
    large = picture("seven", side=3000)
    files = [("file", (f"{number}.png", large)) for number in range(PICTURES)]
    answers: list[httpx.Response] = []
    client = httpx.Client(
        base_url=url_of(container), timeout=120, limits=httpx.Limits(max_connections=REQUESTS + 1)
    )

    def classify() -> None:
        answers.append(client.post("/classify", files=files))

    with client, ThreadPoolExecutor(REQUESTS + 1) as pool:
        waiting = [pool.submit(classify) for _ in range(REQUESTS)]
        wait_until_inside(client, answers)
        code = pool.submit(container.stop, DRAIN_SECONDS + 10)
        for one in waiting:
            one.result()
    assert code.result() == 0
    late = sum(answer.headers.get("connection") == "close" for answer in answers)
    print(f"{late} of {REQUESTS} answered after the signal")
    assert late > 0
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    digits = [[result["digit"] for result in answer.json()["results"]] for answer in answers]
    assert digits == [[7] * PICTURES] * REQUESTS


def wait_until_inside(client: httpx.Client, answers: list) -> None:
    """Wait until all requests are answered or in flight."""
    gauge = re.compile(r"^scanline_requests_in_flight (\S+)", re.MULTILINE)
    inside = 0
    while inside < REQUESTS:
        answered = len(answers)  # first: what is answered in between counts as in flight
        inside = answered + float(gauge.search(client.get("/metrics").text)[1])
