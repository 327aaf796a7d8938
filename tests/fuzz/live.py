"""The live page's WebSocket: frames that RFC 6455 forbids, and drawings that are none."""

import socket
import struct
import time

import numpy as np

from serving.page.stream import MAX_POINTS, PATH, ROWS
from tests.fuzz.tally import PATIENCE

_HANDSHAKES = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)
_PATHS = tuple(PATH.encode() + query for query in (b"", b"?model=nope", b"?model=%00%ff", b"/x"))
_TEXT, _BINARY, _CLOSE = 1, 2, 8
_INTERNAL = 1011  # the close code of a server's own failure
_STRANGE_LENGTHS = (0, 1, 126, 70_000, 2**31, 2**63 - 1, 2**64 - 1)


def send(port: int, rng: np.random.Generator) -> tuple[int | None, float, bool, bytes]:
    """Connect, send up to five frames, say goodbye, and wait for the end.

    Returns:
        The close code, the handshake's status if that was refused, or None; the seconds from
        the last byte to the end; whether the server itself failed; what was sent.

    Raises:
        TimeoutError: there was no end within `PATIENCE`.
    """
    odd = rng.integers(8) == 0
    path = _PATHS[rng.integers(len(_PATHS))] if odd else _PATHS[0]
    hello = _HANDSHAKES[rng.integers(len(_HANDSHAKES))] if odd else _HANDSHAKES[0]
    frames = [broken(rng) for _ in range(rng.integers(6))]
    data = b"".join(frames) + _frame(_CLOSE, struct.pack(">H", 1000))
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(hello % path)
            while b"\r\n\r\n" not in answer:
                if not (piece := connection.recv(65536)):
                    break
                answer += piece
            head, _, answer = answer.partition(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1]) if head.count(b" ") > 1 else None
            started = time.perf_counter()
            if status == 101:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
            else:
                return status, 0.0, False, hello
        except ConnectionError:
            return None, 0.0, False, data
    code = _close_code(answer)
    return code, time.perf_counter() - started, code == _INTERNAL, data


def broken(rng: np.random.Generator) -> bytes:
    """One frame of a client, or a piece of one."""
    kind = rng.integers(8)
    if kind == 0:
        return rng.bytes(int(rng.integers(1, 300)))
    payload = drawing(rng)
    if kind == 1:  # its length is another one
        length = _STRANGE_LENGTHS[rng.integers(len(_STRANGE_LENGTHS))]
        return struct.pack(">BBQ", 0x80 | _BINARY, 0xFF, length) + bytes(4) + payload
    if kind == 2:  # any first byte: reserved bits, unknown codes, pieces, long pings
        return bytes([rng.integers(256)]) + _frame(_BINARY, payload)[1:]
    if kind == 3:  # not masked
        return bytes([0x80 | _BINARY, min(len(payload), 125)]) + payload[:125]
    if kind == 4:
        return _frame(_TEXT, rng.bytes(int(rng.integers(0, 200))))
    return _frame(_BINARY, payload)


def drawing(rng: np.random.Generator) -> bytes:
    """A message of `serving.page.stream`, good or with numbers that do not fit."""
    if rng.integers(4) == 0:
        rows = int(rng.choice([784, 783, 785, 0, 3000]))
        return struct.pack("<II", rng.integers(2**32), ROWS) + rng.bytes(rows)
    strokes = [int(rng.integers(0, 40)) for _ in range(rng.integers(0, 4))]
    if rng.integers(10) == 0:
        strokes.append(MAX_POINTS + int(rng.integers(-100, 2)))
    points = np.clip(np.cumsum(rng.normal(0, 0.02, (sum(strokes), 2)), axis=0) + 0.5, 0, 1)
    if points.size and rng.integers(4) == 0:
        points.flat[rng.integers(points.size)] = rng.choice([np.nan, np.inf, -1, 2, 1e30])
    told = int(rng.choice([101, 2**31, 2**32 - 2, 0])) if rng.integers(6) == 0 else len(strokes)
    if strokes and rng.integers(6) == 0:
        strokes[0] = int(rng.choice([2**32 - 1, 2**31, 0, 1]))
    head = struct.pack("<II", rng.integers(2**32), told) + struct.pack(
        f"<{len(strokes)}I", *strokes
    )
    return head + points.astype("<f4").tobytes()


def _frame(code: int, payload: bytes) -> bytes:
    """A whole frame, masked by zeros."""
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x80 | code, 0x80 | size)
    elif size < 2**16:
        head = struct.pack(">BBH", 0x80 | code, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | code, 0x80 | 127, size)
    return head + bytes(4) + payload


def _close_code(data: bytes) -> int | None:
    """Of the server's frames, which are not masked, the one that closes."""
    place = 0
    while len(data) - place >= 4:
        code, size = data[place] & 15, data[place + 1] & 127
        if code == _CLOSE:
            return struct.unpack_from(">H", data, place + 2)[0]
        extra = {126: 2, 127: 8}.get(size, 0)
        if extra:
            size = int.from_bytes(data[place + 2 : place + 2 + extra])
        place += 2 + extra + size
    return None
