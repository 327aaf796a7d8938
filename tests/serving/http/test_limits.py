"""How many requests are inside, and how large and how slow a body may be."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from serving.app import create_app
from serving.http.limits import PICTURE_PATHS, SMALL_BYTES, ConcurrencyLimit, Limits
from serving.inference.batcher import MOST_IMAGES
from serving.inference.models import Models
from serving.settings import Settings
from tests.support.calls import INFER, client_of

SMALL, LARGE = b"x", bytes(SMALL_BYTES + 1)
MOST_BYTES = 10 * SMALL_BYTES


class Slow:
    """An application that answers requests with a body when the test lets it."""

    def __init__(self):
        self.inside = 0
        self.let_go = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["method"] == "POST":
            self.inside += 1
            try:
                self.body = (await receive())["body"]
                await self.let_go.wait()
            finally:
                self.inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def limited(most=9, heavy=9, most_bytes=MOST_BYTES, body_bytes=MOST_BYTES, seconds=60):
    """The slow application within limits, and a client's `post`, which gives a task."""
    slow = Slow()
    app = Limits(slow, ConcurrencyLimit(most, heavy, most_bytes), body_bytes, seconds)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://x", timeout=60
    ) as client:

        def post(content=SMALL, path="/v2", **headers):
            return asyncio.create_task(client.post(path, content=content, headers=headers))

        post.get = client.get
        yield slow, post
        slow.let_go.set()


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def dripping(event, *pieces):
    """A body that says how long it is only by its end, which comes after `event`."""
    for piece in pieces:
        yield piece
    await event.wait()
    yield b"end"


def plays(scenario):
    """Have pytest run a coroutine."""

    def test():
        asyncio.run(scenario())

    test.__name__ = scenario.__name__
    return test


@plays
async def test_beyond_the_limit_it_is_503_and_those_inside_are_answered():
    async with limited(most=2) as (slow, post):
        inside = [post(), post()]
        await until(lambda: slow.inside == 2)
        refused = await post()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "full" in refused.json()["error"]
        assert (await post.get("/v2")).status_code == 200
        slow.let_go.set()
        assert [(await task).status_code for task in inside] == [200, 200]
        assert (await post()).status_code == 200


@plays
async def test_heavy_requests_have_fewer_places():
    for content, path, headers in (
        (SMALL, "/classify", {}),
        (SMALL, "/live/picture", {}),
        (LARGE, "/v2", {}),
        ("chunked", "/v2", {}),
        (SMALL, "/v2", {"content-encoding": "gzip"}),
    ):
        async with limited(heavy=1) as (slow, post):
            ended = asyncio.Event()
            ended.set()

            def ask(content=content, path=path, headers=headers, post=post, ended=ended):
                content = dripping(ended) if content == "chunked" else content
                return post(content, path, **headers)

            first = ask()
            await until(lambda slow=slow: slow.inside == 1)
            assert (await ask()).status_code == 503, path
            small = [post(), post(**{"content-encoding": "Identity"})]
            await until(lambda slow=slow: slow.inside == 3)
            slow.let_go.set()
            assert [(await task).status_code for task in (first, *small)] == [200] * 3


@plays
async def test_a_slow_sender_takes_nobodys_place():
    async with limited(most=1) as (slow, post):
        ended = asyncio.Event()
        sender = post(dripping(ended, b"slow "))
        other = post()
        await until(lambda: slow.inside == 1)
        ended.set()
        assert (await sender).status_code == 503  # now that it needs a place, there is none
        slow.let_go.set()
        assert (await other).status_code == 200
        assert (await post(dripping(ended, b"slow "))).status_code == 200
        assert slow.body == b"slow end"


@plays
async def test_bodies_that_are_being_received_share_their_memory():
    async with limited(most_bytes=3 * SMALL_BYTES) as (slow, post):
        ended, later, piece = asyncio.Event(), asyncio.Event(), bytes(2 * SMALL_BYTES)
        ended.set()
        first = post(dripping(later, piece))
        await asyncio.sleep(0)
        assert (await post(dripping(ended, piece))).status_code == 503
        small = post(dripping(later, SMALL))
        assert not first.done()
        slow.let_go.set()
        later.set()
        assert [(await task).status_code for task in (first, small)] == [200, 200]


@plays
async def test_too_large_a_body_is_413_declared_or_not():
    async with limited(body_bytes=1000) as (slow, post):
        slow.let_go.set()
        ended = asyncio.Event()
        ended.set()
        for content in (bytes(1001), dripping(ended, bytes(998)), dripping(ended, bytes(2000))):
            answer = await post(content)
            assert answer.status_code == 413
            assert "1000" in answer.json()["error"]
        for content in (bytes(1000), dripping(ended, bytes(997))):
            assert (await post(content)).status_code == 200


@plays
async def test_a_body_that_stalls_is_408():
    async with limited(seconds=0.01) as (_, post):
        answer = await post(dripping(asyncio.Event(), b"x"))
        assert answer.status_code == 408
        assert "0.01 s" in answer.json()["error"]


@plays
async def test_a_client_that_leaves_leaves_no_place_taken():
    async with limited(most=1) as (slow, post):
        for content in (SMALL, dripping(asyncio.Event(), b"x")):
            gone = post(content)
            for _ in range(100):
                await asyncio.sleep(0)
            gone.cancel()
            await until(gone.done)
        slow.let_go.set()
        assert (await post()).status_code == 200


def test_health_checks_metrics_and_documents_are_never_refused(tiny_model):
    with client_of([tiny_model], max_concurrency=1) as client:
        client.app.limit.enter()
        assert client.post(INFER, content=b"{}").status_code == 503
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.get("/docs").status_code == 200
        found = client.get("/metrics").text
        assert 'scanline_requests_shed_total{code="503"} 1.0' in found
        # Refused before a route had it, and counted for its route all the same.
        assert 'scanline_requests_total{code="503",route="/v2/models/{model}/infer"} 1.0' in found


def test_the_defaults_hold_two_batches_and_the_picture_paths_are_routes(tiny_model):
    assert Settings().max_concurrency == 2 * MOST_IMAGES
    from serving.page.photo import PATH

    assert {"/classify", PATH} == PICTURE_PATHS
    api = create_app(Models([tiny_model]), Settings(ui=False)).api
    assert "/classify" in {getattr(route, "path", None) for route in api.routes}


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_bodies_are_read_whole_before_the_application(tiny_model, coding):
    with client_of([tiny_model], max_body_bytes=1024) as client:
        headers = {"content-encoding": coding} if coding else {}
        assert client.post(INFER, content=bytes(1025), headers=headers).status_code == 413
        assert client.post(INFER, content=bytes(1024), headers=headers).status_code == 400
