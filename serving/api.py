"""The HTTP API: Open Inference Protocol v2 under /v2, and POST /classify for image files.

Every error is ``{"error": "..."}`` with its 4xx code, on unknown routes and wrong methods too.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from serving import schemas
from serving.access import AccessLog
from serving.bodies import BodyLimit, image_files
from serving.classify import classify
from serving.errors import answer_errors, json_answer
from serving.models import Models
from serving.pictures import PictureError
from serving.predictor import Predictor
from serving.protocol import infer_answer, model_metadata, parse_infer
from serving.settings import Settings

SERVER_VERSION = "0.1.0"  # as in pyproject.toml
# A body this small is read, inferred and answered in a millisecond or two: sooner done than
# handed to a thread. Larger ones would hold up everybody else.
INLINE_BYTES = 16 * 1024

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": schemas.Error, "description": "What is wrong, and what to do"}
}


def create_app(models: Models, settings: Settings) -> FastAPI:
    """The API without the page.

    Args:
        models: the networks, by their names in paths.
        settings: limits; host, port and model are not looked at.
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
    answer_errors(app)
    _serve_protocol(app, models, settings, pool)
    _serve_classify(app, models, settings, pool)
    unrouted = _Unrouted(app.router.routes[:])
    for path in ("/v2", "/v2/{rest:path}", "/classify", "/classify/{rest:path}"):
        app.router.routes.append(Route(path, unrouted, include_in_schema=False))
    if not settings.ui:
        app.add_route("/", lambda _: RedirectResponse("docs"), include_in_schema=False)
    return app


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


class _Endpoint:
    """One network as the protocol shows it."""

    def __init__(self, predictor: Predictor, max_batch: int):
        self._predictor = predictor
        self._max_batch = max_batch
        self.name = predictor.name
        self.version = predictor.metadata.get("version", schemas.VERSION)
        nodes = predictor.inputs, predictor.outputs
        self.metadata = model_metadata(self.name, self.version, *nodes)

    def infer(self, body: bytes) -> bytes:
        request = parse_infer(body, self._predictor.output_names, self._max_batch)
        results = self._predictor.run(request.images, request.outputs)
        return infer_answer(self.name, self.version, request, results)


def _serve_protocol(
    app: FastAPI, models: Models, settings: Settings, pool: ThreadPoolExecutor
) -> None:
    endpoint = cache(lambda name: _Endpoint(models.choose(name), settings.max_batch))
    example = endpoint(models.default.name)

    async def chosen(model: Annotated[str, Path(examples=[example.name])]) -> _Endpoint:
        return endpoint(model)

    Chosen = Annotated[_Endpoint, Depends(chosen)]

    async def known_version(
        model: Chosen, number: Annotated[str, Path(alias="version", examples=[example.version])]
    ) -> None:
        if number != model.version:
            raise HTTPException(404, f"no version {number[:80]!r} here: it is {model.version!r}")

    @app.get("/v2", response_model=schemas.Server, tags=["server"])
    async def server_metadata() -> Response:
        return json_answer({"name": schemas.NAME, "version": SERVER_VERSION, "extensions": []})

    @app.get("/v2/health/live", response_model=schemas.Live, tags=["server"])
    async def live() -> Response:
        return json_answer({"live": True})

    @app.get("/v2/health/ready", response_model=schemas.Ready, tags=["server"])
    async def ready() -> Response:
        return json_answer({"ready": True})

    routes = APIRouter(tags=["model"])

    @routes.get("", response_model=schemas.Model)
    async def describe(model: Chosen) -> Response:
        return json_answer(model.metadata)

    @routes.get("/ready", response_model=schemas.ModelReady)
    async def model_ready(model: Chosen) -> Response:
        return json_answer({"name": model.name, "ready": True})

    @routes.post(
        "/infer",
        response_model=schemas.InferAnswer,
        openapi_extra=schemas.INFER_BODY,
    )
    async def infer_route(model: Chosen, request: Request) -> Response:
        """Pixels in, every output of the network out, with no verdict on it.

        A network that was trained to tell digits from other drawings has an output `score`:
        how sure it is, 0..1, that this is no digit. `POST /classify` applies the thresholds.
        """
        body = await request.body()
        work = partial(model.infer, body)
        content = work() if len(body) <= INLINE_BYTES else await _in_thread(pool, work)
        return Response(content, media_type="application/json")

    prefix = "/v2/models/{model}"
    version = Depends(known_version)
    app.include_router(routes, prefix=prefix)
    app.include_router(routes, prefix=prefix + "/versions/{version}", dependencies=[version])


def _serve_classify(
    app: FastAPI, models: Models, settings: Settings, pool: ThreadPoolExecutor
) -> None:
    name = models.default.name

    @app.post(
        "/classify",
        response_model=schemas.Classified,
        openapi_extra=schemas.CLASSIFY_BODY,
        responses=schemas.CLASSIFIED_EXAMPLES,
        tags=["pictures"],
    )
    async def classify_route(
        request: Request,
        model: Annotated[
            str, Query(description="the network that reads them", examples=[*models])
        ] = name,
    ) -> Response:
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
        predictor = models.choose(model)
        files = await image_files(request, settings.max_batch)
        work = partial(classify, files, predictor, settings.max_pixels)
        results = await _in_thread(pool, work)
        if len(results) == 1 and isinstance(results[0], PictureError):
            raise results[0]
        return json_answer(
            {
                "model": predictor.name,
                "results": [
                    {"file": file.name, "error": str(result)}
                    if isinstance(result, PictureError)
                    else result
                    for file, result in zip(files, results, strict=True)
                ],
            }
        )


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
