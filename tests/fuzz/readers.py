"""Clients that ask for much and then do not read it."""

import socket
from collections import deque

import numpy as np

from tests.fuzz import zipped
from tests.fuzz.tally import PATIENCE

HELD = 4  # of each client, at a time


class Readers:
    """Requests with megabytes of answer, of which at most the first bytes are read."""

    def __init__(self, port: int, path: str):
        self._port, self._path = port, path
        self._open: deque[socket.socket] = deque()

    def ask(self, rng: np.random.Generator) -> int | None:
        """The status, or None where not even that was read."""
        body, headers = zipped.blank(int(rng.integers(16, zipped.MOST_IMAGES + 1)))
        lines = [f"POST {self._path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self._port))
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        self._open.append(connection)
        if len(self._open) > HELD:
            self._open.popleft().close()
        if rng.integers(2):
            return None
        parts = connection.recv(64).split(b" ", 2)
        return int(parts[1]) if len(parts) > 1 else None

    def close(self) -> None:
        for connection in self._open:
            connection.close()
