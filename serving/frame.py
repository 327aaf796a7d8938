"""Which of Gradio's routes are open: those that the page and its API use.

Gradio has many more: files of the server and of other sites by `file=` and `proxy=`, uploads and
recordings that are written to disk, an editor, a log-in. Its own checks stand before most of
them, but what is not needed is better not there.
"""

import re

from gradio.routes import App
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import json_answer

_NAME = r"[\w-]+"
OPEN = {
    "GET": re.compile(
        r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?"
        r"|/(assets|static|svelte)/.+"
        r"|/gradio_api/(info|openapi\.json|theme\.css|app_id|startup-events"
        r"|user|token|login_check|queue/data|queue/status)/?"
        rf"|/gradio_api/heartbeat/{_NAME}"
        rf"|/gradio_api/call/(v2/)?{_NAME}/{_NAME}"
    ),
    "POST": re.compile(
        r"/gradio_api/(queue/join|cancel|reset)/?"
        rf"|/gradio_api/(call|call/v2|run|api)/{_NAME}/?"
    ),
}
OPEN["HEAD"] = OPEN["GET"]


class OpenRoutes:
    """ASGI middleware: answers everything by 404 that is not `OPEN`."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            allowed = OPEN.get(scope["method"])
            if allowed is None or not allowed.fullmatch(path) or ".." in path:
                message = (
                    f"nothing at {path[:80]}: POST /classify reads pictures, /docs lists the API"
                )
                await json_answer({"error": message}, 404)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def close_unused(gradio: App) -> None:
    """Put `OpenRoutes` before `gradio`; call it before its first request."""
    gradio.add_middleware(OpenRoutes)
