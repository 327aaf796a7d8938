"""The outermost middleware: a request's id, its metrics, and its line in the log.

The id is the client's ``X-Request-Id`` if that is up to 128 visible ASCII characters, else a
new one; the answer carries it, and so does every line logged on the way. A finished request is
one line at the level info, with its client's address, the name of its API key, its
``traceparent`` (W3C Trace Context), and what it was told if it was refused; health checks and
scrapes, which come every few seconds, leave none.
"""

import logging
import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http import logs
from serving.http.auth import KEY_NAME
from serving.http.health import is_health
from serving.http.metrics import PATH as METRICS_PATH
from serving.http.metrics import Metrics

UNMATCHED = "unmatched"  # the route of what no route has taken
CLIENT_GONE = 499  # nginx's code for an answer that nobody waited for
OVERLOAD = 503
REFUSED_HANDSHAKE, ACCEPTED_HANDSHAKE = 403, 101
HEADER = b"x-request-id"
# In a request's scope: the network, where its path does not name it; the route's template,
# where FastAPI does not say it.
MODEL, ROUTE = "scanline.model", "scanline.route"

_KEPT = 1000  # paths whose route is remembered
_LOG = logging.getLogger("scanline.access")
_SANE_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class RequestLog:
    """ASGI middleware for HTTP and WebSockets.

    Args:
        app: the application.
        metrics: gets the counts and times.
        routes: of the application; their paths stand in metrics.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute]):
        self._app = app
        self._metrics = metrics
        self._routes = [
            route for route in routes if isinstance(route, Route) and ":path}" not in route.path
        ]
        self._match = lru_cache(_KEPT)(self._match)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = HEADER, identity(scope["headers"])
        # Not reset: what is logged further out, after an exception, belongs to this request too.
        logs.request_id.set(header[1].decode())
        path = scope["path"]
        is_quiet = path == METRICS_PATH or is_health(path)
        status = size = 0
        error: dict[str, str] = {}

        async def watched(event: Message) -> None:
            nonlocal status, size
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = [*event.get("headers", ()), header]
            else:
                body = event.get("body", b"")
                if status >= 400 and not size and writes_lines():
                    error.update(_error(body))
                size += len(body)
            await send(event)

        if not is_quiet:
            self._metrics.in_flight.inc()
        started = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = status or 500  # which is answered further out
            raise
        finally:
            seconds = time.perf_counter() - started
            status = status or CLIENT_GONE
            route = self._route(scope)
            self._metrics.answered(route, status, seconds)
            if not is_quiet:
                self._metrics.in_flight.dec()
                if status == OVERLOAD:
                    self._metrics.shed(status)
                if writes_lines():
                    more = {"bytes": size, **facts(scope), **error}
                    _write_line(scope["method"], path, route, status, seconds, more)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = HEADER, identity(scope["headers"])
        logs.request_id.set(header[1].decode())
        status = REFUSED_HANDSHAKE
        drawings = 0
        started = arrived = time.perf_counter()

        async def heard() -> Message:
            nonlocal arrived
            event = await receive()
            arrived = time.perf_counter()
            return event

        async def watched(event: Message) -> None:
            nonlocal status, drawings
            if event["type"] == "websocket.send":
                if event.get("bytes") is not None:
                    drawings += 1
                    self._metrics.drawn(time.perf_counter() - arrived)
            elif event["type"] == "websocket.accept":
                status = ACCEPTED_HANDSHAKE
                self._metrics.live_connections.inc()
                event["headers"] = [*event.get("headers", ()), header]
            await send(event)

        try:
            await self._app(scope, heard, watched)
        except Exception:
            status = status if status == ACCEPTED_HANDSHAKE else 500
            raise
        finally:
            if status == ACCEPTED_HANDSHAKE:
                self._metrics.live_connections.dec()
            route = self._route(scope)
            self._metrics.connected(route, status)
            if writes_lines():
                seconds = time.perf_counter() - started
                more = {"drawings": drawings, **facts(scope)}
                _write_line("WEBSOCKET", scope["path"], route, status, seconds, more)

    def _route(self, scope: Scope) -> str:
        """The template of the route that has answered, such as ``/v2/models/{model}/infer``:
        never a path as a client wrote it, or series would grow without end."""
        if (known := scope.get(ROUTE)) is not None:
            return known
        if (route := scope.get("route")) is not None:
            return route.path
        return self._match(scope["path"])

    def _match(self, path: str) -> str:
        """The same of a request that was refused before a route had it."""
        if path.startswith("/live/"):
            return "/live/{path}"
        scope = {"type": "http", "method": "", "path": path}
        found = (route.path for route in self._routes if route.matches(scope)[0] is not Match.NONE)
        return next(found, UNMATCHED)


def identity(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The id of the request that has these `headers`."""
    for name, value in headers:
        if name == HEADER and _SANE_ID.fullmatch(value):
            return value
    return os.urandom(16).hex().encode()


def writes_lines() -> bool:
    """Whether each request gets its line in the log."""
    return _LOG.isEnabledFor(logging.INFO)


def facts(scope: Scope) -> dict[str, str]:
    """Who asked, and for which network."""
    facts = {"client": scope["client"][0]} if scope.get("client") else {}
    model = scope.get(MODEL) or scope.get("path_params", {}).get("model")
    if model:
        facts["model"] = quote(model, errors="replace")[:200]
    if key := scope.get(KEY_NAME):
        facts["key"] = key
    for name, value in scope["headers"]:
        if name == b"traceparent" and _TRACEPARENT.fullmatch(value):
            facts["traceparent"] = value.decode()
    return facts


def _error(body: bytes) -> dict[str, str]:
    """What the client is told, if `body` is an error as all are here."""
    try:
        return {"error": str(orjson.loads(body)["error"])[:200]}
    except (ValueError, LookupError, TypeError):
        return {}


def _write_line(
    method: str, path: str, route: str, status: int, seconds: float, more: dict[str, Any]
) -> None:
    """A finished request's line; `more` are further fields."""
    milliseconds = round(1000 * seconds, 1)
    # Quoted: a path may hold line breaks and what else disturbs a terminal.
    shown = quote(path, errors="replace")[:200]
    fields = {"method": method, "route": route, "path": shown, "status": status}
    _LOG.info(
        *("%s %s %d %.1f ms", method, shown, status, milliseconds),
        extra={**fields, "milliseconds": milliseconds, **more},
    )
