"""The outermost middleware: a request's id, its metrics, and its line in the log.

The id is the client's ``X-Request-Id`` if that is up to 128 visible ASCII characters, else a
new one; the answer carries it, and so does every line logged on the way. A finished request is
one line at the level info, with its client's address, and what it was told if it was refused;
health checks and scrapes, which come every few seconds, leave none.
"""

import logging
import os
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import orjson
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http import logs, metrics
from serving.http.limits import is_health

UNMATCHED = "unmatched"  # the route of what no route has taken
CLIENT_GONE = 499  # nginx's code for an answer that nobody waited for
SHEDDING = (429, 503)  # where they say when to come again
REFUSED_HANDSHAKE, ACCEPTED_HANDSHAKE = 403, 101
HEADER = b"x-request-id"
NETWORK = "scanline.model"  # in a request's scope, where its path does not name it

_LOG = logging.getLogger("scanline.access")
_SANE_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Access:
    """ASGI middleware for HTTP and WebSockets.

    Args:
        app: what it stands before.
        watch: gets the counts and times.
    """

    def __init__(self, app: ASGIApp, watch: metrics.Metrics):
        self._app = app
        self._watch = watch
        self._routes = _Routes()

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
        path, outer = scope["path"], scope["app"]
        is_quiet = path == metrics.PATH or is_health(path)
        status = size = 0
        error: dict[str, str] = {}

        async def watched(event: Message) -> None:
            nonlocal status, size
            if event["type"] == "http.response.start":
                status = event["status"]
                headers = event.get("headers", ())
                if status in SHEDDING and not is_quiet and _says_when(headers):
                    self._watch.shed(status)
                event = {**event, "headers": [*headers, header]}
            else:
                if status >= 400 and not size and writes_lines():
                    error.update(_error(event.get("body", b"")))
                size += len(event.get("body", b""))
            await send(event)

        if not is_quiet:
            self._watch.in_flight.inc()
        started = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = status or 500  # which is answered further out
            raise
        finally:
            seconds = time.perf_counter() - started
            if not is_quiet:
                self._watch.in_flight.dec()
            status = status or CLIENT_GONE
            route = self._routes.template(scope, outer)
            self._watch.answered(route, status, seconds)
            if not is_quiet and writes_lines():
                more = {"bytes": size, **_whom(scope), **error}
                write_line(scope["method"], path, route, status, seconds, more)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = HEADER, identity(scope["headers"])
        # Not reset: what is logged further out, after an exception, belongs to this request too.
        logs.request_id.set(header[1].decode())
        path, outer = scope["path"], scope["app"]
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
                    self._watch.drawn(time.perf_counter() - arrived)
            elif event["type"] == "websocket.accept":
                status = ACCEPTED_HANDSHAKE
                self._watch.live_connections.inc()
                event = {**event, "headers": [*event.get("headers", ()), header]}
            elif event["type"] == "websocket.http.response.start":
                status = event["status"]
                event = {**event, "headers": [*event.get("headers", ()), header]}
            await send(event)

        try:
            await self._app(scope, heard, watched)
        except Exception:
            status = status if status == ACCEPTED_HANDSHAKE else 500
            raise
        finally:
            if status == ACCEPTED_HANDSHAKE:
                self._watch.live_connections.dec()
            route = self._routes.template(scope, outer)
            self._watch.connected(route, status)
            if writes_lines():
                seconds = time.perf_counter() - started
                more = {"drawings": drawings, **_whom(scope)}
                write_line("WEBSOCKET", path, route, status, seconds, more)


def refused(watch: metrics.Metrics, status: int) -> None:
    """Count and log what was answered before it was a request: no HTTP, or a head without end."""
    logs.request_id.set(None)
    watch.answered(UNMATCHED, status, 0.0)
    if writes_lines():
        write_line("-", "-", UNMATCHED, status, 0.0, {})


def shed(watch: metrics.Metrics) -> None:
    """Count what `serving.turnstile` has refused; thousands of lines a second would help nobody."""
    watch.shed(503)
    watch.answered(UNMATCHED, 503, 0.0)


def identity(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The id of the request that has these `headers`."""
    chosen = None
    for name, value in headers:
        if name == HEADER and _SANE_ID.fullmatch(value):
            chosen = value
    return chosen or os.urandom(16).hex().encode()


def writes_lines() -> bool:
    """Whether each request gets its line in the log."""
    return _LOG.isEnabledFor(logging.INFO)


def _says_when(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"retry-after" for name, _ in headers)


def _whom(scope: Scope) -> dict[str, str]:
    """The client's address, and the network that the path names."""
    facts = {"client": scope["client"][0]} if scope.get("client") else {}
    model = scope.get(NETWORK) or scope.get("path_params", {}).get("model")
    return facts | ({"model": quote(model, errors="replace")[:200]} if model else {})


def _error(body: bytes) -> dict[str, str]:
    """What the client is told, if `body` is an error as all are here."""
    try:
        return {"error": str(orjson.loads(body)["error"])[:200]}
    except (ValueError, LookupError, TypeError):
        return {}


def write_line(
    method: str, path: str, route: str, status: int, seconds: float, more: dict[str, Any]
) -> None:
    """A finished request's line; `more` are further fields."""
    milliseconds = round(1000 * seconds, 1)
    # Quoted: a path may hold line breaks and what else disturbs a terminal.
    shown = quote(path, errors="replace")[:200]
    _LOG.info(
        "%s %s %d %.1f ms",
        method,
        shown,
        status,
        milliseconds,
        extra={
            "method": method,
            "route": route,
            "path": shown,
            "status": status,
            "milliseconds": milliseconds,
            **more,
        },
    )


class _Routes:
    """Finds the template of the route that has answered: never a path as a client wrote it."""

    def __init__(self) -> None:
        self._fixed: frozenset[str] | None = None
        self._mounts: frozenset[str] = frozenset()

    def template(self, scope: Scope, app: Any) -> str:
        """Such as ``/v2/models/{model}/infer``.

        Args:
            scope: of a request that has been answered.
            app: the outermost application, which knows its routes.
        """
        if self._fixed is None:
            paths = {getattr(route, "path", "") for route in app.routes}
            self._fixed = frozenset(path for path in paths if path and "{" not in path)
            self._mounts = frozenset(r.path for r in app.routes if isinstance(r, Mount))
        root = scope.get("root_path", "")
        mount = root if root in self._mounts else ""
        if (route := scope.get("route")) is not None:
            # FastAPI keeps the whole path of an included router's route beside the route.
            included = scope.get("fastapi", {}).get("effective_route_context")
            if included is not None and included.original_route is route:
                return mount + included.path
            return mount + route.path
        if mount:
            return f"{mount}/{{path}}"
        return scope["path"] if scope["path"] in self._fixed else UNMATCHED
