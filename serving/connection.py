"""What a client may leave undone on a connection, limited where uvicorn has no limit.

uvicorn ends a connection that rests too long between two requests. It would keep one that
sends nothing at all, a head that never ends, byte by byte or by the gigabyte, the rest of a
body whose refusal has long been answered, or an answer that its client does not read.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.connection_limit import most_connections, warn_full
from serving.gate import REST
from serving.unsent import Unsent

HEAD_SECONDS = 15.0  # for a request's first line and headers, and for what nobody waits for
HEAD_BYTES = 16 * 1024
HEADERS = 100  # each costs ten times its bytes
REST_SECONDS = 0.1  # before the next request after a refusal
LINGER_SECONDS = 2.0  # for a client that still sends to read that it is refused
LINGER_BYTES = 64 * 2**20
_AGAIN_SECONDS = 1.0


class _HeadTooLargeError(Exception):
    """Ends the parsing."""


class Connection(HttpToolsProtocol):
    """uvicorn's own connection, with limits on what a client sends, and on what it does not read.

    A body that the application still reads is limited by `serving.bodies`, which is woken here
    when it stalls, by an empty piece; its chunks' lengths and trailers are limited here: with
    them it has at most twice the bytes that `config.settings` allows. Answers are limited by
    `serving.unsent`. Streams have another protocol: after the handshake nothing here sees them.

    Attributes:
        most: connections that this process can hold; `config.settings` may allow fewer. One
            more is closed at once.
        head_seconds: see `HEAD_SECONDS`.
        linger_seconds: see `LINGER_SECONDS`.
        unsent: of all connections of this process.
    """

    most = most_connections()
    head_seconds = HEAD_SECONDS
    linger_seconds = LINGER_SECONDS
    unsent: ClassVar[Unsent] = Unsent()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._deadline: asyncio.TimerHandle | None = None
        self._is_message = self._has_head = self._is_lingering = False
        self._bytes = self._piece = 0  # of this message before this piece, and in it
        self._most_bytes = 2 * self.config.settings.max_body_bytes + HEAD_BYTES
        self._way_out = _WayOut(self, transport)
        super().connection_made(transport)
        most = min(self.most, self.config.settings.max_connections)
        if len(self.connections) > most:
            warn_full(most)
            transport.abort()
        else:
            self._limit_time(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lift_limit()
        self.unsent.remove(self.transport)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            self._discard(len(data))
            return
        self._piece = len(data)
        super().data_received(data)
        if not self._is_message:  # as with all requests that come in one piece
            # What llhttp skips before a request has taken uvicorn's timer away. A stream is no
            # more among the connections.
            is_answered = self.cycle and self.cycle.response_complete
            # It may have been answered, and uvicorn's timer set, while it was read.
            is_untimed = self.timeout_keep_alive_task is None
            if is_answered and is_untimed and self in self.connections:
                self._limit_time(self.head_seconds)
            return
        if self._is_lingering or self.transport.is_closing():
            return
        self._bytes += self._piece
        if not self._has_head and (self._bytes > HEAD_BYTES or len(self.headers) > HEADERS):
            self._refuse_head()
        elif self._bytes > self._most_bytes:
            self.transport.abort()
        else:
            self._limit_time(
                self.head_seconds if self._is_unwanted() else self.config.settings.body_seconds
            )

    def pause_writing(self) -> None:
        """Called where an answer does not leave at once."""
        super().pause_writing()
        self.unsent.add(self.transport)

    def resume_writing(self) -> None:
        """Called when nearly all of it has left."""
        super().resume_writing()
        self.unsent.remove(self.transport)

    def timeout_keep_alive_handler(self) -> None:
        """Called by uvicorn when nothing has come for long."""
        if not self.transport.is_closing():
            self._close()

    def on_message_begin(self) -> None:
        self._is_message = True
        self._has_head = False
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        is_suspect = self._bytes + self._piece > HEAD_BYTES or len(self.headers) > HEADERS
        if is_suspect and self._is_head_large():
            raise _HeadTooLargeError
        self._has_head = True
        self._lift_limit()
        self.scope[REST] = self._rest
        super().on_headers_complete()
        if self.cycle is not None:  # a handshake has none
            self.cycle.transport = self._way_out

    def on_message_complete(self) -> None:
        self._is_message = False
        self._piece = 0  # what follows in it is of the next message
        self._lift_limit()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it for what its parser does not take; all errors here are JSON."""
        if self._is_message and not self._has_head and self._is_head_large():
            self._refuse_head()
        else:
            self._end(400, f"{msg.rstrip('.')}: this server speaks HTTP/1.1")

    def answered(self) -> None:
        """uvicorn would close the connection now.

        With something unread the system would reset it, and the client, still sending, would
        never see its answer (RFC 9112, 9.6).
        """
        if self._is_message and self.cycle.response_complete:
            self._linger()
        else:
            self._close()

    def _linger(self) -> None:
        self._is_lingering = True
        self._bytes = 0
        self._lift_limit()
        self.pipeline.clear()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(self.linger_seconds, self._close)

    def _discard(self, size: int) -> None:
        self._bytes += size
        if self._bytes > LINGER_BYTES:
            self._close()

    def _close(self) -> None:
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.unsent.add(self.transport)

    def _rest(self) -> None:
        """Read the next request a little later.

        Who is refused and comes back at once, against `Retry-After`, would otherwise cost
        those inside more and more: measured, with 512 such clients three quarters of the answers.
        """
        if not self._is_lingering:
            self.flow.pause_reading()
            self.loop.call_later(REST_SECONDS, self.flow.resume_reading)

    def _is_unwanted(self) -> bool:
        """Whether no application waits for what the client still has to send."""
        return not self._has_head or self.cycle is None or self.cycle.response_complete

    def _is_head_large(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > HEAD_BYTES or len(self.headers) > HEADERS

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
            self._close()

    def _refuse_head(self) -> None:
        self._end(431, f"more than {HEADERS} headers, or {HEAD_BYTES} bytes of them: send less")

    def _end(self, status: int, message: str) -> None:
        """Answer what no application has seen."""
        body = orjson.dumps({"error": message})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.config.refused(status)
        self.transport.write(head.encode() + body)
        if self.cycle is None or self.cycle.response_complete:
            self._linger()
        else:
            self._close()  # the request before will not be answered


class _WayOut:
    """What uvicorn answers a request by: the transport, but for the end."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: Connection, transport: asyncio.Transport):
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = connection.answered


def is_idle(connection: asyncio.Protocol) -> bool:
    """Whether it rests between two requests, or before the first; false for a WebSocket."""
    return isinstance(connection, Connection) and (
        connection.cycle is None or connection.cycle.response_complete
    )
