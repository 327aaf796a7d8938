"""Requests that are broken below HTTP's meaning: lengths, chunks, and clients that dawdle."""

import socket
import time

import numpy as np

_INFER = b"/v2/models/scanline/infer"
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
    b"%s" + b"A" * 70_000,
    b"GET /%s" + b"%%ff" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET %s HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"\r\n" * 2000 + b"%s",
)


def send(port: int, rng: np.random.Generator, patience: float) -> tuple[int | None, float]:
    """Send one of them, whole or byte by byte, or leave in the middle.

    Returns:
        The status (None: no answer, the connection was closed) and the seconds that passed
        since the last byte was sent.

    Raises:
        TimeoutError: neither an answer nor an end after `patience` seconds.
    """
    data = _REQUESTS[rng.integers(len(_REQUESTS))] % _INFER
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        try:
            if rng.integers(20) == 0:
                for place in range(min(len(data), 60)):
                    connection.sendall(data[place : place + 1])
                    time.sleep(0.005)
                connection.sendall(data[60:])
            else:
                connection.sendall(data)
            if rng.integers(2):  # else it waits for the rest
                connection.shutdown(socket.SHUT_WR)
            started = time.perf_counter()
            answer = connection.recv(4096)
        except (ConnectionError, BrokenPipeError):
            return None, 0.0
    took = time.perf_counter() - started
    parts = answer.split(b" ", 2)
    return (int(parts[1]) if len(parts) > 1 and parts[1][:3].isdigit() else None), took
