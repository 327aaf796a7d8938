"""A server with both its ports, for clients that need a real one."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.running import serving, url_of


class LiveServer(NamedTuple):
    """A running server; the addresses are ``host:port``."""

    process: subprocess.Popen
    http: str
    grpc: str


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def live_server(*flags: str, **variables: str) -> Iterator[LiveServer]:
    """`tests.running.serving` with gRPC, once it takes calls."""
    grpc_port = free_port()
    with serving("--grpc-port", str(grpc_port), *flags, **variables) as process:
        yield LiveServer(process, url_of(process).removeprefix("http://"), f"127.0.0.1:{grpc_port}")
