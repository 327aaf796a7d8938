"""A request's id, its line in the log, and what it counts; and what hostile ones do to them."""

import logging
import re
from logging.handlers import BufferingHandler

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient

from serving.http.metrics import Metrics
from serving.http.request_log import RequestLog
from serving.page.stream import PATH as LIVE
from serving.page.stream import add_stream
from tests.support.calls import INFER, client_of, samples

NEW_ID = re.compile("[0-9a-f]{32}")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def client(tiny_model):
    return client_of([tiny_model], max_body_bytes=2**20)


@pytest.fixture
def lines(caplog):
    """The records of the access log."""
    log, handler = logging.getLogger("scanline.access"), BufferingHandler(10**6)
    log.addHandler(handler)
    with caplog.at_level(logging.INFO, log.name):
        yield handler.buffer
    log.removeHandler(handler)


# --- Ids --------------------------------------------------------------------------------


def test_a_sane_id_is_kept_and_any_other_replaced(client):
    for number in ("a", "6f1c-4.b_", "{}!#~\"'\\", "x" * 128):
        answer = client.get("/v2", headers={"X-Request-Id": number})
        assert answer.headers["x-request-id"] == number
    for number in (
        *(b"", b"x" * 129, b"a b", b"a\tb", b"a\nb", b"a\r\nSet-Cookie: x"),
        *(b"\x1b[2J", b"\x00", b"\xff", "é".encode(), "\u2028".encode(), b"a\x7f"),
    ):
        answer = client.get("/v2", headers={b"X-Request-Id": number})
        assert NEW_ID.fullmatch(answer.headers["x-request-id"]), number
    ids = {client.get("/v2").headers["x-request-id"] for _ in range(100)}
    assert len(ids) == 100


def test_an_error_carries_the_id_too(client, lines):
    def fail():
        raise RuntimeError("unexpected")

    client.app.api.add_api_route("/fail", fail)
    for method, path, content, status in (
        ("GET", "/nothing", b"", 404),
        ("DELETE", "/classify", b"", 405),
        ("POST", "/classify", b"text", 415),
        ("POST", INFER, b"{", 400),
        ("POST", "/classify", bytes(2**21), 413),
        ("GET", "/fail", b"", 500),
    ):
        answer = client.request(method, path, content=content, headers={"X-Request-Id": "mine"})
        assert answer.status_code == status
        assert answer.headers.get_list("x-request-id") == ["mine"]
        assert list(answer.json()) == ["error"]
        assert lines[-1].status == status
        assert lines[-1].error == answer.json()["error"][:200]
    assert samples(client)['scanline_requests_total{code="500",route="/fail"}'] == 1


# --- Lines ------------------------------------------------------------------------------


def test_a_request_is_one_line(client, lines):
    answer = client.get("/v2/models/tiny", headers={"traceparent": TRACE})
    [record] = lines
    assert re.fullmatch(r"GET /v2/models/tiny 200 [\d.]+ ms", record.getMessage())
    assert (record.levelname, record.method, record.status) == ("INFO", "GET", 200)
    assert (record.path, record.route) == ("/v2/models/tiny", "/v2/models/{model}")
    assert (record.client, record.model) == ("testclient", "tiny")
    assert record.bytes == len(answer.content)
    assert record.traceparent == TRACE
    assert record.milliseconds >= 0
    client.post("/classify", content=b"no picture", headers={"traceparent": "00-x\n"})
    client.post(INFER, content=b"{")
    client.get("/v2/models/other")
    assert [lines[n].model for n in (1, 2, 3)] == ["tiny", "tiny", "other"]
    assert not hasattr(lines[1], "traceparent")


def test_a_line_names_the_key_and_never_shows_it_nor_the_query(tiny_model, lines):
    client = client_of([tiny_model], api_key=("alice=a-secret-key", "another-secret"))
    client.get("/v2?key=a-secret-query", headers={"x-api-key": "a-secret-key"})
    client.get("/v2", headers={"x-api-key": "another-secret"})
    client.get("/v2", headers={"x-api-key": "a-wrong-secret"})
    assert [getattr(record, "key", None) for record in lines] == ["alice", "key-1", None]
    assert [record.status for record in lines] == [200, 200, 401]
    assert "secret" not in str([vars(record) for record in lines])


def test_probes_and_scrapes_have_no_line(client, lines):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready", "/metrics"):
        assert client.get(path).status_code == 200
    assert not lines


def test_a_hostile_path_stays_on_its_line(client, lines):
    for path in ("/a%0AGET /v2 200", "/%0D%0A%E2%80%A8%1B[2J", "/%ED%A0%80", "/%C3%A9" * 999):
        client.get(path)
    assert len(lines) == 4
    for record in lines:
        assert re.fullmatch(r"GET [!-~]+ 404 [\d.]+ ms", record.getMessage())
        assert len(record.path) <= 200
    assert samples(client)['scanline_requests_total{code="404",route="unmatched"}'] == 4


def test_an_answer_that_nobody_waited_for_is_no_failure(lines):
    async def leave(*_):
        return

    watch = Metrics(lambda: ())
    with pytest.raises(AssertionError):  # the client's, which has no answer
        TestClient(RequestLog(leave, watch, ())).get("/")
    assert [record.status for record in lines] == [499]


# --- WebSockets -------------------------------------------------------------------------


def test_a_stream_is_one_line_at_its_end_with_its_drawings(client, lines):
    add_stream(client.app.api, client.app.endpoints.models, 9)
    with client.websocket_connect(LIVE, headers={"X-Request-Id": "mine"}) as socket:
        assert (b"x-request-id", b"mine") in socket.extra_headers
        for _ in range(3):
            socket.send_bytes(bytes(8))  # a drawing without a stroke
            socket.receive_bytes()
        socket.send_text("no drawing")
        socket.receive_json()
        assert samples(client)["scanline_live_connections{}"] == 1
        assert not lines
    [record] = lines
    assert (record.method, record.route, record.status) == ("WEBSOCKET", LIVE, 101)
    assert record.drawings == 3
    found = samples(client)
    assert found["scanline_live_connections{}"] == 0
    assert found["scanline_live_drawing_seconds_count{}"] == 3
    assert found[f'scanline_requests_total{{code="101",route="{LIVE}"}}'] == 1


def test_a_stream_that_is_refused_or_fails_leaves_none_open(client, lines):
    @client.app.api.websocket("/broken")
    async def broken(socket: WebSocket) -> None:
        await socket.accept()
        raise RuntimeError

    with pytest.raises(RuntimeError), client.websocket_connect("/broken") as socket:
        socket.receive()
    with pytest.raises(Exception), client.websocket_connect("/nothing"):  # noqa: B017, PT011
        pass
    assert [record.status for record in lines] == [101, 403]
    found = samples(client)
    assert found["scanline_live_connections{}"] == 0
    assert found['scanline_requests_total{code="101",route="/broken"}'] == 1
    assert found['scanline_requests_total{code="403",route="unmatched"}'] == 1
