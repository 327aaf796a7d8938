"""How many requests are inside at a time, and whether new ones should still be sent here.

Who comes when the server is full is refused at once with 503 and ``Retry-After``, so that
those inside keep their latency. 503 and not 429: RFC 6585 keeps 429 for a client that sends
too many requests itself; here all clients together are too many, "a temporary overload" in
the words of RFC 9110, 15.6.4.
"""

import re
from dataclasses import dataclass

import orjson
from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# They decode pictures, of up to `settings.max_pixels`, and wait for threads.
PICTURE_PATHS = frozenset({"/classify", "/live/picture"})
# A body that comes in one piece is no larger: the server reads so much at a time.
SMALL_BYTES = 64 * 1024
READINESS = re.compile(r"/v2/models/(?P<model>[^/]+)(/versions/[^/]+)?/ready")  # of a network
RETRY_SECONDS = 1  # a full server has answered everyone inside within that time
# In a request's scope: what lets its connection rest after a refusal (`serving.connection`).
REST = "scanline.rest"

_FULL = "the server is full: try again in a second"
# The same as a whole answer, for `serving.turnstile`.
_FULL_BODY = orjson.dumps({"error": _FULL})
FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nretry-after: %d\r\n\r\n%b"
    % (len(_FULL_BODY), RETRY_SECONDS, _FULL_BODY)
)
DRAINING = "the server is about to stop: ask another one"


def is_health(path: str) -> bool:
    """Whether `path` is asked by probes: it is never refused, and open to all."""
    return path.startswith("/v2/health/") or is_readiness(path)


def is_readiness(path: str) -> bool:
    """Whether `path` asks if requests may be sent: to the server, or to one of its networks."""
    return path == "/v2/health/ready" or READINESS.fullmatch(path) is not None


@dataclass
class Gate:
    """Who is inside. Not for several threads: everything happens in the event loop's.

    Attributes:
        most: requests inside.
        most_heavy: of them, those with a picture, what is compressed, or more than `SMALL_BYTES`.
        most_bytes: of bodies larger than `SMALL_BYTES`, over all requests.
        ready: false once the server is to stop: it still answers, but wants no new requests.
    """

    most: int
    most_heavy: int
    most_bytes: int
    ready: bool = True
    in_flight: int = 0
    heavy: int = 0
    bytes: int = 0

    def enter(self, heavy: bool = False) -> bool:
        """Take a place, to be given back by `leave`; false where there is none."""
        if self.in_flight >= self.most or (heavy and self.heavy >= self.most_heavy):
            return False
        self.in_flight += 1
        self.heavy += heavy
        return True

    def leave(self, heavy: bool = False) -> None:
        """Give a place back that `enter` gave."""
        self.in_flight -= 1
        self.heavy -= heavy


class GateKeeper:
    """ASGI middleware: lets as many requests in as `gate` has places for.

    Only POST takes a place: all that computes is one, but for the live view's stream, which has
    a limit of its own (`serving.page.stream`). A request has it from the moment its body is there
    until its answer is made; a slow client that still sends, or reads (`serving.unsent`), takes
    nobody's. One that finds all places taken when its head arrives is refused unread, and so is
    one that finds them taken when its body is complete.
    """

    def __init__(self, app: ASGIApp, gate: Gate):
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._gate.ready:
            if is_readiness(scope["path"]):
                await refuse(send, 503, DRAINING)
                return
            send = _closing(send)
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        is_small, is_packed = _size(scope)
        is_heavy = not is_small or is_packed or scope["path"] in PICTURE_PATHS
        visit = _Visit(self._gate, receive, is_heavy)
        if not visit.enter():
            await refuse(send, 503, _FULL, keep=is_small)
            if rest := scope.get(REST):
                rest()
            return
        try:
            await self._app(scope, visit.receive, send)
        finally:
            visit.end()


class _Visit:
    """One request on its way through the gate."""

    def __init__(self, gate: Gate, receive: Receive, heavy: bool):
        self._gate = gate
        self._receive = receive
        self._heavy = heavy
        self._is_inside = False
        self._is_complete = False
        self._bytes = 0

    def enter(self) -> bool:
        self._is_inside = self._gate.enter(self._heavy)
        return self._is_inside

    def end(self) -> None:
        if self._is_inside:
            self._gate.leave(self._heavy)
        self._gate.bytes -= self._bytes

    async def receive(self) -> Message:
        if self._is_complete:  # only waits for the client to leave
            return await self._receive()
        if self._is_inside:
            self._gate.leave(self._heavy)
            self._is_inside = False
        event = await self._receive()
        if event.get("more_body"):
            self._keep(len(event.get("body", b"")))
            return event
        self._is_complete = True
        if event["type"] == "http.request" and not self.enter():
            raise _full()
        return event

    def _keep(self, size: int) -> None:
        self._bytes += size
        self._gate.bytes += size
        if self._gate.bytes > self._gate.most_bytes and self._bytes > SMALL_BYTES:
            raise _full()


def _full() -> HTTPException:
    return HTTPException(503, _FULL, {"Retry-After": str(RETRY_SECONDS), "Connection": "close"})


def _size(scope: Scope) -> tuple[bool, bool]:
    """Whether the body is declared as at most `SMALL_BYTES`, and whether it is compressed."""
    is_small, is_packed = True, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            is_small = value.isdigit() and len(value) < 20 and int(value) <= SMALL_BYTES
        elif name == b"transfer-encoding":
            is_small = False
        elif name == b"content-encoding":
            is_packed = value.strip().lower() not in (b"", b"identity")
    return is_small, is_packed


def _closing(send: Send) -> Send:
    """Tell each client to come back by a new connection, which another server will take."""

    async def send_closing(event: Message) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], (b"connection", b"close")]}
        await send(event)

    return send_closing


async def refuse(send: Send, status: int, message: str, keep: bool = False) -> None:
    """Answer without reading the body.

    Args:
        send: the request's.
        status: 503.
        message: what is wrong, and what to do.
        keep: the connection; then the rest of the body is still read, and thrown away.
    """
    body = orjson.dumps({"error": message})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_SECONDS),
    ]
    if not keep:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
