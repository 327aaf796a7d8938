"""SIGTERM: at any time it ends the container with code 0, and no accepted request is lost."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.container.conftest import picture, url_of

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

REQUESTS = 50
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
    """50 requests, each on a connection of its own, and the signal while they are computed.

    The server itself says in ``scanline_requests_in_flight`` how many it has accepted: the
    signal comes once each of the 50 is in flight or answered, and most are in flight. Then
    each must have a whole answer with the right digit.
    """
    container = start(
        f"--env=SCANLINE_MAX_HEAVY={REQUESTS}", f"--env=SCANLINE_DRAIN_SECONDS={DRAIN_SECONDS}"
    )
    file = picture("seven", side=2500)
    answers: list[httpx.Response] = []

    def classify() -> None:
        answers.append(httpx.post(f"{url_of(container)}/classify", content=file, timeout=120))

    with ThreadPoolExecutor(REQUESTS + 1) as pool:
        waiting = [pool.submit(classify) for _ in range(REQUESTS)]
        answered, in_flight = wait_until_inside(url_of(container), answers)
        code = pool.submit(container.stop, DRAIN_SECONDS + 10)
        for one in waiting:
            one.result()
        print(f"{in_flight} in flight and {answered} answered at the signal")
    assert code.result() == 0
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert [answer.json()["results"][0]["digit"] for answer in answers] == [7] * REQUESTS


def wait_until_inside(url: str, answers: list) -> tuple[int, int]:
    """Wait until all requests are answered or in flight, and say how many are which."""
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            answered = len(answers)  # first: what is answered in between counts as in flight
            found = re.search(
                r"^scanline_requests_in_flight (\S+)", client.get("/metrics").text, re.M
            )
            in_flight = round(float(found[1]))
            assert answered < REQUESTS / 2, "the pictures are too small: half are answered"
            if answered + in_flight >= REQUESTS:
                return answered, in_flight
