"""The outermost middleware: ids of requests, one line each, counts; and what hostile ones do."""

import asyncio
import logging
import re

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from starlette.websockets import WebSocketDisconnect

from serving.app import create_app
from serving.http.metrics import Metrics
from serving.http.request_log import CLIENT_GONE, UNMATCHED, Access, refused
from serving.inference.models import Models
from serving.inference.v2 import INFER
from serving.page.stream import add_stream
from serving.page.stream import PATH as LIVE
from serving.settings import Settings

NEW_ID = re.compile("[0-9a-f]{32}")
START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
END = {"type": "http.response.body", "body": b"12345"}


@pytest.fixture
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture
def client(models):
    app = create_app(models, Settings())
    add_stream(app, models, 9)
    return TestClient(app, raise_server_exceptions=False)


class Lines(logging.Handler):
    """The records of the access log, in a list."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def lines(caplog):
    log, handler = logging.getLogger("scanline.access"), Lines()
    log.addHandler(handler)
    with caplog.at_level(logging.INFO, log.name):
        yield handler.records
    log.removeHandler(handler)


def counted(watch: Metrics, name: str) -> dict[tuple, float]:
    """Labels' values (the route before the code) to the value, of all samples called `name`."""
    families = text_string_to_metric_families(watch.render()[0].decode())
    samples = [sample for family in families for sample in family.samples]
    return {
        tuple(value for _, value in sorted(sample.labels.items(), reverse=True)): sample.value
        for sample in samples
        if sample.name == name
    }


class Call:
    """One request straight into the middleware, before an application of one function."""

    routes = ()

    def __init__(self, models, inner, path="/", headers=()):
        self.watch = Metrics(models)
        self.sent = []
        self.scope = {"type": "http", "method": "GET", "path": path, "headers": [*headers]}
        self.scope |= {"app": self, "root_path": ""}
        self.access = Access(inner, self.watch)

    def run(self):
        async def send(event):
            self.sent.append(event)

        asyncio.run(self.access(self.scope, None, send))
        return self

    def header(self) -> bytes:
        [value] = [value for name, value in self.sent[0]["headers"] if name == b"x-request-id"]
        return value


async def answer(_scope, _receive, send):
    await send(START)
    await send(END)


# --- Ids --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["a", "6f1c-4.b_", "{}!#~\"'\\", "x" * 128])
def test_a_sane_id_is_kept(client, number):
    assert client.get("/v2", headers={"X-Request-Id": number}).headers["x-request-id"] == number


@pytest.mark.parametrize(
    "number",
    [
        *(b"", b"x" * 129, b"a b", b"a\tb", b"a\nb", b"a\r\nSet-Cookie: x"),
        *(b"\x1b[2J", b"\x00", b"\xff", "é".encode(), "\u2028".encode(), b"a\x7f"),
    ],
)
def test_any_other_id_is_replaced(models, lines, number):
    call = Call(models, answer, headers=[(b"x-request-id", number)]).run()
    assert NEW_ID.fullmatch(call.header().decode())
    assert len(lines) == 1


def test_two_requests_have_two_new_ids(client):
    ids = {client.get("/v2").headers["x-request-id"] for _ in range(100)}
    assert len(ids) == 100
    assert all(NEW_ID.fullmatch(number) for number in ids)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/nothing", b"", 404),
        ("DELETE", "/classify", b"", 405),
        ("POST", "/classify", b"text", 415),
        ("POST", "/v2/models/tiny/infer", b"{", 400),
        ("POST", "/classify", bytes(2**21), 413),
    ],
)
def test_an_error_carries_the_id_too(models, method, path, content, status):
    client = TestClient(create_app(models, Settings(max_body_bytes=2**20)))
    response = client.request(method, path, content=content, headers={"X-Request-Id": "mine"})
    assert (response.status_code, response.headers["x-request-id"]) == (status, "mine")


def test_the_servers_own_failure_carries_the_id_and_is_counted(models, lines):
    def fail():
        raise RuntimeError("unexpected")

    app = create_app(models, Settings())
    app.add_api_route("/fail", fail)
    client = TestClient(app, raise_server_exceptions=False)
    response = client.get("/fail", headers={"X-Request-Id": "mine"})
    assert response.status_code == 500
    assert response.headers.get_list("x-request-id") == ["mine"]
    assert counted(app.state.metrics, "scanline_requests_total") == {("/fail", "500"): 1}
    assert [record.status for record in lines] == [500]


def test_the_applications_own_events_are_left_as_they_are(models):
    Call(models, answer).run()
    assert START["headers"] == [(b"a", b"b")]


# --- Lines ------------------------------------------------------------------------------


def test_a_request_is_one_line(client, lines):
    client.get("/v2/models/tiny", headers={"X-Request-Id": "mine"})
    [record] = lines
    assert re.fullmatch(r"GET /v2/models/tiny 200 [\d.]+ ms", record.getMessage())
    assert record.levelno == logging.INFO
    assert (record.method, record.path, record.status) == ("GET", "/v2/models/tiny", 200)
    assert record.route == "/v2/models/{model}"
    assert record.bytes == len(client.get("/v2/models/tiny").content)
    assert 0 <= record.milliseconds < 60_000


def test_a_line_says_who_asked_for_what_and_why_it_was_refused(client, lines):
    client.post("/v2/models/tiny/infer", content=b"{")
    client.get("/v2/models/other")
    client.get("/v2")
    client.post("/classify", content=b"no picture")
    first, second, third, fourth = lines
    assert fourth.model == "tiny"
    assert (first.client, first.model) == ("testclient", "tiny")
    assert "not valid JSON" in first.error
    assert (second.model, third.client) == ("other", "testclient")
    assert "other" in second.error
    assert not hasattr(third, "model")
    assert not hasattr(third, "error")


def test_probes_and_scrapes_are_none(client, lines):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready", "/metrics"):
        assert client.get(path).status_code == 200
    assert not lines


def test_a_query_string_is_not_written(client, lines):
    client.get("/v2?api_key=secret")
    assert "secret" not in str([vars(record) for record in lines])


@pytest.mark.parametrize("path", ["/a\nGET /v2 200", "/\r\n\u2028\x1b[2J", "/\ud800", "/é" * 999])
def test_a_hostile_path_stays_on_its_line(models, lines, path):
    call = Call(models, answer, path).run()
    [record] = lines
    assert re.fullmatch(r"GET [!-~]+ 200 [\d.]+ ms", record.getMessage())
    assert len(record.path) <= 200
    assert counted(call.watch, "scanline_requests_total") == {("unmatched", "200"): 1}


# --- Counts -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["", "/versions/7"])
def test_routes_below_a_prefix_have_their_whole_template(client, version):
    client.get(f"/v2/models/tiny{version}/ready")
    client.post(f"/v2/models/tiny{version}/infer", content=b"{")
    template = "/v2/models/{model}" + ("/versions/{version}" if version else "")
    assert INFER == "/v2/models/{model}/infer"
    assert counted(client.app.state.metrics, "scanline_requests_total") == {
        (f"{template}/ready", "200"): 1,
        (f"{template}/infer", "400"): 1,
    }


@pytest.mark.parametrize(("path", "inside"), [("/v2", 1), ("/metrics", 0), ("/v2/health/live", 0)])
@pytest.mark.parametrize("fails", [False, True])
def test_in_flight_counts_those_inside_but_probes(models, path, inside, fails):
    async def look(scope, receive, send):
        seen.update(counted(call.watch, "scanline_requests_in_flight"))
        if fails:
            raise RuntimeError
        await answer(scope, receive, send)

    seen = {}
    call = Call(models, look, path)
    if fails:
        with pytest.raises(RuntimeError):
            call.run()
    else:
        call.run()
    assert seen == {(): inside}
    assert counted(call.watch, "scanline_requests_in_flight") == {(): 0}


def test_an_answer_that_nobody_waited_for_is_no_failure(models):
    async def leave(*_):
        raise asyncio.CancelledError

    call = Call(models, leave)
    with pytest.raises(asyncio.CancelledError):
        call.run()
    found = counted(call.watch, "scanline_requests_total")
    assert found == {("unmatched", str(CLIENT_GONE)): 1}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("path", "says_when", "is_shed"),
    [("/v2", True, True), ("/v2", False, False), ("/v2/health/ready", True, False)],
)
def test_refusals_that_say_when_to_come_again_are_shed(models, status, path, says_when, is_shed):
    async def refuse(_scope, _receive, send):
        headers = [(b"retry-after", b"1")] if says_when else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(END)

    call = Call(models, refuse, path).run()
    expected = {(str(status),): 1} if is_shed else {}
    assert counted(call.watch, "scanline_requests_shed_total") == expected


# --- WebSockets -------------------------------------------------------------------------


def test_a_stream_is_one_line_at_its_end_with_its_drawings(client, lines):
    watch = client.app.state.metrics
    with client.websocket_connect(LIVE, headers={"X-Request-Id": "mine"}) as socket:
        assert (b"x-request-id", b"mine") in socket.extra_headers
        for _ in range(3):
            socket.send_bytes(bytes(8))  # a drawing without a stroke
            socket.receive_bytes()
        socket.send_text("no drawing")
        socket.receive_json()
        assert counted(watch, "scanline_live_connections") == {(): 1}
        assert not lines
    [record] = lines
    assert (record.method, record.route, record.status) == ("WEBSOCKET", LIVE, 101)
    assert record.drawings == 3
    assert counted(watch, "scanline_live_connections") == {(): 0}
    assert counted(watch, "scanline_live_drawing_seconds_count") == {(): 3}
    assert counted(watch, "scanline_requests_total") == {(LIVE, "101"): 1}


def test_a_refused_handshake_opens_no_connection(client, lines):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/nothing"):
        pass
    watch = client.app.state.metrics
    assert counted(watch, "scanline_requests_total") == {("unmatched", "403"): 1}
    assert counted(watch, "scanline_live_connections") == {(): 0}
    assert [record.status for record in lines] == [403]


def test_a_stream_that_fails_closes_its_connection(client):
    @client.app.websocket("/broken")
    async def broken(socket: WebSocket) -> None:
        await socket.accept()
        raise RuntimeError

    with pytest.raises(RuntimeError), client.websocket_connect("/broken") as socket:
        socket.receive()
    watch = client.app.state.metrics
    assert counted(watch, "scanline_live_connections") == {(): 0}
    assert counted(watch, "scanline_requests_total") == {("/broken", "101"): 1}


def test_what_was_no_request_is_counted_and_one_line_at_info(models, lines):
    watch = Metrics(models)
    refused(watch, 400)
    assert counted(watch, "scanline_requests_total") == {(UNMATCHED, "400"): 1}
    assert [(record.levelname, record.status) for record in lines] == [("INFO", 400)]
