"""The whole application: Open Inference Protocol v2, POST /classify, metrics, and the page.

Every error is ``{"error": "..."}`` with its 4xx code, on unknown routes and wrong methods too.
"""

import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from granian.utils.proxies import wrap_asgi_with_proxy_headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from model import __version__
from serving import openapi
from serving.classify_route import add_classify
from serving.http import metrics
from serving.http.auth import KeyGuard, Keys, OriginGuard
from serving.http.errors import answer_errors
from serving.http.limits import ConcurrencyLimit, Limits, finish_reading
from serving.http.request_log import RequestLog
from serving.inference import schemas
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.endpoints import Endpoints
from serving.inference.models import Models
from serving.inference.rest import InferApp, add_protocol
from serving.inference.triton_extensions import add_triton_extensions
from serving.settings import Settings

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": schemas.Error, "description": "What is wrong, and what to do"},
    503: {
        "model": schemas.Error,
        "description": "The concurrency limit is reached: see Retry-After",
        "content": {
            "application/json": {"example": {"error": "the server is full: try again in a second"}}
        },
    },
}
# So many pictures are decoded at a time; one of 25 million pixels takes up to 550 MB (measured).
MOST_THREADS = 4


class Application:
    """The ASGI application of one process.

    Args:
        models: the networks, by their names in paths.
        settings: limits, keys, whether there is a page.

    Attributes:
        api: the routes, as FastAPI has them; `limit`, `metrics` and `endpoints` are what they
            share with gRPC.
    """

    def __init__(self, models: Models, settings: Settings):
        self.settings = settings
        self.metrics = metrics.Metrics(lambda: models.loaded)
        heavy_bytes = settings.max_heavy * settings.max_body_bytes
        self.limit = ConcurrencyLimit(settings.max_concurrency, settings.max_heavy, heavy_bytes)
        self.endpoints = Endpoints(models, settings.max_batch, self.limit, self.metrics)
        self.api = self._api(models)
        self._app = self._layers(models)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _api(self, models: Models) -> FastAPI:
        settings = self.settings
        api = FastAPIOffline(  # with the files of /docs, which FastAPI alone loads from elsewhere
            title="Scanline",
            version=__version__,
            description="A recurrent network reads handwritten digits, row by row.",
            redoc_url=None,
            openapi_tags=schemas.TAGS,
            generate_unique_id_function=_operation_id,
            responses=_ERRORS,
            lifespan=self._lifespan,
            # Looking for OpenTelemetry costs each request 6 µs, also where it is not set up.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        answer_errors(api)
        add_triton_extensions(api, self.endpoints)
        add_protocol(api, self.endpoints)
        threads = min(os.cpu_count() or 1, MOST_THREADS)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="scanline")
        add_classify(api, models, settings, pool, self.metrics)
        metrics.add_route(api, self.metrics)
        openapi.complete(api, bool(settings.api_key))
        unrouted = _Unrouted(api.router.routes[:])
        for path in ("/v2", "/v2/{rest:path}", "/classify", "/classify/{rest:path}"):
            api.router.routes.append(Route(path, unrouted, include_in_schema=False))
        if settings.ui:
            from serving.page.app import mount  # seconds of import that --no-ui need not pay

            mount(api, models, settings, pool)
        else:
            api.add_route("/", lambda _: RedirectResponse("docs"), include_in_schema=False)
        return api

    def _layers(self, models: Models) -> ASGIApp:
        """What every request meets, from within outwards."""
        settings = self.settings
        app: ASGIApp = InferApp(_for_routes(self.api), self.endpoints, settings.max_body_bytes)
        app = Limits(app, self.limit, settings.max_body_bytes, settings.body_seconds)
        app = OriginGuard(app, settings.cors_origins)
        if settings.api_key:
            app = KeyGuard(app, Keys(settings.key_names), models.is_waiting)
        if settings.cors_origins:
            # No credentials: another site's page must bring the key itself, not use a visitor's.
            app = CORSMiddleware(
                app,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("Authorization", "X-API-Key", "X-Request-Id", LENGTH_HEADER),
                expose_headers=("Retry-After", "WWW-Authenticate", "X-Request-Id", LENGTH_HEADER),
            )
        app = finish_reading(RequestLog(app, self.metrics, self.api.routes))
        if settings.root_path:
            app = _below(settings.root_path, app)
        return wrap_asgi_with_proxy_headers(app, settings.forwarded_allow_ips)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        if not self.settings.grpc_port:
            yield
            return
        from serving.inference.grpc_server import serve_grpc  # 50 ms and 14 MB (measured)

        async with serve_grpc(self.endpoints, self.limit, self.metrics, self.settings):
            yield


def create_app(models: Models, settings: Settings) -> Application:
    """The application; with `Settings.ui` it has the page too."""
    return Application(models, settings)


def _operation_id(route: APIRoute) -> str:
    """What clients that are generated from the OpenAPI document call the operation of `route`."""
    return route.operation_id or route.name


def _for_routes(app: ASGIApp) -> ASGIApp:
    """What FastAPI's and Gradio's routes expect: a path with the root path before it, as ASGI has
    it; and no files sent by their path, to which Gradio's Brotli middleware answers 500."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        scope.get("extensions", {}).pop("http.response.pathsend", None)
        path = scope.get("path")
        if path is not None:
            scope["path"] = scope.get("root_path", "") + path
        try:
            await app(scope, receive, send)
        finally:
            scope["path"] = path

    return asked


def _below(root: str, app: ASGIApp) -> ASGIApp:
    """`app` under the path `root`, whether or not the proxy has taken that off."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["root_path"] = root
            if scope["type"] == "http" and scope["path"] == root:
                await RedirectResponse(f"{root}/")(scope, receive, send)
                return
            if scope["path"].startswith(f"{root}/"):
                scope["path"] = scope["path"].removeprefix(root)
        await app(scope, receive, send)

    return asked


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
