"""Requests that arrive together: each gets its own answer, the one that it gets alone."""

import asyncio
import json

import httpx
import numpy as np
import pytest

from model import signature
from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings
from tests.support.calls import INFER, request

NAMES = signature.output_names(layers=1, bidirectional=False)
# How many images each request brings, and which outputs it wants.
REQUESTS = [
    (images, outputs)
    for outputs in ([], [{"name": NAMES[0]}], [{"name": NAMES[2]}, {"name": NAMES[0]}], [])
    for images in (1, 2, 1, 5, 1, 16, 1, 1, 33, 1)  # 33: more than a batch holds
]


@pytest.fixture
def app(tiny_model):
    return create_app(Models([tiny_model]), Settings(ui=False, max_heavy=64))


async def together(app, *bodies) -> list[httpx.Response]:
    """Ask for all of them at the same moment."""
    waiting, all_are_here = 0, asyncio.Event()

    async def sent(body):
        nonlocal waiting
        waiting += 1
        if waiting == len(bodies):
            all_are_here.set()
        await all_are_here.wait()
        yield json.dumps(body).encode()

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        calls = [asyncio.create_task(client.post(INFER, content=sent(body))) for body in bodies]
        await asyncio.wait(calls)
        return [call.result() for call in calls]


def test_each_gets_the_answer_that_it_gets_alone(app):
    random = np.random.default_rng(0)
    bodies = [
        {**request(random.integers(0, 256, (images, 28, 28))), "outputs": outputs, "id": str(n)}
        for n, (images, outputs) in enumerate(REQUESTS)
    ]
    mixed = [*bodies[:20], {}, *bodies[20:]]  # one that is wrong spoils no other
    answers = asyncio.run(together(app, *mixed))
    assert answers.pop(20).status_code == 400
    for body, answer in zip(bodies, answers, strict=True):
        [alone] = asyncio.run(together(app, body))
        found, expected = answer.json(), alone.json()
        assert found["id"] == body["id"]
        for one, other in zip(found.pop("outputs"), expected.pop("outputs"), strict=True):
            np.testing.assert_allclose(one.pop("data"), other.pop("data"), atol=1e-6)
            assert one == other
        assert found == expected
    statistics = app.endpoints("tiny").statistics.describe("tiny", "7")
    assert statistics["inference_stats"]["success"]["count"] == 2 * len(bodies)
    assert statistics["execution_count"] < 1.5 * len(bodies)  # one each when they came alone
    assert max(batch["batch_size"] for batch in statistics["batch_stats"]) == 33


def test_a_batch_that_fails_is_told_to_all_of_it_and_the_next_is_answered(app, monkeypatch):
    def fail(*_):
        raise RuntimeError("the network fails")

    body = request(np.zeros((1, 28, 28), int))
    with monkeypatch.context() as broken:
        broken.setattr(app.endpoints("tiny").predictor, "run", fail)
        answers = asyncio.run(together(app, *[body] * 8))
        assert {answer.status_code for answer in answers} == {500}
        assert all("log" in answer.json()["error"] for answer in answers)
    assert {answer.status_code for answer in asyncio.run(together(app, *[body] * 8))} == {200}
