"""``POST /v2/models/{model}/infer`` as an ASGI application: the route that must be fast.

FastAPI describes it in /docs; its own way of calling a route would take longer than the
network does (benchmarks/serving).
"""

import time
from collections.abc import Callable
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.endpoints import INLINE_IMAGES, Endpoint, Endpoints
from serving.protocol import Infer, ProtocolError, infer_answer, parse_infer

# A body this small is read within 100 µs; larger ones would hold up everybody else.
INLINE_BYTES = 16 * 1024

LENGTH_HEADER = "Inference-Header-Content-Length"
_LENGTH_HEADER = LENGTH_HEADER.lower().encode()


class InferRoute:
    """Pixels in, outputs of the network out.

    Args:
        endpoints: the networks.
        decoded: is told how many seconds the reading of each body took.
    """

    def __init__(self, endpoints: Endpoints, decoded: Callable[[float], None] = lambda _: None):
        self._endpoints = endpoints
        self._decoded = decoded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints(scope["path_params"]["model"])
        endpoint.check_version(scope["path_params"].get("version"))
        header_length = _header_length(scope)
        body = await _body(receive)
        parse = partial(self._parse, endpoint, body, header_length)
        if len(body) <= INLINE_BYTES:
            request = parse()
        else:
            request = await endpoint.in_thread(parse)
        results = await endpoint.infer(request)
        answer = partial(infer_answer, endpoint.name, endpoint.version, request, results)
        is_small = len(request.images) <= INLINE_IMAGES
        content, json_length = answer() if is_small else await endpoint.in_thread(answer)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": _answer_headers(len(content), json_length),
            }
        )
        await send({"type": "http.response.body", "body": content})

    def _parse(self, endpoint: Endpoint, body: bytes, header_length: int | None) -> Infer:
        started = time.perf_counter()
        names = endpoint.predictor.output_names
        request = parse_infer(body, names, endpoint.max_batch, header_length)
        self._decoded(time.perf_counter() - started)
        return request


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


def _header_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == _LENGTH_HEADER:
            # int() alone would take "1_000" and signs.
            if not (value.isdigit() and len(value) < 12):
                raise ProtocolError(f"{LENGTH_HEADER}: must be a number of bytes")
            return int(value)
    return None


def _answer_headers(length: int, json_length: int | None) -> list[tuple[bytes, bytes]]:
    size = (b"content-length", b"%d" % length)
    if json_length is None:
        return [size, (b"content-type", b"application/json")]
    return [
        size,
        (b"content-type", b"application/octet-stream"),
        (_LENGTH_HEADER, b"%d" % json_length),
    ]
