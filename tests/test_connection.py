"""What a client may leave undone: silence, endless heads, bodies that nobody wants any more."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import pytest
import uvicorn

from serving.connection import (
    HEAD_BYTES,
    REST_SECONDS,
    Connection,
    is_idle,
    most_connections,
)
from serving.gate import REST

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Quick(Connection):
    head_seconds = 0.2


async def application(_scope, _receive, send):
    """Answers at once; a body is not looked at."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def listening(protocol=Quick, app=application):
    config = uvicorn.Config(app, http=protocol, log_level="critical", lifespan="off", port=0)
    config.settings = SimpleNamespace(max_body_bytes=100_000, body_seconds=0.2)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server, server.servers[0].sockets[0].getsockname()
    finally:
        await server.shutdown()


def scenario(steps, **options):
    async def run():
        async with listening(**options) as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            try:
                await asyncio.wait_for(steps(server, reader, writer), 20)
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    asyncio.run(run())


def error_of(answer: bytes, status: int) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    return json.loads(body)["error"]


def test_silence_ends_the_connection():
    async def steps(_server, reader, _writer):
        assert await reader.read() == b""

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

    scenario(steps)


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


def test_one_connection_too_many_is_closed():
    class Few(Connection):
        most = 1

    async def steps(server, reader, writer):
        writer.write(GET)
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")
        other, others_writer = await asyncio.open_connection(
            *server.servers[0].sockets[0].getsockname()
        )
        with contextlib.suppress(ConnectionError):
            assert await other.read() == b""
        others_writer.close()
        writer.write(GET)
        assert b"200 OK" in await reader.readuntil(b"\r\n0\r\n\r\n")

    scenario(steps, protocol=Few)


def test_there_is_room_for_connections():
    assert most_connections() >= 1
