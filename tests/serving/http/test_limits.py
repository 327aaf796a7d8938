"""The gate: how many are inside, who is refused and how, and what SIGTERM changes."""

import asyncio

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.http.limits import PICTURE_PATHS, SMALL_BYTES, Gate, GateKeeper, is_health
from serving.inference.batcher import MOST_IMAGES
from serving.inference.models import Models
from serving.page import photo as picture_route
from serving.settings import Settings


class Caller:
    """One request to an application, by hand: its body comes when the test says so."""

    def __init__(self, app, path="/v2/models/tiny/infer", method="POST", headers=()):
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        self._pieces = asyncio.Queue()
        self.read = 0
        self.sent = []
        self.task = asyncio.create_task(app(self.scope, self._receive, self._send))

    async def _receive(self):
        event = await self._pieces.get()
        self.read += len(event.get("body", b""))
        return event

    async def _send(self, event):
        self.sent.append(event)

    async def give(self, body=b"x", more=False):
        self._pieces.put_nowait({"type": "http.request", "body": body, "more_body": more})
        await settle()

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def answer_headers(self):
        return dict(self.sent[0]["headers"])


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


class Slow:
    """An application that reads the body and answers when the test lets it."""

    def __init__(self):
        self.go_on = asyncio.Event()

    async def __call__(self, _scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def run():
    return asyncio.run


def test_one_more_than_the_limit_is_refused_unread_and_the_others_are_answered(run):
    async def scenario():
        slow, gate = Slow(), Gate(most=2, most_heavy=2, most_bytes=1000)
        app = GateKeeper(slow, gate)
        inside = [Caller(app), Caller(app)]
        for caller in inside:
            await caller.give()
        assert gate.in_flight == 2
        refused = Caller(app)
        await refused.give()
        assert refused.status == 503
        assert refused.answer_headers[b"retry-after"].isdigit()
        assert refused.sent[1]["body"].startswith(b'{"error":')
        assert refused.read == 0
        slow.go_on.set()
        await settle()
        assert [caller.status for caller in inside] == [200, 200]
        assert gate.in_flight == 0
        later = Caller(app)
        await later.give()
        assert later.status == 200

    run(scenario())


def test_who_still_sends_takes_nobodys_place(run):
    async def scenario():
        slow, gate = Slow(), Gate(most=1, most_heavy=1, most_bytes=1000)
        app = GateKeeper(slow, gate)
        sender = Caller(app)
        await sender.give(more=True)
        assert gate.in_flight == 0
        other = Caller(app)
        await other.give()
        assert gate.in_flight == 1
        slow.go_on.set()
        await settle()
        assert other.status == 200
        await sender.give()
        assert sender.status == 200

    run(scenario())


def test_who_is_ready_when_all_places_are_taken_is_refused_then(run):
    async def scenario():
        app = GateKeeper(Slow(), Gate(most=1, most_heavy=1, most_bytes=1000))
        sender, other = Caller(app), Caller(app)
        await sender.give(more=True)
        await other.give()
        await sender.give()
        with pytest.raises(Exception, match="full") as error:
            sender.task.result()
        assert error.value.status_code == 503
        assert error.value.headers["Retry-After"]
        other.task.cancel()

    run(scenario())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/classify", [("content-length", "9")]),
        ("/live/picture", [("content-length", "9")]),
        ("/v2/models/tiny/infer", [("content-length", str(SMALL_BYTES + 1))]),
        ("/v2/models/tiny/infer", [("transfer-encoding", "chunked")]),
        ("/v2/models/tiny/infer", [("content-length", "9"), ("content-encoding", "gzip")]),
        ("/v2/models/tiny/infer", [("content-encoding", "nonsense"), ("content-length", "9")]),
    ],
)
def test_pictures_and_large_bodies_have_fewer_places(run, path, headers):
    async def scenario():
        slow = Slow()
        app = GateKeeper(slow, Gate(most=9, most_heavy=1, most_bytes=1000))
        first = Caller(app, path, headers=headers)
        await first.give()
        second, small = Caller(app, path, headers=headers), Caller(app)
        await second.give()
        await small.give()
        assert second.status == 503
        slow.go_on.set()
        await settle()
        assert (first.status, small.status) == (200, 200)

    run(scenario())


def test_a_coding_that_is_none_is_no_heavy_one(run):
    async def scenario():
        slow, gate = Slow(), Gate(most=9, most_heavy=0, most_bytes=1000)
        caller = Caller(GateKeeper(slow, gate), headers=[("content-encoding", "Identity")])
        await caller.give()
        assert (gate.in_flight, gate.heavy) == (1, 0)
        slow.go_on.set()
        await settle()
        assert caller.status == 200

    run(scenario())


def test_unfinished_large_bodies_share_the_memory(run):
    async def scenario():
        gate = Gate(most=9, most_heavy=9, most_bytes=3 * SMALL_BYTES)
        app = GateKeeper(Slow(), gate)
        first, second, small = Caller(app), Caller(app), Caller(app)
        await first.give(bytes(2 * SMALL_BYTES), more=True)
        await second.give(bytes(2 * SMALL_BYTES), more=True)
        assert second.task.exception().status_code == 503
        await small.give(more=True)
        assert not small.task.done()
        assert gate.bytes == 2 * SMALL_BYTES + 1
        for caller in (first, small):
            caller.task.cancel()
        await settle()
        assert gate.bytes == gate.in_flight == gate.heavy == 0

    run(scenario())


def test_a_client_that_leaves_leaves_no_place_taken(run):
    async def scenario():
        gate = Gate(most=1, most_heavy=1, most_bytes=1000)
        caller = Caller(GateKeeper(Slow(), gate))
        await caller.give()
        caller.task.cancel()
        await settle()
        assert gate.in_flight == 0

    run(scenario())


def test_only_a_small_body_is_read_to_its_end_to_keep_the_connection(run):
    async def scenario():
        app = GateKeeper(Slow(), Gate(most=0, most_heavy=0, most_bytes=0))
        small = Caller(app, headers=[("content-length", str(SMALL_BYTES))])
        large = Caller(app, headers=[("content-length", str(SMALL_BYTES + 1))])
        await settle()
        assert b"connection" not in small.answer_headers
        assert large.answer_headers[b"connection"] == b"close"

    run(scenario())


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture
def app(models):
    return create_app(models, Settings(max_concurrency=1, ui=False))


def test_health_metrics_and_documents_are_never_shed(app):
    app.state.gate.in_flight = 1
    with TestClient(app) as client:
        answer = client.post("/v2/models/tiny/infer", content=b"{}")
        assert answer.status_code == 503
        assert list(answer.json()) == ["error"]
        assert answer.headers["retry-after"]
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready", "/metrics"):
            assert client.get(path).status_code == 200, path


def test_before_the_end_only_readiness_says_no_and_connections_end(app):
    app.state.gate.ready = False
    with TestClient(app) as client:
        for path in (
            "/v2/health/ready",
            "/v2/models/tiny/ready",
            "/v2/models/tiny/versions/7/ready",
        ):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert list(answer.json()) == ["error"]
        assert client.get("/v2/health/live").status_code == 200
        answer = client.post("/v2/models/tiny/infer", content=b"{}")
        assert answer.status_code == 400
        assert answer.headers["connection"] == "close"


def test_picture_paths_are_the_routes(app):
    paths = {getattr(route, "path", None) for route in app.routes}
    assert {"/classify", picture_route.PATH} == PICTURE_PATHS
    assert "/classify" in paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", True),
        ("/v2/health/ready", True),
        ("/v2/models/m/ready", True),
        ("/v2/models/m/versions/1/ready", True),
        ("/v2/models/m/infer", False),
        ("/ready", False),
        ("/classify", False),
        ("/", False),
    ],
)
def test_which_paths_probes_ask(path, expected):
    assert is_health(path) == expected


def test_the_default_holds_two_batches():
    assert Settings().max_concurrency == 2 * MOST_IMAGES
