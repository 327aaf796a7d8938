"""``POST /v2/models/{model}/infer`` as an ASGI application, for requests of any kind.

`serving.express` answers the ordinary ones before. FastAPI only describes this in /docs: what it
does for each call would take longer than the network (benchmarks/serving).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.http import compression
from serving.inference.batcher import Results
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.endpoints import Endpoint, Endpoints
from serving.inference.json_codec import Infer, infer_answer, parse_infer
from serving.inference.tensors import ProtocolError

# A body this small is read within 100 µs; larger ones would hold up everybody else.
INLINE_BYTES = 16 * 1024

_LENGTH_HEADER = LENGTH_HEADER.lower().encode()


class _Head(NamedTuple):
    """What a request's headers say of its body, and of the answer's."""

    json_length: int | None
    coding: bytes | None
    answer_coding: bytes | None


class InferRoute:
    """Pixels in, outputs of the network out.

    Args:
        endpoints: the networks.
        max_body_bytes: that a compressed body may become.
        decoded: is told how many seconds the reading of each body took.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        max_body_bytes: int,
        decoded: Callable[[float], None] = lambda _: None,
    ):
        self._endpoints = endpoints
        self._max_body_bytes = max_body_bytes
        self._decoded = decoded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints(scope["path_params"]["model"])
        endpoint.check_version(scope["path_params"].get("version"))
        head = _head(scope)
        body = await _body(receive)
        started = time.perf_counter()
        try:
            content, headers = await self._answer(endpoint, body, head, started)
        except Exception:
            endpoint.statistics.failed(time.perf_counter() - started)
            raise
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, endpoint: Endpoint, body: bytes, head: _Head, started: float
    ) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        parse = partial(self._parse, endpoint, body, head)
        is_small = len(body) <= INLINE_BYTES and head.coding is None
        request, reading = parse() if is_small else await endpoint.in_thread(parse)
        results = await endpoint.infer(request)
        computed = time.perf_counter()
        write = partial(write_infer, endpoint, request, results, head.answer_coding)
        is_small = endpoint.is_small(request) and head.answer_coding is None
        answer = write() if is_small else await endpoint.in_thread(write)
        ended = time.perf_counter()
        endpoint.statistics.answered(ended - started, reading, ended - computed)
        return answer

    def _parse(self, endpoint: Endpoint, body: bytes, head: _Head) -> tuple[Infer, float]:
        """The request, and how many seconds that took."""
        started = time.perf_counter()
        if head.coding is not None:
            body = compression.decompress(body, head.coding, self._max_body_bytes)
        names = endpoint.predictor.output_names
        request = parse_infer(body, names, endpoint.max_batch, head.json_length)
        seconds = time.perf_counter() - started
        self._decoded(seconds)
        return request, seconds


def write_infer(
    endpoint: Endpoint, request: Infer, results: Results, coding: bytes | None = None
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The answer's body, compressed if a `coding` is given, and its headers."""
    content, json_length = infer_answer(endpoint.name, endpoint.version, request, results)
    kind = b"application/json" if json_length is None else b"application/octet-stream"
    headers = [(b"content-type", kind)]
    if json_length is not None:
        headers.append((_LENGTH_HEADER, b"%d" % json_length))
    if coding is not None:
        content = compression.compress(content, coding)
        headers.append((b"content-encoding", coding))
    headers.append((b"content-length", b"%d" % len(content)))
    return content, headers


async def _body(receive: Receive) -> bytes:
    event = await receive()
    if event["type"] == "http.request" and not event.get("more_body"):
        return event.get("body", b"")
    parts = []
    while event["type"] == "http.request":
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)
        event = await receive()
    raise ClientDisconnect


def _head(scope: Scope) -> _Head:
    json_length = coding = answer_coding = None
    for name, value in scope["headers"]:
        if name == _LENGTH_HEADER:
            # int() alone would take "1_000" and signs.
            if not (value.isdigit() and len(value) < 12):
                raise ProtocolError(f"{LENGTH_HEADER}: must be a number of bytes")
            json_length = int(value)
        elif name == b"content-encoding":
            coding = value
        elif name == b"accept-encoding":
            answer_coding = compression.chosen(value)
    return _Head(json_length, coding, answer_coding)
