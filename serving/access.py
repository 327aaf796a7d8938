"""One line in the log for each request, at the level info: method, path, status and time."""

import logging
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger("uvicorn.error.access")  # has the handler and the level of uvicorn's


class AccessLog:
    """ASGI middleware; health checks, which come every few seconds, are left out."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_health = path.startswith("/v2/health/") or path.endswith("/ready")
        if scope["type"] != "http" or is_health or not _LOG.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # an exception becomes an answer further out

        async def watched(event: Message) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        try:
            await self._app(scope, receive, watched)
        finally:
            took = 1000 * (time.perf_counter() - started)
            # Quoted: a path may hold line breaks.
            _LOG.info("%s %s %d %.1f ms", scope["method"], quote(path)[:200], status, took)
