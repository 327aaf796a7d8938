"""Request bodies: a limit on all of them, and image files taken out of forms."""

import logging

import orjson
from fastapi import HTTPException, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.classify import File

# Its lines name no request; the answer says what is wrong with the form.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class BodyLimit:
    """ASGI middleware: a body of more than `most` bytes, declared or not, is answered by 413.

    It stands before every route, those of other applications that are mounted included, and
    answers itself, since they would say it in ways of their own.
    """

    def __init__(self, app: ASGIApp, most: int):
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        message = f"the body has more than {self._most} bytes, which is the limit: send less"
        refusal = Response(
            orjson.dumps({"error": message}), 413, {"Connection": "close"}, "application/json"
        )
        declared = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
        if declared.isdecimal() and int(declared) > self._most:
            await refusal(scope, receive, send)
            return
        size = 0
        has_begun = False

        async def counted() -> Message:
            nonlocal size
            event = await receive()
            size += len(event.get("body", b""))
            if size > self._most:
                raise HTTPException(413, message)
            return event

        async def watched(event: Message) -> None:
            nonlocal has_begun
            if size <= self._most:
                has_begun = True
            if has_begun:
                await send(event)

        try:
            await self._app(scope, counted, watched)
        except Exception:
            if size <= self._most or has_begun:
                raise
        if size > self._most and not has_begun:
            await refusal(scope, receive, send)


class _InMemoryParser(MultiPartParser):
    spool_max_size = 0  # never to disk, which may be read-only: the body's limit holds


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
