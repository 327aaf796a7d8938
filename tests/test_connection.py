"""What a client may leave undone: silence, endless heads, bodies that nobody wants any more."""

import asyncio
import contextlib
import json
import logging
import socket
from types import SimpleNamespace

import pytest
import uvicorn
import uvloop

from serving import connection_limit
from serving.connection import (
    HEAD_BYTES,
    HEADERS,
    REST_SECONDS,
    Connection,
    is_idle,
)
from serving.connection_limit import most_connections
from serving.gate import REST
from serving.unsent import Unsent

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Quick(Connection):
    head_seconds = 0.2


async def application(_scope, _receive, send):
    """Answers at once; a body is not looked at."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def listening(protocol=Quick, app=application, max_connections=100, refused=lambda _: None):
    config = uvicorn.Config(app, http=protocol, log_level="critical", lifespan="off", port=0)
    config.settings = SimpleNamespace(
        max_body_bytes=100_000, body_seconds=0.2, max_connections=max_connections
    )
    config.refused = refused
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server, server.servers[0].sockets[0].getsockname()
    finally:
        await server.shutdown()


def scenario(steps, run=asyncio.run, **options):
    async def play():
        async with listening(**options) as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            try:
                await asyncio.wait_for(steps(server, reader, writer), 20)
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    run(play())


def error_of(answer: bytes, status: int) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    return json.loads(body)["error"]


def test_silence_ends_the_connection():
    async def steps(_server, reader, _writer):
        assert await reader.read() == b""

    scenario(steps)


def test_line_breaks_after_an_answer_do_not_keep_the_connection():
    async def steps(_server, reader, writer):
        writer.write(GET)
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(b"\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""

    scenario(steps)


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_that_drips_is_408(before):
    async def steps(_server, reader, writer):
        if before:
            writer.write(before)
            await reader.readuntil(b"\r\n0\r\n\r\n")
        answer = asyncio.create_task(reader.read(1000))  # before it is reset
        for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
            if answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert "0.2 s" in error_of(await answer, 408)

    scenario(steps)


def test_a_head_without_end_is_431():
    async def steps(_server, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"X: " + b"a" * HEAD_BYTES)
        assert str(HEAD_BYTES) in error_of(await reader.read(), 431)

    class Patient(Connection):
        head_seconds = 60

    scenario(steps, protocol=Patient)


@pytest.mark.parametrize(
    "fields", [b"X: " + b"a" * HEAD_BYTES, b"\r\n".join([b"a: b"] * (HEADERS + 2))]
)
@pytest.mark.parametrize("is_complete", [True, False])
def test_a_large_head_is_431_in_one_piece_too(fields, is_complete):
    async def steps(_server, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + fields + b"\r\n" + b"\r\n" * is_complete)
        assert str(HEAD_BYTES) in error_of(await reader.read(), 431)
        assert refused == [431]

    refused = []
    scenario(steps, refused=refused.append)


def test_a_large_body_in_one_piece_with_its_head_is_no_large_head():
    async def steps(_server, reader, writer):
        body = b"x" * 2 * HEAD_BYTES
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body + GET[:9])
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(GET[9:])
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")

    scenario(steps)


async def refusing(_scope, _receive, send):
    """As `serving.bodies` refuses a body that is too large."""
    headers = [(b"connection", b"close"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_still_sends_reads_that_it_is_refused(run):
    size = 30_000_000

    def call(address):
        with socket.create_connection(address) as client:
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
            client.sendall(bytes(size))
            return client.recv(100)

    async def steps(_server, _reader, writer):
        address = writer.get_extra_info("peername")
        assert (await asyncio.to_thread(call, address)).startswith(b"HTTP/1.1 413")

    class Patient(Quick):
        linger_seconds = 15  # where this machine has a lot to do

    scenario(steps, app=refusing, protocol=Patient, run=run)


def test_who_goes_on_sending_after_a_refusal_is_cut_off():
    class Brief(Quick):
        linger_seconds = 0.2

    async def steps(server, reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert b"413" in await reader.read()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        assert not server.server_state.connections

    scenario(steps, app=refusing, protocol=Brief)


async def endless_answer(_scope, _receive, send):
    """More than the sockets between take."""
    size = 50_000_000
    headers = [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_does_not_read_its_answer_is_cut_off(run):
    class Watched(Quick):
        unsent = Unsent(seconds=0.2)

    async def steps(server, reader, writer):
        reader._transport.pause_reading()
        writer.write(GET)
        while not Watched.unsent.bytes:
            await asyncio.sleep(0.01)
        while server.server_state.connections:
            await asyncio.sleep(0.01)
        assert Watched.unsent.bytes == 0

    scenario(steps, app=endless_answer, protocol=Watched, run=run)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_slow_reader_gets_all_of_its_answer(run):
    class Watched(Quick):
        unsent = Unsent(seconds=0.3)

    async def steps(_server, reader, writer):
        writer.write(GET)
        size = 0
        while size < 50_000_000:
            size += len(await reader.read(3_000_000))
            await asyncio.sleep(0.02)

    scenario(steps, app=endless_answer, protocol=Watched, run=run)


def test_of_too_many_unread_answers_the_oldest_goes():
    class Watched(Quick):
        unsent = Unsent(seconds=60, most=70_000_000)

    async def steps(server, _reader, writer):
        address = writer.get_extra_info("peername")
        with contextlib.ExitStack() as stack:
            clients = []
            for number in range(1, 4):
                client = stack.enter_context(socket.create_connection(address))
                client.sendall(GET)
                clients.append(client)
                await asyncio.sleep(0.3)
                # One is watched, and the first one, that asked nothing, is there too.
                assert len(server.server_state.connections) <= 2, number
            assert 0 < Watched.unsent.bytes <= 50_000_000
            clients[-1].setblocking(False)
            assert clients[-1].recv(100).startswith(b"HTTP/1.1 200")

    class Patient(Watched):
        head_seconds = 60

    scenario(steps, app=endless_answer, protocol=Patient)


def test_the_rest_of_an_answered_body_is_not_awaited_for_ever():
    async def steps(_server, reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(b"x")
        assert await reader.read() == b""

    scenario(steps)


def test_trailers_without_end_end_the_connection():
    async def endless(_scope, receive, _send):
        while (await receive()).get("more_body"):
            pass

    async def steps(server, _reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                writer.write(b"X: " + b"a" * 4096 + b"\r\n")
                await writer.drain()
        await asyncio.sleep(0.05)
        assert not server.server_state.connections

    scenario(steps, app=endless)


def test_a_stalled_body_wakes_the_application():
    pieces = []

    async def counting(_scope, receive, send):
        while len(pieces) < 2:
            pieces.append(await receive())
        await application(_scope, receive, send)

    async def steps(_server, reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        assert [(piece["body"], piece["more_body"]) for piece in pieces] == [
            (b"x", True),
            (b"", True),
        ]

    scenario(steps, app=counting)


def test_who_takes_his_time_between_pieces_within_the_limit_is_answered():
    async def steps(server, reader, writer):
        for _ in range(3):
            for piece in (GET[:9], GET[9:]):
                writer.write(piece)
                await asyncio.sleep(0.05)
            assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
            assert all(map(is_idle, server.server_state.connections))

    scenario(steps)


def test_what_is_no_http_is_400_in_json():
    async def steps(_server, reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert "HTTP/1.1" in error_of(await reader.read(), 400)
        assert refused == [400]

    refused = []
    scenario(steps, refused=refused.append)


def test_after_a_refusal_the_next_request_is_read_a_little_later():
    answered = []

    async def full(scope, receive, send):
        await application(scope, receive, send)
        answered.append(asyncio.get_running_loop().time())
        scope[REST]()

    async def steps(_server, reader, writer):
        for _ in range(2):
            writer.write(GET)
            assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        assert answered[1] - answered[0] >= 0.9 * REST_SECONDS

    scenario(steps, app=full)


def test_one_connection_too_many_is_closed(caplog, monkeypatch):
    monkeypatch.setattr(connection_limit, "_warned", -1000.0)

    async def steps(server, reader, writer):
        writer.write(GET)
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        for _ in range(2):
            other, others_writer = await asyncio.open_connection(
                *server.servers[0].sockets[0].getsockname()
            )
            with contextlib.suppress(ConnectionError):
                assert await other.read() == b""
            others_writer.close()
        writer.write(GET)
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")

    with caplog.at_level(logging.WARNING, "scanline"):
        scenario(steps, max_connections=1)
    assert "--max-connections" in caplog.text
    assert len(caplog.records) == 1  # not for each


def test_there_is_room_for_connections():
    assert most_connections() >= 1
