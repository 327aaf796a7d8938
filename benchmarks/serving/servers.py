"""What is compared, each in an environment of its own, started on one core and stopped."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.body import Request

ROOT = Path(__file__).parent.parent.parent
RELEASED = ROOT / "model" / "release" / "scanline.onnx"
COMPETITORS = Path(__file__).parent / "competitors"
ENVIRONMENTS = Path(__file__).parent / ".envs"  # ignored by git
PATIENCE = 120.0  # seconds until the first answer

_RUNTIME = ("onnxruntime==1.32.0", "numpy==2.4.6", "orjson==3.13.0")
_UVICORN = ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0")
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "bare": ("fastapi==0.165.0", *_UVICORN, *_RUNTIME),
    "litserve": ("litserve==0.2.19", *_UVICORN, *_RUNTIME),
    # With uvloop 0.23 its worker fails. It does not install httptools, but is faster with it.
    "mlserver": ("mlserver==1.7.1", "uvloop==0.21.0", *_RUNTIME),
    "mlserver-httptools": ("mlserver==1.7.1", "uvloop==0.21.0", "httptools==0.9.0", *_RUNTIME),
    # 1.4.40 wants a certifi that was not to be had; uvloop and httptools are our addition.
    "bentoml": ("bentoml==1.4.39", *_UVICORN, *_RUNTIME),
    "ray": ("ray[serve]==2.60.0", *_UVICORN, *_RUNTIME),
}


class InstallError(Exception):
    """An environment could not be made; the message is the installer's last line."""


class StartError(Exception):
    """A server did not start; the message is what it wrote last."""


@dataclass(frozen=True)
class Server:
    """How to start one; `{port}`, `{model}` and `{free}` (another free port) are filled in.

    The first word of the command is a program of `environment`, or else of `checkout`.
    """

    command: tuple[str, ...]
    environment: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    checkout: Path = ROOT

    def programs(self) -> Path:
        """The folder of its programs."""
        if self.environment:
            return binaries(self.environment)
        own = self.checkout / ".venv" / "bin"
        return own if own.is_dir() else Path(sys.executable).parent


def ours(checkout: Path = ROOT, *flags: str) -> Server:
    """Our server without the page, from this checkout or another one."""
    command = ("python", "-m", "serving", "--no-ui", "--port", "{port}", "--model", "{model}")
    return Server((*command, *flags), checkout=checkout)


_START = ("uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "warning")
FASTAPI_ONNX = Server((*_START, "fastapi_onnx:app"), "bare")
ECHOES = {
    "FastAPI route, echo only": Server((*_START, "fastapi_echo:app"), "bare"),
    "bare ASGI, echo only": Server((*_START, "asgi_echo:app"), "bare"),
}
# Adaptive batching is off: tried with one setting for a few seconds, it was slower.
_MLSERVER = {
    "MLSERVER_PARALLEL_WORKERS": "0",  # one core: in the process
    "MLSERVER_DEBUG": "false",
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{free}",
    "MLSERVER_METRICS_PORT": "{free}",
    "MLSERVER_GZIP_ENABLED": "false",
    "MLSERVER_MODEL_NAME": "benchmark",
    "MLSERVER_MODEL_IMPLEMENTATION": "with_mlserver.Digits",
}
_BENTOML = ("bentoml", "serve", "with_bentoml:Digits", "--port", "{port}", "--host", "127.0.0.1")
_RAY = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_USAGE_STATS_ENABLED": "0"}
RIVALS = {
    "LitServe 0.2.19": Server(("python", "-m", "with_litserve"), "litserve"),
    "MLServer 1.7.1": Server(("mlserver", "start", "."), "mlserver", _MLSERVER),
    "MLServer 1.7.1 with httptools": Server(
        ("mlserver", "start", "."), "mlserver-httptools", _MLSERVER
    ),
    "BentoML 1.4.39": Server(_BENTOML, "bentoml", {"BENTOML_DO_NOT_TRACK": "True"}),
    "Ray Serve 2.60.0": Server(("python", "-m", "with_ray"), "ray", _RAY),
}


def binaries(name: str) -> Path:
    """The folder of an environment's programs; installs it unless that was done before.

    Raises:
        InstallError
    """
    folder, requirements = ENVIRONMENTS / name, REQUIREMENTS[name]
    done = folder / "installed.txt"
    if not done.is_file() or done.read_text() != "\n".join(requirements):
        print(f"installing {name}: {', '.join(requirements)}", file=sys.stderr)
        for step in (
            [sys.executable, "-m", "venv", "--clear", folder],
            [folder / "bin" / "python", "-m", "pip", "install", *requirements],
        ):
            result = subprocess.run(step, capture_output=True, text=True)
            if result.returncode:
                raise InstallError(" ".join(result.stderr.split())[-300:] or "no message")
        done.write_text("\n".join(requirements))
    return folder / "bin"


@dataclass
class Running:
    """A started server; `first_answer` is the seconds from its start to the first answer."""

    port: int
    process: subprocess.Popen
    first_answer: float = 0.0

    def pids(self) -> list[int]:
        """The process and all below it, oldest first."""
        found = [self.process.pid]
        for pid in found:
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def megabytes(self) -> tuple[float, float]:
        """Of all processes: resident memory (RSS), and that with what is shared counted once
        (PSS)."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in self.pids():
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                    name, size = line.split()[:2]
                    if name.rstrip(":") in sums:
                        sums[name.rstrip(":")] += int(size)
        return sums["Rss"] * 1024 / 1e6, sums["Pss"] * 1024 / 1e6


@contextmanager
def started(server: Server, core: int, model: Path, first: Request) -> Iterator[Running]:
    """Run a server on `core`, from its start until it has answered `first` with 200.

    Raises:
        InstallError: its environment could not be made.
        StartError: it ended, or did not answer within `PATIENCE`.
    """
    port = free_port()

    def filled(text: str) -> str:
        return text.format(port=port, model=model, free=free_port())

    variables = {"MODEL": str(model), "PORT": str(port), "ROUTE": first.path}
    if server.environment:
        variables["PYTHONPATH"] = str(COMPETITORS)
    variables |= {name: filled(value) for name, value in server.variables.items()}
    program, *arguments = server.command
    command = ["taskset", "-c", str(core), server.programs() / program, *map(filled, arguments)]
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=scratch if server.environment else server.checkout,
            env=os.environ | variables,
            stdout=log,
            stderr=log,
            process_group=0,  # Ctrl-C ends the benchmark, which ends the servers
        )
        running = Running(port, process)
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
        with suppress(OSError):
            status, body = first.ask(running.port)
            if status == 200:
                return
            problem = f"{status} {body[:200]!r}"
            if status in (400, 415, 422):  # it is up, and will never take this
                break
        time.sleep(0.005)
    log.seek(0)
    raise StartError(f"{problem}; it wrote: {' '.join(log.read().split())[-500:]}")


def _stop(running: Running) -> None:
    """SIGTERM to the first process; SIGKILL to what is left after ten seconds."""
    pids = running.pids()
    running.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        running.process.wait(10)
    for pid in pids[1:] if running.process.returncode is not None else pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()
