"""Compressed bodies: what is unpacked, what is refused, and which answers are packed."""

import gzip
import zlib

import pytest
from fastapi import HTTPException

from serving.http.compression import chosen, compress, decompress

PACKERS = {b"gzip": gzip.compress, b"deflate": zlib.compress}
BODY = b"0123456789" * 100


@pytest.mark.parametrize("coding", PACKERS)
def test_there_and_back(coding):
    assert decompress(PACKERS[coding](BODY), coding, 1000) == BODY
    assert decompress(PACKERS[coding](BODY), coding.upper() + b" ", 1000) == BODY
    packed = compress(BODY, coding)
    assert len(packed) < len(BODY)
    assert decompress(packed, coding, 1000) == BODY


@pytest.mark.parametrize("coding", [b"", b"identity", b" Identity"])
def test_a_coding_that_is_none(coding):
    assert decompress(BODY, coding, 1000) == BODY


@pytest.mark.parametrize(
    ("body", "coding", "status", "message"),
    [
        (BODY, b"br", 415, "must be gzip or deflate"),
        (BODY, b"gzip, deflate", 415, "must be gzip or deflate"),
        (BODY, b"\xff", 415, "must be gzip or deflate"),
        (b"", b"gzip", 400, "cut"),
        (BODY, b"gzip", 400, "not what Content-Encoding says"),
        (BODY, b"deflate", 400, "not what Content-Encoding says"),
        (zlib.compress(BODY), b"gzip", 400, "not what Content-Encoding says"),
        (gzip.compress(BODY, mtime=0)[:-5], b"gzip", 400, "cut"),
        (gzip.compress(BODY, mtime=0) + b"x", b"gzip", 400, "longer"),
        (gzip.compress(BODY + b"x", mtime=0), b"gzip", 413, "more than 1000 bytes"),
        (zlib.compress(bytes(50 * 2**20)), b"deflate", 413, "more than 1000 bytes"),
    ],
)
def test_refused(body, coding, status, message):
    with pytest.raises(HTTPException) as caught:
        decompress(body, coding, 1000)
    assert caught.value.status_code == status
    assert message in caught.value.detail


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (b"gzip", b"gzip"),
        (b" Deflate", b"deflate"),
        (b"gzip, deflate, br", None),
        (b"identity", None),
        (b"", None),
    ],
)
def test_answers_are_packed_for_those_who_ask_for_one_way(accept, coding):
    assert chosen(accept) == coding
