"""The server as a process, for tests that need a real one, and what they need around it."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import httpx

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(
    *flags: str, group: bool = False, stderr: int | IO | None = subprocess.PIPE, **variables: str
) -> Iterator[subprocess.Popen]:
    """`python -m serving` with exactly these flags and variables; killed at the end.

    Args:
        flags: of the command.
        group: makes it the first of a process group of its own, as a terminal does.
        stderr: where it writes its log; a pipe must be read by those who expect much of it.
        variables: of its environment, which has no other ``SCANLINE_*``.
    """
    command = [sys.executable, "-m", "serving", *flags]
    others = {name: value for name, value in os.environ.items() if not name.startswith("SCANLINE_")}
    options = {"stdout": subprocess.PIPE, "stderr": stderr, "start_new_session": group}
    with subprocess.Popen(
        command, cwd=ROOT, text=True, env=others | variables, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def serving(*flags: str, **options):
    """`running` on a free port and without the page, unless `flags` say otherwise."""
    return running("--no-ui", "--port", "0", *flags, **options)


def url_of(process: subprocess.Popen) -> str:
    """Where the server is, once it takes calls."""
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line + (process.stderr.read() if process.stderr else "")
    return found[0]


def port_of(process: subprocess.Popen) -> int:
    return int(url_of(process).rpartition(":")[2])


LAST = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def exchange(port: int, *parts: bytes) -> bytes:
    """All that a connection answers to `parts`, each sent when the one before has been read.

    It must come to an end: let `LAST` be the last part.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        answer = b""
        with suppress(ConnectionError):  # it may answer and close before all is sent
            for part in parts:
                client.sendall(part)
                # An answer to somebody else: the server has seen what came before.
                httpx.get(f"http://127.0.0.1:{port}/v2/health/live", timeout=60)
        with suppress(ConnectionError):
            while piece := client.recv(65536):
                answer += piece
    return answer


class LiveServer(NamedTuple):
    """A running server with both its ports; the addresses are ``host:port``."""

    process: subprocess.Popen
    http: str
    grpc: str


@contextmanager
def live_server(*flags: str, **options) -> Iterator[LiveServer]:
    """`serving` with gRPC, once it takes calls."""
    grpc_port = free_port()
    with serving("--grpc-port", str(grpc_port), *flags, **options) as process:
        yield LiveServer(process, url_of(process).removeprefix("http://"), f"127.0.0.1:{grpc_port}")


def free_ports(count: int) -> list[int]:
    """Different ones that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def free_port() -> int:
    return free_ports(1)[0]


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until `condition` holds; while nobody answers it does not."""
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if condition():
                return
        assert time.monotonic() < end, "it never became so"
        time.sleep(0.01)


def workers_of(parent: int) -> list[int]:
    """The worker processes of a server; Linux only."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
            if int(facts[1]) == parent and b"resource_tracker" not in command:
                found.append(int(entry.name))
    return sorted(found)
