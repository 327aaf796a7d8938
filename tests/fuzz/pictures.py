"""Broken picture files in every format that the server takes, and small files that unpack huge."""

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

from model.images.files import FORMATS

_SIDE = 60
# Where decoders read sizes, counts and offsets.
_TELLING = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"\x80",
)


@cache
def whole() -> tuple[bytes, ...]:
    """A small good file of each format and of each mode that the format keeps."""
    ink = np.zeros((_SIDE, _SIDE), np.uint8)
    ink[10:50, 25:34] = 255
    files = []
    for kind in FORMATS:
        for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F"):
            file = io.BytesIO()
            try:
                Image.fromarray(ink).convert(mode).save(file, kind)
            except (OSError, ValueError, KeyError):
                continue  # the format does not keep this mode
            files.append(file.getvalue())
    frames = [Image.fromarray(ink), Image.fromarray(ink.T)]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        files.append(file.getvalue())
    return tuple(files)


def broken(rng: np.random.Generator) -> bytes:
    """One of the good files, damaged in one to four ways."""
    files = whole()
    data = bytearray(files[rng.integers(len(files))])
    for _ in range(rng.integers(1, 5)):
        damage = _DAMAGES[rng.integers(len(_DAMAGES))]
        data = damage(data or bytearray(1), rng)
    return bytes(data)


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(len(data), size=rng.integers(1, 9)):
        data[place] ^= 1 << rng.integers(8)
    return data


def _cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: rng.integers(len(data))]


def _grow(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data + rng.bytes(int(rng.integers(1, 200)))


def _leave_out(data: bytearray, rng: np.random.Generator) -> bytearray:
    first, last = sorted(rng.integers(len(data), size=2))
    return data[:first] + data[last:]


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    first, last = sorted(rng.integers(len(data), size=2))
    return data[:last] + data[first:]


def _write(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Over a place near the head, where the sizes are."""
    value = _TELLING[rng.integers(len(_TELLING))]
    place = rng.integers(min(len(data), 120))
    data[place : place + len(value)] = value
    return data


def _swap_head(data: bytearray, rng: np.random.Generator) -> bytearray:
    """The head of one format on the body of another."""
    files = whole()
    length = int(rng.integers(1, 40))
    return bytearray(files[rng.integers(len(files))][:length]) + data[length:]


_DAMAGES = (_flip, _cut, _grow, _leave_out, _repeat, _write, _swap_head)


# Codecs that Python has by these names; some do not decode, or make what no text may hold.
_CHARSETS = (
    *("utf-8", "latin-1", "utf-7", "utf-16", "idna", "punycode", "undefined", "nope", "rot13", ""),
    *("unicode_escape", "raw_unicode_escape", "base64", "hex"),
)
_NAMES = (
    *(b"a.png", b"+2AA-.png", b"\\ud800.png", b"\\x", b"\xff\xfe", b"\xed\xa0\x80", b"", b"xn--a"),
    *(b"../../etc/passwd", b"a\x00b", b"n" * 5000, b'"', b"%00", "\u00e4\u20ac".encode()),
)
_ENDS = (b"--x--\r\n", b"--x", b"", b"--y--\r\n")
_KINDS = ("", "; boundary=x", "; a", "; boundary=" + "x" * 300, '; boundary="x')


def form(rng: np.random.Generator) -> tuple[bytes, dict[str, str]]:
    """Up to three such files as a form, and its header; parts, names or boundaries may not fit."""

    def one_of(choices, honest=0.5):
        return choices[0 if rng.random() < honest else rng.integers(len(choices))]

    body = b""
    for _ in range(rng.integers(4)):
        names = one_of(_NAMES), one_of(_NAMES)
        body += b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n' % names
        if rng.integers(6) == 0:
            body += b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n" % names[0]
        body += b"\r\n" + broken(rng) + b"\r\n"
    kind = "multipart/form-data" + one_of(("; boundary=x", *_KINDS), 0.7)
    if rng.integers(3) == 0:
        kind += f"; charset={one_of(_CHARSETS, 0)}"
    return body + one_of(_ENDS), {"content-type": kind}


@cache
def bombs() -> tuple[bytes, ...]:
    """Small files with more pixels than anybody may ask to have decoded."""
    side = 20_000
    files = [_png_bomb(side)]
    for kind in ("GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.new("L", (16, 16)).save(file, kind)
        data = bytearray(file.getvalue())
        small, large = struct.pack("<H", 16), struct.pack("<H", side)
        place = data.find(small)
        while place >= 0 and place < 80:  # wherever the header writes its size
            data[place : place + 2] = large
            place = data.find(small, place + 2)
        files.append(bytes(data))
    return tuple(files)


def _png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image
