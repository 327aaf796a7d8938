"""Image files out of a request: those of a form, else the body as one file."""

import logging
from typing import NamedTuple

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile

# Its lines name no request; the answer says what is wrong with the form.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class File(NamedTuple):
    """An image file as it came; `name` is None where the client gave none."""

    name: str | None
    data: bytes


async def image_files(request: Request, most: int) -> list[File]:
    """The image files of a request.

    Raises:
        HTTPException: 400, a form that is broken, has no file, or more than `most`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return [File(None, await request.body())]
    try:
        async with request.form(max_files=most) as form:
            files = [
                File(_text(value.filename), await value.read())
                for _, value in form.multi_items()
                if isinstance(value, UploadFile)
            ]
    except UnicodeError:
        raise HTTPException(400, "the form's names are not in the charset that it says") from None
    if not files:
        raise HTTPException(400, "no file in the form: send one as `curl -F file=@seven.png` does")
    return files


def _text(name: str | None) -> str | None:
    """A name that JSON can hold: some charsets decode to halves of characters."""
    return name and name.encode(errors="replace").decode()
