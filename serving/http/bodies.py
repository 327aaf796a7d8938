"""Request bodies: limits on all of them, and image files taken out of forms."""

import logging
import time

import orjson
from fastapi import HTTPException, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.classify import File

# Its lines name no request; the answer says what is wrong with the form.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class BodyLimit:
    """ASGI middleware: a body of more than `most` bytes, declared or not, is answered by 413,
    one that takes longer than `seconds` by 408.

    Looking at the clock costs nothing, a timer for each request would: that a body stalls is
    noticed because `serving.connection` then gives an empty piece of it.

    It stands before every route, those of other applications that are mounted included, and
    answers itself, since they would say it in ways of their own.
    """

    def __init__(self, app: ASGIApp, most: int, seconds: float):
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (length := _declared(scope)):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._most, self._seconds)
        if length > self._most:
            await body.too_large().answer(scope, receive, send)
            return
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None or body.has_begun:
                raise
        if body.refusal is not None and not body.has_begun:
            await body.refusal.answer(scope, receive, send)


class _Refusal(HTTPException):
    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What is left of the body is not read.
        content = orjson.dumps({"error": self.detail})
        answer = Response(content, self.status_code, {"Connection": "close"}, "application/json")
        await answer(scope, receive, send)


class _Body:
    """One body: counted and timed on its way in, its answer held back once it is refused."""

    def __init__(self, receive: Receive, send: Send, most: int, seconds: float):
        self.refusal: _Refusal | None = None
        self.has_begun = False  # the answer
        self._receive = receive
        self._send = send
        self._most = most
        self._seconds = seconds
        self._started = time.monotonic()
        self._size = 0
        self._is_complete = False

    async def receive(self) -> Message:
        if self._is_complete:  # only waits for the client to leave
            return await self._receive()
        if self.refusal:
            raise self.refusal
        event = await self._receive()
        self._size += len(event.get("body", b""))
        if self._size > self._most:
            self.refusal = self.too_large()
            raise self.refusal
        self._is_complete = not event.get("more_body")
        if not self._is_complete and time.monotonic() - self._started > self._seconds:
            self.refusal = _Refusal(408, too_slow(self._seconds))
            raise self.refusal
        return event

    async def send(self, event: Message) -> None:
        if self.refusal is None:
            self.has_begun = True
        if self.has_begun:
            await self._send(event)

    def too_large(self) -> _Refusal:
        most = self._most
        return _Refusal(413, f"the body has more than {most} bytes, which is the limit: send less")


def too_slow(seconds: float) -> str:
    """What a client is told whose body took longer."""
    return f"the body took more than {seconds:g} s: send it faster, or less"


def _declared(scope: Scope) -> int:
    """The length that a request says its body has; 1 if it has one and does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 1
        if name == b"transfer-encoding":
            return 1
    return 0


class _InMemoryParser(MultiPartParser):
    spool_max_size = 0  # never to disk, which may be read-only: the body's limit holds

    @property
    def _charset(self) -> str:
        """Of names, whatever the client says: some of Python's codecs decode to what is no text."""
        return "utf-8"

    @_charset.setter
    def _charset(self, _: str) -> None:
        pass  # the parser's own choice


async def image_files(request: Request, most: int) -> list[File]:
    """The image files of a request: those of a form, else the body as one file.

    Raises:
        HTTPException: 400, a form without a file.
        MultiPartException: the form is broken or has more than `most` files.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return [File(None, await request.body())]
    form = await _InMemoryParser(request.headers, request.stream(), max_files=most).parse()
    try:
        files = [
            File(value.filename, await value.read())
            for _, value in form.multi_items()
            if isinstance(value, UploadFile)
        ]
    finally:
        await form.close()
    if not files:
        raise HTTPException(400, "no file in the form: send one as `curl -F file=@seven.png` does")
    return files
