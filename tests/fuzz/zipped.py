"""Compressed bodies: cut, damaged, wrongly named, and small ones that unpack huge."""

import gzip
import json
import zlib
from functools import cache

import numpy as np

from model import signature
from serving.inference.tensors import UINT8
from tests.fuzz import bodies

MOST_IMAGES = 256  # what the server takes by default
_CODINGS = ("gzip", "x-gzip", "deflate", "GZIP ", "br", "gzip, gzip", "identity", "", "zstd")


def broken(rng: np.random.Generator) -> tuple[bytes, dict[str, str]]:
    """A body to infer, and its headers."""
    choice = rng.integers(20)
    if choice == 0:
        return _bombs()[rng.integers(len(_bombs()))], _headers("gzip")
    if choice == 1:
        return blank(int(rng.integers(1, MOST_IMAGES + 2)))
    plain = json.dumps(bodies.request(rng)).encode() if rng.integers(2) else bodies.broken(rng)
    packed = bytearray(zlib.compress(plain) if rng.integers(5) == 0 else gzip.compress(plain, 1))
    damage = rng.integers(5)
    if damage == 0:
        packed = packed[: rng.integers(len(packed))]
    elif damage == 1:
        packed[rng.integers(len(packed))] ^= 1 << rng.integers(8)
    elif damage == 2:
        packed += rng.bytes(int(rng.integers(1, 50))) if rng.integers(2) else bytes(packed)
    coding = _CODINGS[rng.integers(len(_CODINGS)) if rng.integers(4) == 0 else 0]
    return bytes(packed), _headers(coding)


@cache
def blank(images: int) -> tuple[bytes, dict[str, str]]:
    """So many empty images in some hundred bytes, all outputs wanted, and the headers."""
    shape = [images, signature.STEPS, signature.PIXELS]
    data = [0] * int(np.prod(shape))
    tensor = {"name": signature.IMAGES, "shape": shape, "datatype": UINT8, "data": data}
    return gzip.compress(json.dumps({"inputs": [tensor]}).encode()), _headers("gzip")


@cache
def _bombs() -> tuple[bytes, ...]:
    zeros = gzip.compress(bytes(200 * 2**20))
    return zeros, gzip.compress(zeros), gzip.compress(b"[" * 50_000_000), zeros + zeros


def _headers(coding: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Content-Encoding": coding}
