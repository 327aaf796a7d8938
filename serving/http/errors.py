"""Every error as ``{"error": "..."}`` with its code."""

import logging
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from model.images.files import PictureError, PictureTooLargeError, UnknownFormatError
from model.predictor import ModelError

FAILED = "the server failed at this request; its log says more"


class RequestError(Exception):
    """The request is wrong; the message says what to do. Each kind has its HTTP status."""

    status = 400


# Of what `model` raises; the first that fits counts.
_STATUS: dict[type[Exception], int] = {
    PictureTooLargeError: 413,
    UnknownFormatError: 415,
    PictureError: 400,
}

_log = logging.getLogger("scanline")


def json_answer(content: Any, status: int = 200, headers: Any = None) -> Response:
    """JSON, by the fastest encoder."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def broken_model(error: ModelError) -> str:
    """What a client is told: the error itself names files, so it goes to the log."""
    _log.error("%s", error)
    return "this model cannot be used: the server's log says why"


def error_answer(error: Exception) -> Response | None:
    """What a client is told of `error`; None for one that nobody expected."""
    if isinstance(error, HTTPException):
        return json_answer({"error": error.detail}, error.status_code, error.headers)
    if isinstance(error, ModelError):
        return json_answer({"error": broken_model(error)}, 503)
    if isinstance(error, MultiPartException):
        return json_answer({"error": f"the form cannot be read: {error.message}"}, 400)
    if isinstance(error, ClientDisconnect):
        return json_answer({"error": "the client left before its request was complete"}, 400)
    if isinstance(error, RequestError):
        return json_answer({"error": str(error)}, error.status)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return json_answer({"error": str(error)}, status)
    return None


def answer_errors(app: FastAPI) -> None:
    """Give every error that a route of `app` may raise its code and its words."""

    def known(_: Request, error: Exception) -> Response:
        return error_answer(error)

    def unexpected(_: Request, __: Exception) -> Response:
        # Starlette raises the exception again after this, so the server logs the traceback.
        return json_answer({"error": FAILED}, 500)

    for kind in (
        *(RequestError, *_STATUS, ModelError),
        *(HTTPException, MultiPartException, ClientDisconnect),
    ):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(Exception, unexpected)
