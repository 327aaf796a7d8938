"""Request bodies: read under a limit, and image files taken out of forms."""

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.types import Message

from serving.classify import File


def limited(request: Request, most: int) -> Request:
    """The same request; reading more than `most` bytes of its body, declared or not, ends in 413.

    FastAPI's own `max_body_size` can answer in plain text only.

    Raises:
        HTTPException: 413, here or while the body is read.
    """
    message = f"the body has more than {most} bytes, which is the limit: send less"
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise HTTPException(413, message)
    size = 0

    async def receive() -> Message:
        nonlocal size
        event = await request.receive()
        size += len(event.get("body", b""))
        if size > most:
            raise HTTPException(413, message)
        return event

    return Request(request.scope, receive)


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
