"""Ordinary inference requests are answered without the application, and in every way as by it."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
import uvicorn
import uvloop

from serving import express, logs
from serving.connection import Connection, is_idle
from serving.server import Config
from serving.settings import Settings
from serving.turnstile import Turnstile

PATH = "/v2/models/tiny/infer"
ROUTE = 'route="/v2/models/{model}/infer"'
PIXELS = np.arange(784) % 256
TIMES = ("date", "x-request-id")


def as_json(images=1, **more):
    data = np.tile(PIXELS, images).tolist()
    tensor = {"name": "images", "shape": [images, 28, 28], "datatype": "UINT8", "data": data}
    return json.dumps({"inputs": [tensor]} | more).encode()


def as_bytes(images=1):
    tensor = {"name": "images", "shape": [images, 28, 28], "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": 784 * images}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    body = head + np.tile(PIXELS, images).astype(np.uint8).tobytes()
    return body, {"Inference-Header-Content-Length": len(head)}


def http(body, headers=(), path=PATH, version="1.1"):
    lines = {"Host": "x", "Content-Length": len(body), **dict(headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/{version}\r\n{head}\r\n".encode() + body


class Client:
    """Speaks to the server in bytes, on a connection of its own."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, request):
        self.writer.write(request)

    async def answer(self):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        line, *lines = head.decode().strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(line.split()[1]), headers, body

    async def ask(self, request):
        self.send(request)
        return await self.answer()


class Running:
    def __init__(self, config, server, address):
        self.config, self.server = config, server
        self._address = address
        self.passed_on = []  # what reached the application
        self.clients = []

    async def connect(self):
        self.clients.append(Client(*await asyncio.open_connection(*self._address)))
        return self.clients[-1]


@asynccontextmanager
async def running(model, **settings):
    config = Config(Settings(ui=False, model=(model,), **settings))
    config.load()
    application = config.loaded_app
    server = uvicorn.Server(config)
    passed_on = []

    async def recorded(scope, receive, send):
        if scope["type"] == "http":
            passed_on.append(scope["path"])
        await application(scope, receive, send)

    config.loaded_app = recorded
    config.port = 0
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)  # sets the date
    found = Running(config, server, server.servers[0].sockets[0].getsockname())
    found.passed_on = passed_on
    try:
        yield found
    finally:
        for client in found.clients:
            client.writer.close()
            with suppress(ConnectionError):
                await client.writer.wait_closed()
        await server.shutdown()


@pytest.fixture
def play(tiny_model, monkeypatch):
    """Runs `steps(running, client)` with a server in this process."""
    monkeypatch.setattr(logs, "configure", lambda _: None)  # which is for the whole process

    def run(steps, **settings):
        async def whole():
            async with running(tiny_model, **settings) as found:
                await steps(found, await found.connect())

        uvloop.run(whole())

    return run


def counts(found):
    return {
        key: value
        for line in found.config.application.state.metrics.render()[0].decode().splitlines()
        if not line.startswith("#")
        for key, value in [line.rsplit(" ", 1)]
        if key.startswith(("scanline_requests", "scanline_images", "scanline_executions"))
        or key.endswith("_count")
        or "_seconds_count" in key
    }


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (as_json(), {}),
        (as_json(4, id="seven"), {"X-Request-Id": "mine"}),
        (as_json(outputs=[{"name": "probabilities"}]), {"Accept-Encoding": "gzip, deflate"}),
        as_bytes(2),
        (PIXELS.astype("<f4").tobytes(), {"Inference-Header-Content-Length": 0}),
    ],
)
def test_the_answer_is_the_applications_own(play, body, headers):
    async def steps(found, client):
        status, answered, content = await client.ask(http(body, headers))
        assert found.passed_on == []
        first = counts(found)
        # An origin is for the application, and without CORS changes nothing.
        expected = await client.ask(http(body, {**headers, "Origin": "http://here"}))
        assert found.passed_on == [PATH]
        assert (status, content) == (200, expected[2])
        assert list(answered) == list(expected[1])
        assert answered["x-request-id"] == headers.get("X-Request-Id", answered["x-request-id"])
        for name in answered.keys() - set(TIMES):
            assert answered[name] == expected[1][name]
        second = counts(found)
        assert first.keys() == second.keys()
        changed = {key for key in second if float(second[key]) == 2 * float(first[key]) != 0}
        assert 'scanline_requests_total{code="200",route="/v2/models/{model}/infer"}' in changed
        assert {key for key in second if float(second[key])} == changed

    play(steps)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (http(b"{"), 400),
        (http(*as_bytes(17)), 200),  # too many for the event loop's thread
        (http(as_json(outputs=[{"name": "nothing"}])), 400),
        (http(as_json(), path="/v2/models/other/infer"), 404),
        (http(as_json(), path="/v2/models/tiny/versions/0/infer"), 404),
        (http(as_json(), path=f"{PATH}?a=b"), 200),
        (http(as_json(), version="1.0"), 200),
        (http(as_json(), {"Connection": "close"}), 200),
        (http(as_json(), {"Content-Encoding": "gzip"}), 400),
        (http(as_json(), {"Accept-Encoding": "gzip"}), 200),
        (http(as_json(), {"Inference-Header-Content-Length": "+1"}), 400),
        (http(as_json() + b" " * 20_000), 200),
        (http(as_json(), {f"X-{number}": "a" for number in range(40)}), 200),
        (http(as_json()).replace(b"POST", b"PUT"), 405),
    ],
)
def test_everything_else_is_the_applications(play, request_bytes, status):
    async def steps(found, client):
        assert (await client.ask(http(as_json())))[0] == 200
        assert found.passed_on == []
        assert (await client.ask(request_bytes))[0] == status
        assert len(found.passed_on) == 1
        assert found.config.gate.in_flight == 0

    play(steps)


def test_a_request_comes_in_any_pieces(play):
    async def steps(found, client):
        request = http(as_json(id="pieces"))
        for start in range(0, len(request), 700):
            client.send(request[start : start + 700])
            await asyncio.sleep(0.005)
        status, _, body = await client.answer()
        assert (status, json.loads(body)["id"]) == (200, "pieces")
        assert found.passed_on == []

    play(steps)


def test_requests_sent_one_behind_the_other_are_answered_in_their_order(play):
    async def steps(_, client):
        client.send(b"".join(http(as_json(id=str(number))) for number in range(5)))
        assert [json.loads((await client.answer())[2])["id"] for _ in range(5)] == list("01234")

    play(steps)


def test_those_that_arrive_together_are_one_batch(play):
    async def steps(found, client):
        clients = [client, *[await found.connect() for _ in range(9)]]
        for number, one in enumerate(clients):
            one.send(http(as_json(id=str(number))))
        for number, one in enumerate(clients):
            assert json.loads((await one.answer())[2])["id"] == str(number)
        assert float(counts(found)['scanline_executions_total{model="tiny"}']) < 10
        assert float(counts(found)['scanline_images_total{model="tiny"}']) == 10

    play(steps)


def test_a_key_is_asked_for_as_elsewhere(play):
    async def steps(found, client):
        for headers in ({"X-API-Key": "right"}, {"Authorization": "Bearer right"}):
            assert (await client.ask(http(as_json(), headers)))[0] == 200
        assert found.passed_on == []
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer "}):
            assert (await (await found.connect()).ask(http(as_json(), headers)))[0] == 401
        assert len(found.passed_on) == 3

    play(steps, api_key=("right",))


def test_a_full_gate_refuses(play):
    async def steps(found, client):
        found.config.gate.in_flight = 64
        status, headers, _ = await client.ask(http(as_json()))
        assert (status, headers["retry-after"]) == (503, "1")
        # Full only once the body is there: told by the application.
        found.config.gate.in_flight = 0
        Turnstile._arrived = 0
        request = http(as_json())
        client.send(request[:-1])
        await asyncio.sleep(0.2)  # a refused connection rests, too
        found.config.gate.in_flight = 64
        client.send(request[-1:])
        assert (await client.answer())[0] == 503
        assert found.config.gate.in_flight == 64

    play(steps)


def test_a_body_that_stalls_is_refused(play):
    async def steps(found, client):
        request = http(as_json(), {"X-Request-Id": "mine"})
        status, headers, body = await client.ask(request[:-1])
        assert status == 408
        assert headers["x-request-id"] == "mine"
        assert float(counts(found)[f'scanline_requests_total{{code="408",{ROUTE}}}']) == 1
        assert "took more than 0.2 s" in json.loads(body)["error"]
        assert await client.reader.read() == b""  # the connection ends
        assert found.config.gate.in_flight == 0

    play(steps, body_seconds=0.2)


def test_a_client_that_leaves_keeps_no_place(play, monkeypatch):
    async def steps(found, client):
        key = f'scanline_requests_total{{code="499",{ROUTE}}}'
        client.send(http(as_json())[:-1])
        await asyncio.sleep(0.05)
        client.writer.close()
        other = await found.connect()
        assert (await other.ask(http(as_json())))[0] == 200
        assert float(counts(found)[key]) == 1
        # While the network computes.
        [connection] = found.server.server_state.connections
        predictor = found.config.lane.endpoints.known("tiny").predictor
        run = predictor.run

        def leave(*arguments):
            connection.transport.abort()
            return run(*arguments)

        monkeypatch.setattr(predictor, "run", leave)
        other.send(http(as_json()))
        await asyncio.sleep(0.05)
        assert float(counts(found)[key]) == 2
        assert found.config.gate.in_flight == 0

    play(steps)


def test_what_is_passed_on_late_counts_in_its_round_only(play):
    async def steps(_, client):
        request = http(b'{"inputs": []}')
        for _ in range(3):
            client.send(request[:-1])
            await asyncio.sleep(0.02)
            client.send(request[-1:])
            assert (await client.answer())[0] == 400
        assert (await client.ask(http(as_json())))[0] == 200

    play(steps, max_concurrency=2)


def test_a_client_that_does_not_read_is_waited_for_by_the_application(play):
    async def steps(found, client):
        assert (await client.ask(http(as_json())))[0] == 200
        [connection] = found.server.server_state.connections
        connection.pause_writing()
        client.send(http(as_json()))
        await asyncio.sleep(0.05)
        assert found.passed_on == [PATH]
        connection.resume_writing()
        assert (await client.answer())[0] == 200

    play(steps)


def test_a_stream_may_be_opened_on_the_same_connection(play):
    handshake = (
        b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )

    async def steps(found, client):
        first = await (await found.connect()).ask(handshake)
        assert (await client.ask(http(as_json())))[0] == 200
        assert (await client.ask(handshake))[0] == first[0] != 400

    play(steps)


def test_a_connection_is_kept_after_a_batch_that_was_computed_while_it_was_read(play, monkeypatch):
    monkeypatch.setattr(Connection, "head_seconds", 0.2)

    async def steps(found, client):
        clients = [client, await found.connect()]
        for one in clients:
            one.send(http(*as_bytes(16)))
        for one in clients:
            assert (await one.answer())[0] == 200
        await asyncio.sleep(0.4)
        for one in clients:
            assert (await one.ask(http(as_json())))[0] == 200

    play(steps)


def test_an_answer_that_cannot_be_written_is_one_clients_alone(play, monkeypatch):
    write = express.write_infer

    def fail_for_two(endpoint, request, results):
        if request.id == "2":
            raise MemoryError
        return write(endpoint, request, results)

    monkeypatch.setattr(express, "write_infer", fail_for_two)

    async def steps(found, client):
        clients = [client, *[await found.connect() for _ in range(3)]]
        for number, one in enumerate(clients):
            one.send(http(as_json(4, id=str(number))))
        assert [(await one.answer())[0] for one in clients] == [200, 200, 500, 200]
        assert found.config.gate.in_flight == 0

    play(steps)


def test_an_idle_connection_keeps_no_pixels(play):
    async def steps(found, client):
        for body in (as_json(), b"{", as_bytes(17)[0]):
            await client.ask(http(body))
            [connection] = found.server.server_state.connections
            assert not getattr(connection.cycle, "pieces", None)
            assert getattr(connection.cycle, "infer", None) is None

    play(steps)


def test_a_body_that_is_not_there_when_the_server_ends_is_refused(play):
    async def steps(found, client):
        client.send(http(as_json())[:-1])
        await asyncio.sleep(0.05)
        [connection] = found.server.server_state.connections
        connection.give_up()
        status, headers, _ = await client.answer()
        assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")

    play(steps)


def test_a_network_that_fails_is_told_as_json_and_logged(play, monkeypatch, caplog):
    async def steps(found, client):
        def fail(*_):
            raise RuntimeError("out of memory")

        assert (await client.ask(http(as_json())))[0] == 200
        predictor = found.config.lane.endpoints.known("tiny").predictor
        monkeypatch.setattr(predictor, "run", fail)
        status, headers, body = await client.ask(http(as_json()))
        assert status == 500
        assert "its log says more" in json.loads(body)["error"]
        assert headers["x-request-id"]
        assert "out of memory" in caplog.text
        assert found.config.gate.in_flight == 0
        monkeypatch.undo()
        assert (await client.ask(http(as_json())))[0] == 200

    play(steps)


def test_a_server_that_ends_says_so_and_loses_no_request(play):
    async def steps(found, client):
        request = http(as_json())
        client.send(request[:-1])
        await asyncio.sleep(0.05)
        client.send(request[-1:])
        # What uvicorn's own end does with a connection that is not idle.
        [connection] = found.server.server_state.connections
        assert not is_idle(connection)
        connection.shutdown()
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.reader.read() == b""

    play(steps)


def test_whose_address_is_logged_is_decided_by_the_application(play, caplog):
    caplog.set_level(logging.INFO, "scanline.access")

    async def steps(found, client):
        assert (await client.ask(http(as_json(), {"X-Forwarded-For": "1.2.3.4"})))[0] == 200
        assert found.passed_on == [PATH]

    play(steps)


def test_where_requests_are_logged_each_is_one_line_as_by_the_application(play, caplog):
    caplog.set_level(logging.INFO, "scanline.access")

    async def steps(found, client):
        for more in ({}, {"Origin": "http://here"}):
            assert (await client.ask(http(as_json(), more)))[0] == 200
        assert found.passed_on == [PATH]

    play(steps)
    first, second = (vars(record) for record in caplog.records if record.name == "scanline.access")
    assert first.keys() == second.keys()
    for name in ("method", "route", "path", "status", "bytes", "client", "model"):
        assert first[name] == second[name]


def test_a_lower_limit_of_bodies_holds(play):
    async def steps(found, client):
        assert (await client.ask(http(as_json())))[0] == 413
        assert found.passed_on == [PATH]

    play(steps, max_body_bytes=1000)
