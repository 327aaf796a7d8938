"""Requests that are broken below HTTP's meaning: lengths, chunks, upgrades, and clients that go."""

import socket

import numpy as np

_INFER = b"/v2/models/scanline/infer"
_UPGRADE = b"POST %%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
_REQUESTS = (
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{}{}{}{}",
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    b"POST %s HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST %s\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%s",  # TLS
    b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    *(
        _UPGRADE % word + end
        for word in (b"websocket", b"h2c", b"TLS/1.0", b"x")
        for end in (
            b"Content-Length: 2\r\n\r\n{}",
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        )
    ),
    b"CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n",
    b"%s" + b"A" * 70_000,
    b"GET /%s" + b"%%ff" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET %s HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"\r\n" * 2000 + b"%s",
)


def send(port: int, rng: np.random.Generator, patience: float) -> int | None:
    """Send one of them, whole or in two pieces, and end it.

    Returns:
        The status; None where the connection was only closed.

    Raises:
        TimeoutError: neither an answer nor an end after `patience` seconds.
    """
    data = _REQUESTS[rng.integers(len(_REQUESTS))] % _INFER
    place = rng.integers(len(data)) if rng.integers(4) == 0 else len(data)
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            connection.sendall(data[:place])
            connection.sendall(data[place:])
            if b"\r\n\r\n" not in data:  # or its end would be waited for
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except TimeoutError:
            raise
        except OSError:  # closed before all was sent
            return None
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1][:3].isdigit() else None
