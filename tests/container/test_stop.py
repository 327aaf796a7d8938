"""SIGTERM: at any time it ends the container with code 0, and no accepted request is lost."""

import io
import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from tests.container.conftest import PICTURE, url_of
from tests.support.running import wait_for

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

REQUESTS = 50
PICTURES = 4  # in each: seconds of work for all, so that the signal comes amid them
DRAIN_SECONDS = 60  # for a busy machine


@pytest.mark.parametrize("seconds", [0, 0.05, 0.2, 0.5, 1, 2, 3])
def test_sigterm_during_the_imports_ends_it_with_0(launch, seconds):
    container = launch()
    time.sleep(seconds)
    assert container.stop() == 0


def test_sigterm_loses_no_accepted_request(start):
    """The signal comes once each of 50 is in flight or answered: all get the right digits."""
    container = start(
        f"--env=SCANLINE_MAX_HEAVY={REQUESTS}", f"--env=SCANLINE_DRAIN_SECONDS={DRAIN_SECONDS}"
    )
    buffer = io.BytesIO()
    Image.open(io.BytesIO(PICTURE)).resize((3000, 3000)).save(buffer, "PNG")
    files = [("file", buffer.getvalue())] * PICTURES
    answers: list[httpx.Response] = []
    in_flight = re.compile(r"^scanline_requests_in_flight (\S+)", re.MULTILINE)
    client = httpx.Client(
        base_url=url_of(container), timeout=120, limits=httpx.Limits(max_connections=REQUESTS + 1)
    )

    def classify() -> None:
        answers.append(client.post("/classify", files=files))

    def are_all_inside() -> bool:
        answered = len(answers)  # first: what is answered in between counts as in flight
        return answered + float(in_flight.search(client.get("/metrics").text)[1]) >= REQUESTS

    with client, ThreadPoolExecutor(REQUESTS) as pool:
        waiting = [pool.submit(classify) for _ in range(REQUESTS)]
        wait_for(are_all_inside, 120)
        late = REQUESTS - len(answers)
        code = container.stop(DRAIN_SECONDS + 10)
        for one in waiting:
            one.result()
    assert code == 0
    assert late > 0
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    digits = [[result["digit"] for result in answer.json()["results"]] for answer in answers]
    assert digits == [[7] * PICTURES] * REQUESTS
