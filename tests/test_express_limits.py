"""Ordinary inference requests: full gates, clients that stall or leave, failures, the end."""

import asyncio
import json

from serving import express
from serving.connection import Connection, is_idle
from serving.turnstile import Turnstile
from tests.wire import PATH, ROUTE, as_bytes, as_json, counts, http


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
