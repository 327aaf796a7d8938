"""The HTTP API: Open Inference Protocol v2 under /v2, and POST /classify for image files.

Every error is ``{"error": "..."}`` with its 4xx code, on unknown routes and wrong methods too.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from serving import schemas
from serving.access import AccessLog
from serving.bodies import BodyLimit, image_files
from serving.classify import classify
from serving.pictures import PictureError, PictureTooLargeError, UnknownFormatError
from serving.predictor import Predictor
from serving.protocol import ProtocolError, infer_answer, model_metadata, parse_infer
from serving.settings import Settings

SERVER_VERSION = "0.1.0"  # as in pyproject.toml
# A body this small is read, inferred and answered in a millisecond or two: sooner done than
# handed to a thread. Larger ones would hold up everybody else.
INLINE_BYTES = 16 * 1024

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": schemas.Error, "description": "What is wrong, and what to do"}
}


def create_app(predictor: Predictor, settings: Settings) -> FastAPI:
    """The API without the page.

    Args:
        predictor: the network; its file's stem is the model's name in paths.
        settings: limits; host and port are not looked at.
    """
    app = FastAPIOffline(  # with the files of /docs, which FastAPI alone loads from elsewhere
        title="Scanline",
        version=SERVER_VERSION,
        description="A recurrent network reads handwritten digits, row by row.",
        redoc_url=None,
        responses=_ERRORS,
    )
    # As many threads as cores: this also bounds how many pictures are in memory at a time.
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="scanline")
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    app.add_middleware(AccessLog)
    _answer_errors(app)
    _serve_protocol(app, predictor, settings, pool)
    _serve_classify(app, predictor, settings, pool)
    unrouted = _Unrouted(app.router.routes[:])
    for path in ("/v2", "/v2/{rest:path}", "/classify", "/classify/{rest:path}"):
        app.router.routes.append(Route(path, unrouted, include_in_schema=False))
    if not settings.ui:
        app.add_route("/", lambda _: RedirectResponse("docs"), include_in_schema=False)
    return app


def _json(content: Any, status: int = 200, headers: Any = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def _serve_protocol(
    app: FastAPI, predictor: Predictor, settings: Settings, pool: ThreadPoolExecutor
) -> None:
    name = predictor.path.stem
    version = predictor.metadata.get("version", "1")
    metadata = model_metadata(name, version, predictor.inputs, predictor.outputs)

    def infer(body: bytes) -> bytes:
        request = parse_infer(body, predictor.output_names, settings.max_batch)
        results = predictor.run(request.images, request.outputs)
        return infer_answer(name, version, request, results)

    async def known_model(model: Annotated[str, Path(examples=[name])]) -> None:
        if model != name:
            raise HTTPException(404, f"no model {model[:80]!r} here: the model is {name!r}")

    async def known_version(number: Annotated[str, Path(alias="version", examples=[version])]):
        if number != version:
            raise HTTPException(404, f"no version {number[:80]!r} here: it is {version!r}")

    @app.get("/v2", response_model=schemas.Server, tags=["server"])
    async def server_metadata() -> Response:
        return _json({"name": schemas.NAME, "version": SERVER_VERSION, "extensions": []})

    @app.get("/v2/health/live", response_model=schemas.Live, tags=["server"])
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/v2/health/ready", response_model=schemas.Ready, tags=["server"])
    async def ready() -> Response:
        return _json({"ready": True})

    routes = APIRouter(tags=["model"])

    @routes.get("", response_model=schemas.Model)
    async def describe() -> Response:
        return _json(metadata)

    @routes.get("/ready", response_model=schemas.ModelReady)
    async def model_ready() -> Response:
        return _json({"name": name, "ready": True})

    @routes.post(
        "/infer",
        response_model=schemas.InferAnswer,
        openapi_extra=schemas.INFER_BODY,
    )
    async def infer_route(request: Request) -> Response:
        """Pixels in, every output of the network out, with no verdict on it.

        A network that was trained to tell digits from other drawings has an output `score`:
        how sure it is, 0..1, that this is no digit. `POST /classify` applies the thresholds.
        """
        body = await request.body()
        work = partial(infer, body)
        content = work() if len(body) <= INLINE_BYTES else await _in_thread(pool, work)
        return Response(content, media_type="application/json")

    prefix = "/v2/models/{model}"
    one, other = Depends(known_model), Depends(known_version)
    app.include_router(routes, prefix=prefix, dependencies=[one])
    app.include_router(routes, prefix=prefix + "/versions/{version}", dependencies=[one, other])


def _serve_classify(
    app: FastAPI, predictor: Predictor, settings: Settings, pool: ThreadPoolExecutor
) -> None:
    name = predictor.path.stem

    @app.post(
        "/classify",
        response_model=schemas.Classified,
        openapi_extra=schemas.CLASSIFY_BODY,
        responses=schemas.CLASSIFIED_EXAMPLES,
        tags=["pictures"],
    )
    async def classify_route(request: Request) -> Response:
        """Read image files: one as the body, or one and more as form data, any field name.

        An answer that is better not believed is `rejected`, with the `reason`:

        * `no ink`
        * `not a digit`: the network's `score` is above the `score` threshold of its card
        * `not sure: 4 or 9`: the best digit's probability is below the `confidence` threshold

        The best `digit` and all `probabilities` are there all the same (without ink they are
        null), so that a client can decide for itself. A network that has no `score`, or whose
        card has no such threshold, is spared that check.

        Among several files a bad one has an `error` in its place and spoils no other.
        """
        files = await image_files(request, settings.max_batch)
        work = partial(classify, files, predictor, settings.max_pixels)
        results = await _in_thread(pool, work)
        if len(results) == 1 and isinstance(results[0], PictureError):
            raise results[0]
        return _json(
            {
                "model": name,
                "results": [
                    {"file": file.name, "error": str(result)}
                    if isinstance(result, PictureError)
                    else result
                    for file, result in zip(files, results, strict=True)
                ],
            }
        )


def http_error(_: Request, error: StarletteHTTPException) -> Response:
    """An HTTP error as all errors here are."""
    return _json({"error": error.detail}, error.status_code, error.headers)


def _answer_errors(app: FastAPI) -> None:
    def answer(status: int) -> Callable[[Request, Exception], Response]:
        def handler(_: Request, error: Exception) -> Response:
            return _json({"error": str(error)}, status)

        return handler

    def form_error(_: Request, error: MultiPartException) -> Response:
        return _json({"error": f"the form cannot be read: {error.message}"}, 400)

    def gone(_: Request, __: ClientDisconnect) -> Response:
        return _json({"error": "the client left before its request was complete"}, 400)

    def unexpected(_: Request, __: Exception) -> Response:
        # Starlette raises the exception again after this, so the server logs the traceback.
        return _json({"error": "the server failed at this request; its log says more"}, 500)

    app.add_exception_handler(ProtocolError, answer(400))
    app.add_exception_handler(PictureError, answer(400))
    app.add_exception_handler(PictureTooLargeError, answer(413))
    app.add_exception_handler(UnknownFormatError, answer(415))
    app.add_exception_handler(StarletteHTTPException, http_error)
    app.add_exception_handler(MultiPartException, form_error)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unexpected)


class _Unrouted:
    """Answers 404 or 405 below the API's paths, where the page would answer else."""

    def __init__(self, routes: Sequence[BaseRoute]):
        self._routes = routes

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        allowed = [method for method in ("GET", "POST") if self._takes(scope, method)]
        if allowed:
            message = f"{scope['method']} is not offered here: use {' or '.join(allowed)}"
            raise HTTPException(405, message, {"Allow": ", ".join(allowed)})
        raise HTTPException(404, f"nothing at {scope['path'][:80]}: /docs lists the API")

    def _takes(self, scope: Scope, method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in self._routes)
