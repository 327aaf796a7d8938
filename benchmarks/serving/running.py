"""Starts a server on one core, asks it, and stops it with all its processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import environments
from benchmarks.serving.body import Request
from benchmarks.serving.servers import Server

ROOT = Path(__file__).parent.parent.parent
RELEASED = ROOT / "model" / "release" / "scanline.onnx"
COMPETITORS = Path(__file__).parent / "competitors"
PATIENCE = 120.0  # seconds until the first answer
_POLL = 0.005  # seconds between two tries


class StartError(Exception):
    """A server did not start; the message is what it wrote last."""


@dataclass
class Running:
    """A started server; `first_answer` is the seconds from its start to the first answer."""

    port: int
    process: subprocess.Popen
    first_answer: float

    def pids(self) -> list[int]:
        """The process and all below it, oldest first."""
        parents = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(status[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def megabytes(self) -> float:
        """Resident memory of all its processes; what they share is counted for each."""
        return sum(map(megabytes_of, self.pids()))

    def strays(self, core: int) -> int:
        """How many of its processes may run elsewhere than on `core`."""
        count = 0
        for pid in self.pids():
            try:
                count += os.sched_getaffinity(pid) != {core}
            except OSError:
                continue
        return count


def megabytes_of(pid: int) -> float:
    """Resident memory of a process; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def started(server: Server, core: int, model: Path, first: Request) -> Iterator[Running]:
    """Run a server on `core`, from its start until it has answered `first` with 200.

    Raises:
        InstallError: its environment could not be made.
        StartError: it ended, or did not answer within `PATIENCE`.
    """
    program, *arguments = server.command
    own = server.environment is None
    folder = Path(sys.executable).parent if own else environments.binaries(server.environment)
    port = free_port()

    def filled(text: str) -> str:
        return text.format(port=port, model=model, free=free_port())

    variables = {"MODEL": str(model), "PORT": str(port), "ROUTE": first.path}
    variables |= {} if own else {"PYTHONPATH": str(COMPETITORS)}
    variables |= {name: filled(value) for name, value in server.variables.items()}
    command = ["taskset", "-c", str(core), folder / program, *map(filled, arguments)]
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT if own else scratch,
            env=os.environ | variables,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C ends the benchmark, which ends the servers
        )
        running = Running(port, process, 0.0)
        try:
            _await_answer(running, first, log)
            running.first_answer = time.perf_counter() - start
            yield running
        finally:
            _stop(running)


def take_cores() -> int:
    """Move this process, the load, to a core of its own; returns the server's core.

    They are the last two that it may use: `taskset -c 0,1 python ...` chooses others.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed, one for the server and one for the load")
    os.sched_setaffinity(0, {cores[-2]})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or its servers would be left running
    return cores[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await_answer(running: Running, first: Request, log) -> None:
    end = time.perf_counter() + PATIENCE
    problem = "no answer"
    while running.process.poll() is None and time.perf_counter() < end:
        try:
            status, body = first.ask(running.port)
        except OSError:
            time.sleep(_POLL)
            continue
        if status == 200:
            return
        problem = f"{status} {body[:200]!r}"
        if status in (400, 415, 422):  # it is up, and will never take this
            raise StartError(problem)
        time.sleep(_POLL)
    log.seek(0)
    raise StartError(f"{problem}; it wrote: {' '.join(log.read().split())[-500:]}")


def _stop(running: Running) -> None:
    """SIGTERM to the first process; SIGKILL to what is left after ten seconds."""
    pids = running.pids()
    running.process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        running.process.wait(10)
    for pid in pids[1:] if running.process.returncode is not None else pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    running.process.wait()
