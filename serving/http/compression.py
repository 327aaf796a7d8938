"""Bodies compressed on their way: ``Content-Encoding`` of requests, ``Accept-Encoding`` of answers.

As RFC 9110, 8.4.1 has them: ``deflate`` is the zlib format.
"""

import zlib

from fastapi import HTTPException

_WINDOW_BITS = {
    b"gzip": 16 + zlib.MAX_WBITS,
    b"x-gzip": 16 + zlib.MAX_WBITS,
    b"deflate": zlib.MAX_WBITS,
}
_LEVEL = 1  # of 9: the others take several times as long for little


def decompress(body: bytes, coding: bytes, most: int) -> bytes:
    """The body that was compressed.

    Args:
        body: as received.
        coding: value of ``Content-Encoding``.
        most: bytes that it may become; not many more are made to find out.

    Raises:
        HTTPException: 415, another coding; 400, not so compressed; 413, more than `most`.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    bits = _WINDOW_BITS.get(coding)
    if bits is None:
        raise HTTPException(
            415,
            "Content-Encoding: must be gzip or deflate, or left out",
            {"Accept-Encoding": "gzip, deflate"},
        )
    unpacker = zlib.decompressobj(bits)
    try:
        plain = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise HTTPException(400, f"the body is not what Content-Encoding says: {error}") from None
    if len(plain) > most:
        raise HTTPException(
            413, f"the body has more than {most} bytes unpacked, which is the limit: send less"
        )
    if not unpacker.eof or unpacker.unused_data:
        raise HTTPException(400, "the body is not what Content-Encoding says: it is cut or longer")
    return plain


def chosen(accept: bytes) -> bytes | None:
    """How to compress the answer: as the client asks, if it asks for one way only.

    What HTTP libraries send by themselves names several, and is no wish: compressing takes
    longer than the network does.
    """
    coding = accept.strip().lower()
    return coding if coding in (b"gzip", b"deflate") else None


def compress(body: bytes, coding: bytes) -> bytes:
    """`body` in the `chosen` coding."""
    packer = zlib.compressobj(_LEVEL, wbits=_WINDOW_BITS[coding])
    return packer.compress(body) + packer.flush()
