"""The Open Inference Protocol's routes under /v2.

Source: inference_rest.md of github.com/kserve/open-inference-protocol.

`InferApp` answers the inference requests before FastAPI, which only describes them in /docs:
what it does for each call would take longer than the network (benchmarks/serving).
"""

import logging
import re
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from model import __version__
from serving.http import compression
from serving.http.errors import FAILED, error_answer, json_answer
from serving.http.request_log import MODEL as MODEL_OF_REQUEST
from serving.http.request_log import ROUTE
from serving.inference import binary_codec, json_codec, schemas
from serving.inference.batcher import Results
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.endpoints import INLINE_BYTES, Endpoint, Endpoints
from serving.inference.tensors import Infer, ProtocolError

MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"
OF_VERSION = "_of_version"  # ends the operation of a path that names the version
INFER, INFER_VERSION = f"{MODEL}/infer", f"{VERSION}/infer"
SERVER_METADATA = {
    "name": schemas.NAME,
    "version": __version__,
    "extensions": [binary_codec.EXTENSION, "model_configuration", "statistics"],
}

_INFER_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_LENGTH_HEADER = LENGTH_HEADER.lower().encode()
_log = logging.getLogger("scanline")


class InferApp:
    """ASGI application: pixels in, outputs of the network out; everything else goes to `app`.

    Args:
        app: what answers other requests.
        endpoints: the networks.
        max_body_bytes: that a compressed body may become.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, max_body_bytes: int):
        self._app = app
        self._endpoints = endpoints
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = None
        if scope["type"] == "http" and scope["method"] == "POST":
            named = _INFER_PATH.fullmatch(scope["path"])
        if named is None:
            await self._app(scope, receive, send)
            return
        model, version = named.groups()
        scope[ROUTE] = INFER if version is None else INFER_VERSION
        scope[MODEL_OF_REQUEST] = model
        try:
            content, headers = await self._answer(scope, receive, self._endpoints(model, version))
        except Exception as error:
            answer = error_answer(error)
            if answer is None:
                _log.error("an inference failed", exc_info=error)
                answer = json_answer({"error": FAILED}, 500)
            await answer(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(
        self, scope: Scope, receive: Receive, endpoint: Endpoint
    ) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        json_length, coding, answer_coding = _encoding(scope)
        event = await receive()  # the whole body: see `serving.http.limits`
        if event["type"] != "http.request":
            raise ClientDisconnect
        body = event["body"]

        def decode() -> Infer:
            plain = body
            if coding is not None:
                plain = compression.decompress(body, coding, self._max_body_bytes)
            names = endpoint.predictor.output_names
            return json_codec.decode(plain, names, endpoint.max_batch, json_length)

        encode = partial(_encode, endpoint, answer_coding)
        is_large = len(body) > INLINE_BYTES or coding is not None or answer_coding is not None
        return await endpoint.answer(scope[ROUTE], decode, encode, is_large)


def _encoding(scope: Scope) -> tuple[int | None, bytes | None, bytes | None]:
    """What the headers say: bytes of JSON before those of tensors, and how the body is, and the
    answer should be, compressed."""
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
    return json_length, coding, answer_coding


def _encode(
    endpoint: Endpoint, coding: bytes | None, request: Infer, results: Results
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The answer's body, compressed if a `coding` is given, and its headers."""
    content, json_length = json_codec.encode(endpoint.name, endpoint.version, request, results)
    kind = b"application/json" if json_length is None else b"application/octet-stream"
    headers = [(b"content-type", kind)]
    if json_length is not None:
        headers.append((_LENGTH_HEADER, b"%d" % json_length))
    if coding is not None:
        content = compression.compress(content, coding)
        headers.append((b"content-encoding", coding))
    headers.append((b"content-length", b"%d" % len(content)))
    return content, headers


class ModelPaths:
    """Parameters of routes whose path names a network, with or without its version.

    Attributes:
        Name, Version: the path's parts, as text.
        Chosen, ChosenVersion: the network; one that is not there is answered by 404.
    """

    def __init__(self, endpoints: Endpoints):
        example = endpoints.models.default
        self.Name = Annotated[str, Path(examples=[example.name])]
        self.Version = Annotated[str, Path(examples=[example.version])]

        async def chosen(model: self.Name) -> Endpoint:
            return endpoints(model)

        async def chosen_version(model: self.Name, version: self.Version) -> Endpoint:
            return endpoints(model, version)

        self.Chosen = Annotated[Endpoint, Depends(chosen)]
        self.ChosenVersion = Annotated[Endpoint, Depends(chosen_version)]

    def get(self, app: FastAPI, path: str, answer: Any, **described: Any) -> None:
        """Have `app` answer GET (and HEAD for readiness) by `answer(endpoint)`, as JSON."""

        async def of_model(model: self.Chosen) -> Response:
            return json_answer(answer(model))

        async def of_version(model: self.ChosenVersion) -> Response:
            return json_answer(answer(model))

        name = answer.__name__
        for prefix, route, ending in ((MODEL, of_model, ""), (VERSION, of_version, OF_VERSION)):
            route.__doc__ = answer.__doc__
            app.get(prefix + path, name=name, operation_id=name + ending, **described)(route)
            if path == "/ready":
                app.head(prefix + path, include_in_schema=False)(route)


def add_protocol(app: FastAPI, endpoints: Endpoints) -> None:
    """Add the routes to `app`; the inference itself is `InferApp`'s."""
    paths = ModelPaths(endpoints)

    @app.get(
        "/v2",
        response_model=schemas.Server,
        summary="The server's name, version and extensions",
        tags=[schemas.SERVER],
    )
    async def server_metadata() -> Response:
        return json_answer(SERVER_METADATA)

    @app.get(
        "/v2/health/live",
        response_model=schemas.Live,
        summary="Does the server run?",
        tags=[schemas.HEALTH],
    )
    @app.head("/v2/health/live", include_in_schema=False)
    async def server_live() -> Response:
        return json_answer({"live": True})

    @app.get(
        "/v2/health/ready",
        response_model=schemas.Ready,
        summary="Does the server want requests?",
        tags=[schemas.HEALTH],
    )
    @app.head("/v2/health/ready", include_in_schema=False)
    async def server_ready() -> Response:
        return json_answer({"ready": True})

    def infer(model: paths.Name) -> Any:
        """Pixels in, every output of the network out, with no verdict on it.

        A network that was trained to tell digits from other drawings has an output `score`:
        how sure it is, 0..1, that this is no digit. `POST /classify` applies the thresholds.
        """

    def infer_of_version(model: paths.Name, version: paths.Version) -> Any:
        """The same of a model of which the version is known."""

    for path, described in ((INFER, infer), (INFER_VERSION, infer_of_version)):
        app.post(
            path,
            response_model=schemas.InferAnswer,
            openapi_extra=schemas.INFER_BODY,
            responses=schemas.INFER_ANSWERS,
            summary="Read prepared rows",
            tags=[schemas.INFERENCE],
            operation_id=described.__name__,
        )(described)

    def model_metadata(model: Endpoint) -> dict[str, Any]:
        return model.metadata

    def model_ready(model: Endpoint) -> dict[str, Any]:
        return {"name": model.name, "ready": True}

    paths.get(
        app,
        "",
        model_metadata,
        response_model=schemas.Model,
        summary="What a network takes and gives",
        tags=[schemas.NETWORKS],
    )
    paths.get(
        app,
        "/ready",
        model_ready,
        response_model=schemas.ModelReady,
        summary="Does a network want requests?",
        tags=[schemas.HEALTH],
    )
