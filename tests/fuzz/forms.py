"""Forms with files: parts that are cut, boundaries that do not fit, names in strange codecs."""

import numpy as np

from tests.fuzz import pictures

# Codecs that Python has by these names; some do not decode, or make what no text may hold.
CHARSETS = (
    *("utf-8", "latin-1", "utf-7", "utf-16", "utf-32", "idna", "punycode", "undefined", "nope"),
    *("unicode_escape", "raw_unicode_escape", "base64", "zlib", "rot13", "hex", "mbcs", "C", ""),
)
_NAMES = (
    *(b"a", b"a.png", b"+2AA-.png", b"\\ud800.png", b"\\x", b"\xff\xfe", b"\xed\xa0\x80", b""),
    *(b"xn--a", b"../../etc/passwd", b"a\x00b", b"n" * 5000, b'"', b"%00", "ä€".encode()),
)
_ENDS = (b"--x--\r\n", b"--x", b"", b"--y--\r\n")
_TYPES = (
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "multipart/form-data; a",
    "multipart/form-data; boundary=" + "x" * 300,
    'multipart/form-data; boundary="x',
)


def broken(rng: np.random.Generator) -> tuple[bytes, dict[str, str]]:
    """Up to three files as a form, and its header."""
    parts = [_part(rng) for _ in range(rng.integers(4))]
    body = b"".join(parts) + _ENDS[rng.integers(len(_ENDS))]
    kind = _TYPES[0] if rng.integers(4) else _TYPES[rng.integers(len(_TYPES))]
    if rng.integers(3) == 0:
        kind += f"; charset={CHARSETS[rng.integers(len(CHARSETS))]}"
    return body, {"Content-Type": kind}


def _part(rng: np.random.Generator) -> bytes:
    name, file = (_NAMES[rng.integers(len(_NAMES)) if rng.integers(2) else 0] for _ in range(2))
    head = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n' % (name, file)
    if rng.integers(6) == 0:
        head += b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n" % name
    return head + b"\r\n" + pictures.broken(rng) + b"\r\n"
