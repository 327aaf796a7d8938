"""A full gate is told from a request's head, without the application; everybody else is let in."""

import asyncio
import json
from types import SimpleNamespace

import pytest
import uvicorn

from serving.gate import Gate
from serving.turnstile import Turnstile

BODY = b'{"a": 1}'
POST = b"POST /v2/models/x/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def play(steps, most=1, cors_origins=()):
    """Run `steps(ask, gate, seen)`, where `ask` sends bytes on a connection of its own or on one
    that is given, and `seen` holds what reached the application."""
    gate, seen, shed = Gate(most, most, 10**6), [], []

    async def application(scope, receive, send):
        event = await receive()
        seen.append((scope["method"], event["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def run():
        config = uvicorn.Config(
            application, http=Turnstile, lifespan="off", port=0, log_config=None
        )
        config.gate = gate
        config.settings = SimpleNamespace(
            max_body_bytes=10**6, body_seconds=5, max_connections=100, cors_origins=cors_origins
        )
        config.refused, config.shed = lambda _: None, lambda: shed.append(1)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        address = server.servers[0].sockets[0].getsockname()
        opened = []

        async def ask(request, connection=None):
            reader, writer = connection or await asyncio.open_connection(*address)
            opened.append(writer)
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            lines = head.decode().lower().splitlines()
            length = next((line for line in lines if line.startswith("content-length")), None)
            body = await reader.readexactly(int(length.split(":")[1])) if length else b""
            return int(head.split()[1]), head, body, (reader, writer)

        try:
            await steps(ask, gate, seen)
        finally:
            for writer in opened:
                writer.close()
            await server.shutdown()
        return seen, shed

    return asyncio.run(run())


def test_a_full_gate_answers_503_before_the_application_and_lets_the_next_request_in():
    async def steps(ask, gate, seen):
        gate.in_flight = 1
        status, head, body, connection = await ask(POST)
        assert status == 503
        assert b"retry-after: 1" in head
        assert "try again" in json.loads(body)["error"]
        assert seen == []
        gate.in_flight = 0
        assert (await ask(POST, connection))[0] == 200

    seen, shed = play(steps)
    assert seen == [("POST", BODY)]
    assert len(shed) == 1


def test_a_body_in_pieces_is_thrown_away_before_the_refusal():
    async def steps(ask, gate, _):
        gate.in_flight = 1
        status, *_, (reader, writer) = await ask(POST)
        assert status == 503
        writer.write(POST[:-3])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 0.3)
        writer.write(POST[-3:])
        assert b" 503 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    seen, shed = play(steps)
    assert seen == []
    assert len(shed) == 2


@pytest.mark.parametrize(
    ("request_bytes", "options"),
    [
        (GET, {}),
        (POST, {"cors_origins": ("https://example.org",)}),  # its answer needs headers
        (POST.replace(b"Host", b"Connection: close\r\nHost"), {}),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {}),
    ],
)
def test_what_only_the_application_can_answer_reaches_it(request_bytes, options):
    async def steps(ask, gate, _):
        gate.in_flight = 1
        assert (await ask(request_bytes))[0] == 200

    assert len(play(steps, **options)[0]) == 1


def test_a_server_that_is_about_to_stop_says_so_itself():
    async def steps(ask, gate, _):
        gate.in_flight, gate.ready = 1, False
        assert (await ask(POST))[0] == 200

    play(steps)


def test_those_of_the_same_round_count_although_the_gate_has_not_seen_them():
    async def steps(ask, _gate, _seen):
        Turnstile._arrived = 0
        connection = Turnstile.__new__(Turnstile)
        connection.loop = asyncio.get_running_loop()
        connection.config = SimpleNamespace(gate=Gate(2, 2, 1))
        connection._arrive()
        assert not connection._is_full()
        connection._arrive()
        assert connection._is_full()
        await asyncio.sleep(0)
        assert not connection._is_full()
        assert (await ask(POST))[0] == 200

    play(steps)
