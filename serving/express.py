"""Ordinary inference requests, answered by their connection itself.

ASGI, its middleware and a task for each request take longer than the network does
(benchmarks/serving). A request that needs none of what they are there for goes straight from
uvicorn's parser into the next batch, and its answer straight out: a small ``POST`` to
``/v2/models/{model}/infer``, of few images, not compressed, and not from another site's page.

Everything else goes to the application as if it had come there first, and so does what turns
out to be wrong: they refuse there (`serving.gate`, `serving.guard`, `serving.bodies`,
`serving.infer`).
"""

import logging
import re
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import orjson
from starlette.datastructures import Headers

from serving import access, compression, logs
from serving.batching import Job, Results
from serving.binary import LENGTH_HEADER
from serving.bodies import too_slow
from serving.connection import HEAD_BYTES
from serving.errors import FAILED
from serving.gate import DRAINING, RETRY_SECONDS
from serving.infer import INLINE_BYTES, write_infer
from serving.lane import Request
from serving.turnstile import Turnstile
from serving.v2 import INFER

_URL = re.compile(rb"/v2/models/([\w.-]+)/infer")
_MOST_HEADERS = 32
# What the application sees to.
_SPECIAL = frozenset({b"content-encoding", b"expect", b"origin", b"transfer-encoding", b"upgrade"})
_LENGTH_HEADER = LENGTH_HEADER.lower().encode()

_LOG = logging.getLogger("scanline")


class Express(Turnstile):
    """A connection that answers ordinary inference requests."""

    _request: Request | None = None  # whose body is being read

    def connection_lost(self, exc: Exception | None) -> None:
        if (request := self._request) is not None:
            seconds = time.perf_counter() - request.started
            self.config.lane.watch.answered(INFER, access.CLIENT_GONE, seconds)
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        if self._request is None:
            super().on_body(body)
        else:
            self._request.pieces.append(body)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        if request is None:
            super().on_message_complete()
            return
        if not (request.read() and self.config.lane.gate.enter()):
            self._pass_on(request)
            return
        self._is_message = False
        self._piece = 0
        self._lift_limit()
        lane = self.config.lane
        lane.watch.in_flight.inc()
        lane.watch.decoded(INFER, request.reading)
        answer, fail = partial(self._answer, request), partial(self._fail, request)
        infer = request.infer
        request.endpoint.submit(Job(infer.images, infer.outputs, answer, fail, request.complete))

    def _let_in(self, is_post: bool) -> None:
        request = self._ordinary() if is_post else None
        if request is None:
            super()._let_in(is_post)
            return
        self._has_head = True
        self._lift_limit()
        self.cycle = self._request = request

    def _ordinary(self) -> Request | None:
        """The request whose head is complete, if it can be answered here."""
        lane = self.config.lane
        if (
            not lane.gate.ready
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused  # a client that does not read is waited for there
            or len(self.headers) > _MOST_HEADERS
            or (self._bytes + self._piece > HEAD_BYTES and self._is_head_large())
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or (named := _URL.fullmatch(self.url)) is None
            or (endpoint := lane.endpoints.known(named[1].decode())) is None
        ):
            return None
        length = json_length = None
        for name, value in self.headers:
            if (
                name in _SPECIAL
                or (name == b"accept-encoding" and compression.chosen(value))
                or (name == b"x-forwarded-for" and access.writes_lines())  # whose address counts?
            ):
                return None
            if name in (b"content-length", _LENGTH_HEADER):
                if not value.isdigit() or len(value) > 9:
                    return None
                if name == b"content-length":
                    length = int(value)
                else:
                    json_length = int(value)
        if length is None or length > min(INLINE_BYTES, self.config.settings.max_body_bytes):
            return None
        if lane.keys is not None and not lane.keys.admit(Headers(raw=self.headers)):
            return None
        return Request(endpoint, json_length, access.identity(self.headers))

    def _pass_on(self, request: Request) -> None:
        request.response_complete = True  # as far as this file goes
        super()._let_in(True)
        for piece in request.pieces:
            super().on_body(piece)
        request.forget()
        super().on_message_complete()

    def give_up(self) -> None:
        """Answer a request whose body is still not there when the server ends."""
        if self._request is not None and not self.transport.is_closing():
            self._refuse(503, DRAINING, [(b"retry-after", b"%d" % RETRY_SECONDS)])

    def _is_late(self) -> None:
        if self._request is None or self.transport.is_closing():
            super()._is_late()
            return
        self._deadline = None
        self._refuse(408, too_slow(self.config.settings.body_seconds))

    def _refuse(self, status: int, message: str, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer the request whose body is being read, and read no more of it."""
        request, self._request = self._request, None
        request.keep_alive = False
        self._send(request, status, *_error(message, more))

    def _answer(self, request: Request, results: Results) -> None:
        computed = time.perf_counter()
        try:
            content, headers = write_infer(request.endpoint, request.infer, results)
        except Exception as error:  # others of the batch still wait
            self._fail(request, error)
            return
        ended = time.perf_counter()
        request.endpoint.statistics.answered(
            ended - request.complete, request.reading, ended - computed
        )
        self._leave()
        self._send(request, 200, content, headers)

    def _fail(self, request: Request, error: Exception) -> None:
        with logs.about(request.id.decode()):
            _LOG.error("an inference failed", exc_info=error)
        request.endpoint.statistics.failed(time.perf_counter() - request.complete)
        self._leave()
        self._send(request, 500, *_error(FAILED))

    def _leave(self) -> None:
        self.config.lane.gate.leave()
        self.config.lane.watch.in_flight.dec()

    def _send(
        self, request: Request, status: int, content: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        request.response_complete = True
        is_gone = self.transport.is_closing()
        status = access.CLIENT_GONE if is_gone else status
        seconds = time.perf_counter() - request.started
        self.config.lane.watch.answered(INFER, status, seconds)
        if access.writes_lines():
            self._write_line(request, status, seconds, 0 if is_gone else len(content))
        request.forget()
        if is_gone:
            return
        headers = [*self.server_state.default_headers, *headers, (access.HEADER, request.id)]
        if not request.keep_alive:
            headers.append((b"connection", b"close"))
        parts = [b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())]
        parts += [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([*parts, b"\r\n", content]))
        if request.keep_alive:
            if not self._is_message:  # else they are the next request's
                self._forget_message()
            self.on_response_complete()
        else:
            self.answered()

    def _write_line(self, request: Request, status: int, seconds: float, size: int) -> None:
        model = request.endpoint.name
        more = {"bytes": size, "client": self.client and self.client[0], "model": model}
        with logs.about(request.id.decode()):
            path = INFER.format(model=model)
            access.write_line("POST", path, INFER, status, seconds, more)


def _error(
    message: str, more: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """An answer's body and its headers."""
    content = orjson.dumps({"error": message})
    length = b"%d" % len(content)
    return content, [(b"content-type", b"application/json"), (b"content-length", length), *more]
