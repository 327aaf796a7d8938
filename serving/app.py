"""The HTTP API: Open Inference Protocol v2 under /v2, and POST /classify for image files.

Every error is ``{"error": "..."}`` with its 4xx code, on unknown routes and wrong methods too.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi_offline import FastAPIOffline
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from serving.classify_route import add_classify
from serving.ending import Ending
from serving.http import metrics
from serving.http.auth import guard
from serving.http.bodies import BodyLimit
from serving.http.errors import answer_errors
from serving.http.limits import Gate, GateKeeper
from serving.http.request_log import Access
from serving.inference import schemas
from serving.inference.endpoints import Endpoints
from serving.inference.infer import InferRoute
from serving.inference.model_paths import operation_id
from serving.inference.models import Models
from serving.inference.repository_routes import add_repository
from serving.inference.v2 import INFER, SERVER_VERSION, add_protocol
from serving.openapi import add_examples
from serving.settings import Settings

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": schemas.Error, "description": "What is wrong, and what to do"},
    503: {
        "model": schemas.Error,
        "description": "Full, or about to stop: see Retry-After",
        "content": {
            "application/json": {"example": {"error": "the server is full: try again in a second"}}
        },
    },
}
# So many pictures are decoded at a time; one of 25 million pixels takes up to 550 MB (measured).
MOST_THREADS = 4
# For large inference requests, which must not wait behind pictures. A second one, since Python
# lets go of its lock while a network computes or an answer is compressed.
INFER_THREADS = 2


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
        openapi_tags=schemas.TAGS,
        generate_unique_id_function=operation_id,
        responses=_ERRORS,
        # Looking for OpenTelemetry costs each request 6 µs, also where nobody has set it up.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), thread_name_prefix="scanline")
    app.state.metrics = watch = metrics.Metrics(models)
    app.add_middleware(BodyLimit, most=settings.max_body_bytes, seconds=settings.body_seconds)
    app.state.gate = gate = Gate(
        settings.max_concurrency, settings.max_heavy, settings.max_heavy * settings.max_body_bytes
    )
    app.add_middleware(GateKeeper, gate=gate)
    app.add_middleware(Ending, gate=gate)
    guard(app, settings, models)
    app.add_middleware(Access, watch=watch)
    answer_errors(app)
    app.state.models = models
    app.state.endpoints = endpoints = Endpoints(
        models,
        settings.max_batch,
        ThreadPoolExecutor(INFER_THREADS, thread_name_prefix="scanline-infer"),
        watch.inferred,
    )
    infer = InferRoute(endpoints, settings.max_body_bytes, partial(watch.decoded, INFER))
    add_repository(app, models, endpoints, endpoints(models.default.name))
    add_protocol(app, endpoints, endpoints(models.default.name), infer)
    add_classify(app, models, settings, pool, watch)
    metrics.add_route(app, watch)
    add_examples(app)
    unrouted = _Unrouted(app.router.routes[:])
    for path in ("/v2", "/v2/{rest:path}", "/classify", "/classify/{rest:path}"):
        app.router.routes.append(Route(path, unrouted, include_in_schema=False))
    if not settings.ui:
        app.add_route("/", lambda _: RedirectResponse("docs"), include_in_schema=False)
    return app


class _Unrouted:
    """Answers 404 or 405 below the API's paths, where the page would answer else."""

    def __init__(self, routes: Sequence[BaseRoute]):
        self._routes = routes

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        allowed = [method for method in ("GET", "HEAD", "POST") if self._takes(scope, method)]
        if allowed:
            message = f"{scope['method']} is not offered here: use {' or '.join(allowed)}"
            raise HTTPException(405, message, {"Allow": ", ".join(allowed)})
        raise HTTPException(
            404,
            f"nothing at {scope['path'][:80]}: /docs lists the API, POST /v2/repository/index the "
            "networks",
        )

    def _takes(self, scope: Scope, method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in self._routes)
