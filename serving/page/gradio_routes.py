"""The Gradio app: our page at ``/``, and `/classify` in Gradio's API for `gradio_client`.

Gradio has many routes more: files of the server and of other sites by `file=` and `proxy=`,
recordings that are written to disk, an editor, a log-in. `OpenRoutes` lets through what its
clients need. Nothing that they send is kept: see `_upload`.
"""

import base64
import os
import re
from collections.abc import Callable

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

# Gradio reads both while it is imported: without them it calls home.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr

from model.images.files import PictureError
from model.predictor import Predictor
from serving.classify import classify
from serving.http.errors import RequestError, error_answer, json_answer
from serving.http.forms import File, image_files
from serving.http.limits import replay
from serving.settings import Settings

API = "classify"  # the only function that Gradio's API offers
QUEUE = 16  # calls that wait, each with its picture; others are told 503
_NAME = r"[\w-]+"
_CALLS = re.compile(rf"/gradio_api/(queue/join|call/(v2/)?{API})/?")
OPEN = {
    "GET": re.compile(
        r"/|/config/?"
        r"|/gradio_api/(info|openapi\.json|app_id|startup-events|queue/data|queue/status)/?"
        rf"|/gradio_api/call/(v2/)?{API}/{_NAME}"
    ),
    # Not run/ and api/: they compute beside the queue, as many pictures at a time as are sent.
    "POST": re.compile(rf"/gradio_api/(upload|cancel|reset)/?|{_CALLS.pattern}"),
}
OPEN["HEAD"] = OPEN["GET"]
_FILE = "data:application/octet-stream;base64,"


class OpenRoutes:
    """ASGI middleware: answers by 404 what is not `OPEN`, and by 400 calls that cannot be run,
    which Gradio would notice only while it runs them, with a traceback."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            allowed = OPEN.get(scope["method"])
            if allowed is None or not allowed.fullmatch(path):
                error = f"nothing at {path[:80]}: /docs lists the API"
                await json_answer({"error": error}, 404)(scope, receive, send)
                return
            if scope["method"] == "POST" and _CALLS.fullmatch(path):
                try:
                    call = _checked(path, await Request(scope, receive).body())
                except RequestError as error:
                    await error_answer(error)(scope, receive, send)
                    return
                receive = replay(call, receive)
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:  # of Starlette: an error after the answer has begun
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})


def _checked(path: str, body: bytes) -> bytes:
    """A call as Gradio gets it: its image is a string, never a file or an address to look up.

    Raises:
        RequestError: it cannot be run.
    """
    try:
        call = orjson.loads(body)
    except ValueError:
        call = None
    if not isinstance(call, dict):
        raise RequestError("the body must be a JSON object")
    by_name = "/v2/" in path
    values, place = (call, "image") if by_name else (call.get("data"), 0)
    if by_name and call.keys() != {"image"}:
        raise RequestError('the body must be {"image": ...}')
    if not by_name and not (isinstance(values, list) and len(values) == 1):
        raise RequestError("data must be a list of one value, the image")
    if "queue" in path and call.get("fn_index") != 0:
        raise RequestError(f"fn_index must be 0: {API} is the only function")
    if call.get("session_hash") == "":  # which Gradio takes for none here and for one there
        raise RequestError("session_hash must not be empty")
    image = values[place]
    if isinstance(image, dict) and str(image.get("path", "")).startswith(_FILE):
        image = values[place] = image["path"]
    if not isinstance(image, str):
        raise RequestError("image must be a file in base64, or what gradio_api/upload gives for it")
    return orjson.dumps(call)


def mount_gradio(
    app: FastAPI,
    page: Callable[[Request], Response],
    predictor: Predictor,
    settings: Settings,
) -> None:
    """Mount the Gradio app at ``/`` of `app`, with `page` answering there.

    Call it last: Gradio then answers every path that no route of `app` has taken.
    """

    # A file goes in base64 with the call, as a string of JSON.
    largest = (settings.max_body_bytes - 2048) // 4 * 3

    async def upload(request: Request) -> Response:
        return json_answer([await _upload(request, largest)])

    app.add_middleware(CORSMiddleware)  # allows nobody; Gradio then does not allow everybody
    gr.mount_gradio_app(
        app,
        _blocks(predictor, settings.max_pixels),
        path="/",
        app_kwargs={
            "routes": [Route("/", page), Route("/gradio_api/upload", upload, methods=["POST"])],
            "middleware": [Middleware(OpenRoutes)],
            "exception_handlers": {
                HTTPException: lambda _, error: error_answer(error),
                RequestValidationError: _unreadable,
            },
        },
        run_history=False,
        ssr_mode=False,
        allowed_paths=[],
        max_file_size=largest,
    )


def _blocks(predictor: Predictor, max_pixels: int) -> gr.Blocks:
    with gr.Blocks(title="Scanline", analytics_enabled=False) as blocks:
        gr.api(classifier(predictor, max_pixels), api_name=API)
    # One picture in memory at a time.
    return blocks.queue(max_size=QUEUE, default_concurrency_limit=1)


def classifier(predictor: Predictor, max_pixels: int) -> Callable[[str], dict]:
    """The function behind Gradio's API; its signature and docstring are what users see."""

    def read_image(image: str) -> dict:
        """Read one digit.

        Takes an image file (PNG, JPEG, ...): `handle_file("seven.png")`, or the file in base64,
        with or without "data:...;base64," before it. Gives what POST /classify gives: digit,
        confidence, probabilities, score (how sure the network is that this is no digit), and
        whether the image is rejected, with the reason: "no ink", "more than one digit", "not a
        digit", or "not sure: 4 or 9". A rejected image has its best digit all the same.
        """
        try:
            data = base64.b64decode(image.rpartition(",")[2], validate=True)
        except ValueError as error:
            raise _refusal(f"image must be a file in base64: {error}") from error
        [result] = classify([File(None, data)], predictor, max_pixels)
        if isinstance(result, PictureError):
            raise _refusal(str(result)) from result
        return result

    return read_image


async def _upload(request: Request, largest: int) -> str:
    """In place of Gradio's route, which writes files to disk: what its clients take for the
    file's path there, and send in their calls, is the file itself.

    Raises:
        HTTPException: 400, no file or several; 413, more than `largest` bytes.
    """
    [file] = await image_files(request, 1)
    if len(file.data) > largest:
        raise HTTPException(413, f"the file has more than {largest} bytes, which is the limit")
    return _FILE + base64.b64encode(file.data).decode()


def _refusal(message: str) -> gr.Error:
    return gr.Error(message, print_exception=False)  # the caller's mistake, not the server's


def _unreadable(_: Request, error: RequestValidationError) -> Response:
    [first, *_] = error.errors()
    where = ".".join(map(str, first["loc"]))
    return json_answer({"error": f"the request cannot be read: {where}: {first['msg']}"}, 422)
