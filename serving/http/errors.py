"""Every error as ``{"error": "..."}`` with its code."""

import logging
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from model.images.files import PictureError, PictureTooLargeError, UnknownFormatError
from model.predictor import ModelError
from serving.http.logs import request_id
from serving.inference.endpoints import UnknownVersionError
from serving.inference.json_codec import ProtocolError
from serving.inference.models import UnknownModelError

FAILED = "the server failed at this request; its log says more"

_log = logging.getLogger("scanline")


def json_answer(content: Any, status: int = 200, headers: Any = None) -> Response:
    """JSON, by the fastest encoder."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def broken_model(error: ModelError) -> str:
    """What a client is told: the error itself names files, so it goes to the log."""
    _log.error("%s", error)
    return "this model cannot be used: the server's log says why"


def http_error(_: Request, error: StarletteHTTPException) -> Response:
    """An HTTP error as all errors here are."""
    return json_answer({"error": error.detail}, error.status_code, error.headers)


def answer_errors(app: FastAPI) -> None:
    """Give every error that a route may raise its code and its words."""

    def answer(status: int) -> Callable[[Request, Exception], Response]:
        def handler(_: Request, error: Exception) -> Response:
            return json_answer({"error": str(error)}, status)

        return handler

    def form_error(_: Request, error: MultiPartException) -> Response:
        return json_answer({"error": f"the form cannot be read: {error.message}"}, 400)

    def gone(_: Request, __: ClientDisconnect) -> Response:
        return json_answer({"error": "the client left before its request was complete"}, 400)

    def unusable(_: Request, error: ModelError) -> Response:
        return json_answer({"error": broken_model(error)}, 503)

    def unexpected(_: Request, __: Exception) -> Response:
        # Starlette raises the exception again after this, so the server logs the traceback.
        number = request_id.get()  # this answer is sent outside of `serving.http.request_log`
        return json_answer({"error": FAILED}, 500, {"X-Request-Id": number} if number else None)

    app.add_exception_handler(UnknownModelError, answer(404))
    app.add_exception_handler(UnknownVersionError, answer(404))
    app.add_exception_handler(ModelError, unusable)
    app.add_exception_handler(ProtocolError, answer(400))
    app.add_exception_handler(PictureError, answer(400))
    app.add_exception_handler(PictureTooLargeError, answer(413))
    app.add_exception_handler(UnknownFormatError, answer(415))
    app.add_exception_handler(StarletteHTTPException, http_error)
    app.add_exception_handler(MultiPartException, form_error)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unexpected)
