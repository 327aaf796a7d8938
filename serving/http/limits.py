"""How many requests may be inside at a time, and how large and how slow a body may be.

A request beyond the concurrency limit is refused with 503 and ``Retry-After``, so that those
inside keep their latency. 503 and not 429: RFC 6585 keeps 429 for a client that itself
sends too many requests; here all clients together are too many, "a temporary overload" in the
words of RFC 9110, 15.6.4.
"""

import asyncio
import contextlib
from dataclasses import dataclass

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# They decode pictures, of up to `Settings.max_pixels`, and wait for threads.
PICTURE_PATHS = frozenset({"/classify", "/live/picture"})
SMALL_BYTES = 64 * 1024
LINGER_SECONDS = 2  # for a client that still sends to read that it is refused
RETRY_SECONDS = 1  # a full server has answered everyone inside within that time
FULL = "the server is full: try again in a second"
# A refusal waits for so long: clients that come back at once, against the advice, would take the
# time of those inside (measured: benchmarks/serving/overload.py).
_REFUSAL_SECONDS = 0.25

# The server tells neither from the other: a client that left does not read it.
_CUT = "the body is cut, or its chunks are not as HTTP wants them"
_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass
class ConcurrencyLimit:
    """Requests inside. For one thread: everything happens in the event loop's.

    Attributes:
        most: requests inside.
        most_heavy: of them, those with a picture, what is compressed, or more than `SMALL_BYTES`.
        most_bytes: of bodies that are being received, over all requests.
        present: requests that are inside, or whose body is on its way.
    """

    most: int
    most_heavy: int
    most_bytes: int
    in_flight: int = 0
    heavy: int = 0
    receiving: int = 0  # bytes
    present: int = 0

    def is_reached(self, heavy: bool = False) -> bool:
        return self.in_flight >= self.most or (heavy and self.heavy >= self.most_heavy)

    def enter(self, heavy: bool = False) -> bool:
        """Count a request as inside, until `leave`; false where the limit is reached."""
        if self.is_reached(heavy):
            return False
        self.in_flight += 1
        self.heavy += heavy
        return True

    def leave(self, heavy: bool = False) -> None:
        """A request that `enter` has counted is done."""
        self.in_flight -= 1
        self.heavy -= heavy


class _Refused(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Limits:
    """ASGI middleware: reads a request's body, within its limits, before the application runs.

    A request counts as inside from the moment its body is complete until its answer is made: a
    client that still sends keeps nobody out. One that finds the limit reached when its head
    arrives is refused unread.

    Args:
        app: the application.
        limit: shared with gRPC.
        max_body_bytes: of one body, declared or not; more is answered by 413.
        body_seconds: in which a body must arrive; else 408.
    """

    def __init__(
        self, app: ASGIApp, limit: ConcurrencyLimit, max_body_bytes: int, body_seconds: float
    ):
        self._app = app
        self._limit = limit
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if problem := _host_problem(scope):
            await refuse(scope, send, 400, problem)
            return
        if scope["type"] != "http" or scope["method"] in _NO_BODY:
            await self._app(scope, receive, send)
            return
        length, is_packed = _declared(scope)
        is_heavy = length is None or length > SMALL_BYTES
        is_heavy = is_heavy or is_packed or scope["path"] in PICTURE_PATHS
        limit = self._limit
        if limit.is_reached(is_heavy):
            await refuse(scope, send, 503, FULL)
            return
        limit.present += 1
        try:
            await self._limited(scope, receive, send, length, is_heavy)
        finally:
            limit.present -= 1

    async def _limited(
        self, scope: Scope, receive: Receive, send: Send, length: int | None, is_heavy: bool
    ) -> None:
        try:
            if length is not None and length > self._max_body_bytes:
                raise self._too_large()
            body = await self._read(receive)
            if not self._limit.enter(is_heavy):
                raise _Refused(503, FULL)
        except _Refused as refused:
            await refuse(scope, send, refused.status, str(refused))
            return
        try:
            await self._app(scope, replay(body, receive), send)
        finally:
            self._limit.leave(is_heavy)

    async def _read(self, receive: Receive) -> bytes:
        """The whole body."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    event = await receive()
                    if event["type"] != "http.request":
                        raise _Refused(400, _CUT)
                    part = event.get("body", b"")
                    if not event.get("more_body"):
                        if size + len(part) > self._max_body_bytes:
                            raise self._too_large()
                        return b"".join([*parts, part]) if parts else part
                    parts.append(part)
                    size += len(part)
                    self._limit.receiving += len(part)
                    if size > self._max_body_bytes:
                        raise self._too_large()
                    if self._limit.receiving > self._limit.most_bytes and size > SMALL_BYTES:
                        raise _Refused(503, FULL)
        except TimeoutError:
            raise _Refused(
                408, f"the body took more than {self._body_seconds:g} s: send it faster, or less"
            ) from None
        finally:
            self._limit.receiving -= size

    def _too_large(self) -> _Refused:
        most = self._max_body_bytes
        return _Refused(413, f"the body has more than {most} bytes, which is the limit: send less")


def _host_problem(scope: Scope) -> str | None:
    """What is wrong with the request's Host field (RFC 9112, 3.2), if anything."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1:
        return "more than one Host header: send one"
    # Granian gives an empty one where the client sends none.
    if not any(hosts) and scope.get("http_version") == "1.1":
        return "the Host header is missing: HTTP/1.1 needs it"
    return None


def _declared(scope: Scope) -> tuple[int | None, bool]:
    """The body's length in bytes, None where it is not told; whether it is compressed."""
    length: int | None = 0
    is_packed = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 20 else None
        elif name == b"transfer-encoding":
            length = None
        elif name == b"content-encoding":
            is_packed = value.strip().lower() not in (b"", b"identity")
    return length, is_packed


def replay(body: bytes, receive: Receive) -> Receive:
    """`body` as one event; what comes after it is the connection's end."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


def finish_reading(app: ASGIApp) -> ASGIApp:
    """`app`; what it leaves of a large body is read on for a moment, and dropped.

    Many clients look for an answer only when all is sent; a closed connection would lose it.
    """

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        length = _declared(scope)[0] if scope["type"] == "http" else 0
        if length is not None and length <= SMALL_BYTES:
            await app(scope, receive, send)
            return
        is_read = False

        async def reading() -> Message:
            nonlocal is_read
            event = await receive()
            is_read = not event.get("more_body")
            return event

        await app(scope, reading, send)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not is_read:
                    await reading()

    return asked


async def refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    """Answer with an error, without reading the body; a WebSocket is not opened."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    body = orjson.dumps({"error": message})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 503:
        await asyncio.sleep(_REFUSAL_SECONDS)
        headers.append((b"retry-after", b"%d" % RETRY_SECONDS))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
