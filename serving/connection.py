"""What a client may leave undone on a connection, limited where uvicorn has no limit.

uvicorn ends a connection that rests too long between two requests. It would keep one that
sends nothing at all, a head that never ends, byte by byte or by the gigabyte, or the rest of
a body whose refusal has long been answered.
"""

import asyncio
import os
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.gate import REST

HEAD_SECONDS = 15.0  # for a request's first line and headers, and for what nobody waits for
HEAD_BYTES = 64 * 1024
REST_SECONDS = 0.1  # before the next request after a refusal
_SPARE_FILES = 64  # not for connections, but for networks, logs and the listener
_MANY = 65536
_AGAIN_SECONDS = 1.0


def most_connections() -> int:
    """How many a process should hold: a few less than the files that it may open."""
    if os.name == "nt":
        return _MANY
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if files in (-1, resource.RLIM_INFINITY) else max(1, files - _SPARE_FILES)


class Connection(HttpToolsProtocol):
    """uvicorn's own connection, with an end to everything.

    A body that the application still reads is limited by `serving.bodies`, which is woken here
    when it stalls, by an empty piece; its chunks' lengths and trailers are limited here: with
    them it has at most twice the bytes that `config.settings` allows.

    Attributes:
        most: connections of this process; one more is closed at once.
        head_seconds: see `HEAD_SECONDS`.
    """

    most = most_connections()
    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._deadline: asyncio.TimerHandle | None = None
        self._is_message = self._has_head = False
        self._bytes = 0
        self._most_bytes = 2 * self.config.settings.max_body_bytes + HEAD_BYTES
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._limit_time(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lift_limit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        goes_on = self._is_message
        super().data_received(data)
        if not self._is_message or self.transport.is_closing():
            return  # as with all requests that come in one piece
        if goes_on:
            self._bytes += len(data)
        if not self._has_head and self._bytes > HEAD_BYTES:
            self._end(431, f"the headers have more than {HEAD_BYTES} bytes: send less")
        elif self._bytes > self._most_bytes:
            self.transport.abort()
        else:
            self._limit_time(
                self.head_seconds if self._is_unwanted() else self.config.settings.body_seconds
            )

    def on_message_begin(self) -> None:
        self._is_message = True
        self._has_head = False
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._lift_limit()
        self.scope[REST] = self._rest
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_message = False
        self._lift_limit()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it for what is no HTTP; all errors here are JSON."""
        self._end(400, f"{msg.rstrip('.')}: this server speaks HTTP/1.1")

    def _rest(self) -> None:
        """Read the next request a little later.

        Who is refused and comes back at once, against `Retry-After`, would otherwise cost
        those inside more and more: measured, with 512 such clients three quarters of the answers.
        """
        self.flow.pause_reading()
        self.loop.call_later(REST_SECONDS, self.flow.resume_reading)

    def _is_unwanted(self) -> bool:
        """Whether no application waits for what the client still has to send."""
        return not self._has_head or self.cycle is None or self.cycle.response_complete

    def _limit_time(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self._is_late)

    def _lift_limit(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Either its body stalls, or it is the request before, and will be answered.
            self.cycle.message_event.set()
            self._limit_time(_AGAIN_SECONDS)
        elif self._is_message and not self._has_head:
            self._end(408, f"the headers took more than {self.head_seconds:g} s: send them faster")
        else:
            self.transport.close()

    def _end(self, status: int, message: str) -> None:
        body = orjson.dumps({"error": message})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def is_idle(connection: asyncio.Protocol) -> bool:
    """Whether it rests between two requests, or before the first; false for a WebSocket."""
    return isinstance(connection, Connection) and (
        connection.cycle is None or connection.cycle.response_complete
    )
