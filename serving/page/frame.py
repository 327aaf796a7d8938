"""Which of Gradio's routes are open, those that the page and its API use, and what they refuse.

Gradio has many more: files of the server and of other sites by `file=` and `proxy=`, uploads and
recordings that are written to disk, an editor, a log-in. Its own checks stand before most of
them, but what is not needed is better not there.
"""

import re
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from gradio.blocks import Blocks
from gradio.routes import App
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.errors import http_error, json_answer

API = "classify"  # the only function that Gradio's own API offers
_NAME = r"[\w-]+"
OPEN = {
    "GET": re.compile(
        r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?"
        r"|/(assets|static|svelte)/.+"
        r"|/gradio_api/(info|openapi\.json|theme\.css|app_id|startup-events"
        r"|user|token|login_check|queue/data|queue/status)/?"
        rf"|/gradio_api/heartbeat/{_NAME}"
        rf"|/gradio_api/call/(v2/)?{API}/{_NAME}"
    ),
    # Not run/ and api/: they compute beside the queue, as many pictures at a time as are sent.
    "POST": re.compile(rf"/gradio_api/(queue/join|cancel|reset)/?|/gradio_api/call/(v2/)?{API}/?"),
}
OPEN["HEAD"] = OPEN["GET"]


class OpenRoutes:
    """ASGI middleware: answers everything by 404 that is not `OPEN`, and ends what Gradio leaves
    open: it tells the listener to an unknown event so, and raises what nobody can catch."""

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
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:  # of starlette, as the stream had begun
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})


def _unreadable(_: Request, error: RequestValidationError) -> Response:
    [first, *_] = error.errors()
    where = ".".join(map(str, first["loc"]))
    return json_answer({"error": f"the request cannot be read: {where}: {first['msg']}"}, 422)


def _bad_arguments(request: Request, error: TypeError) -> Response:
    """Arguments by name that do not fit: Gradio only checks them while it sorts them."""
    if "/call/v2/" not in request.url.path:
        raise error
    return json_answer({"error": str(error)}, 400)


def close_unused(gradio: App) -> None:
    """Put `OpenRoutes` before `gradio`, and have it tell errors as all are told here.

    Call it before its first request.
    """
    gradio.add_middleware(OpenRoutes)
    for status in (404, 405):
        gradio.add_exception_handler(status, http_error)
    gradio.add_exception_handler(HTTPException, http_error)
    gradio.add_exception_handler(RequestValidationError, _unreadable)
    gradio.add_exception_handler(TypeError, _bad_arguments)


def check_calls(page: Blocks) -> None:
    """Have the queue of `page` refuse calls that cannot be run, which Gradio would only notice,
    with a traceback, while it runs them. Call it after `page.queue`."""
    push = page._queue.push

    async def checked(body: Any, **rest: Any) -> tuple[bool, Any, str]:
        function = page.fns.get(body.fn_index)
        if function is None:
            return False, f"no function {body.fn_index}: POST to call/{API}", "error"
        if body.session_hash == "":  # which Gradio takes for none here and for one there
            return False, "session_hash must not be empty: leave it out", "error"
        if len(body.data) != len(function.inputs):
            needed = len(function.inputs)
            return False, f"data must hold {needed} value(s), not {len(body.data)}", "error"
        return await push(body, **rest)

    page._queue.push = checked
