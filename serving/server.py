"""Running the application under Granian, as one process or as several.

A parent process listens for signals and replaces workers that die; each worker has the
application. At SIGTERM or SIGINT workers take no new connections, finish the requests in
flight, and the parent ends with code 0.
"""

import contextlib
import gc
import http.client
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels

from serving.http import logs
from serving.settings import Settings, unknown_variables

# A load balancer must keep idle connections for less: no request then meets a closed one. It is
# also the longest time for a request's head.
IDLE_SECONDS = 60
_HEAD_BYTES = 64 * 1024  # of a request

# Granian takes workers that end within 5.5 s of their start for a crash loop, and ends.
_RETRY_SECONDS = 10
_PARENT_SECONDS = 1  # between two looks whether a worker's parent is still there

_LOG = logging.getLogger("scanline")


class StartError(Exception):
    """The server cannot start; the message says what to do."""


def serve(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        StartError: the port is taken, a network cannot be used, or the page's packages are missing.
        SystemExit: code 1, if workers cannot start.
    """
    logs.configure(settings)
    if settings.ui and find_spec("gradio") is None:
        raise StartError(
            "the page needs gradio, which is not installed: `pip install -r "
            "requirements-serve.txt`, or --no-ui for the API alone"
        )
    _warn(settings)
    port = _free(settings.host, settings.port, "--port")
    if settings.grpc_port:
        _free(settings.host, settings.grpc_port, "--grpc-port")
    failures, has_started = multiprocessing.SimpleQueue(), multiprocessing.Event()
    with _metrics_folder() if settings.workers > 1 else contextlib.nullcontext():
        server = Granian(
            "serving",  # only a name: `_load` makes the application
            settings.host,
            port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            runtime_mode=RuntimeModes.st,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=1000 * IDLE_SECONDS, max_buffer_size=_HEAD_BYTES
            ),
            backlog=settings.max_connections,
            backpressure=settings.max_connections,
            log_level=LogLevels.warning,
            log_dictconfig=logs.configuration(settings),
            respawn_failed_workers=True,
            workers_kill_timeout=settings.drain_seconds,
        )
        if hasattr(os, "register_at_fork"):
            # A signal to a worker that has not taken its own would be the parent's, and be lost.
            os.register_at_fork(
                before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM}),
                after_in_parent=partial(
                    signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM}
                ),
                after_in_child=_take_signals,
            )
        announce = partial(_announce, settings, port, has_started)
        server.on_startup(threading.Thread(target=announce, daemon=True).start)
        load = partial(_load, settings, failures, has_started)
        try:
            server.serve(target_loader=load, wrap_loader=False)
        finally:
            if not failures.empty():
                raise StartError(failures.get())


def _take_signals() -> None:
    """Of a worker: end by the parent's SIGTERM alone."""
    # Else it has the parent's handler until Granian sets its own, seconds later.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # Ctrl-C goes to all processes, and a worker that also gets the parent's SIGTERM may hang
    # (Granian 2.8.7).
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _load(settings: Settings, failures: SimpleQueue, has_started: Event) -> Any:
    """Make a worker's application. What it needs is not imported before: the parent stays small.

    A network that cannot be used ends the parent, which tells the first of `failures`; but once
    the server `has_started`, only this worker, which is tried again.
    """
    from model.predictor import ModelError
    from serving.app import create_app
    from serving.inference.models import Models

    logs.configure(settings)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        app = create_app(Models(settings.model), settings)
    except ModelError as error:
        if has_started.is_set():
            _LOG.error("%s", error)
            time.sleep(_RETRY_SECONDS)
            sys.exit(1)
        failures.put(str(error))
        os.kill(os.getppid(), signal.SIGTERM)
        while True:
            signal.pause()  # for the parent to end this worker
    # What is there now stays: looking through it for garbage would stop everybody for 40 ms at a
    # time (measured).
    gc.collect()
    gc.freeze()
    return app


def _end_with(parent: int) -> None:
    """End this worker soon after its parent: Granian's would serve on, on the same port."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _free(host: str, port: int, flag: str) -> int:
    """`port`, or a free one for 0.

    Raises:
        StartError: it is taken, or `host` is no address of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return probe.getsockname()[1]
    except (OSError, UnicodeError) as error:  # the second: no name can be so written
        raise StartError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', error)}; "
            f"choose another with --host and {flag}"
        ) from error


def _announce(settings: Settings, port: int, has_started: Event) -> None:
    """Print where the server is, once it answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    while not _is_ready(host, port):
        time.sleep(0.02)
    has_started.set()
    grpc = f", gRPC on port {settings.grpc_port}" if settings.grpc_port else ""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{shown}:{port}{settings.root_path}"
    where = f"Scanline is at {url} and its API" if settings.ui else "Scanline's API is"
    logs.say(f"{where} at {url}/docs{grpc} (Ctrl-C ends it)")


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    return False


def _warn(settings: Settings) -> None:
    """Say what an operator may not have meant."""
    if names := unknown_variables():
        _LOG.warning("no settings, so without effect: %s", ", ".join(names))
    if not settings.api_key and settings.host not in ("localhost", "127.0.0.1", "::1"):
        _LOG.warning("no SCANLINE_API_KEY: whoever reaches %s may call", settings.host)


@contextlib.contextmanager
def _metrics_folder() -> Iterator[None]:
    """Let worker processes that start within share their metrics (`serving.http.metrics`).

    The folder, and with it all counts, goes at the end. It is in memory where that can be: a
    container's disk may be read-only.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="scanline-metrics-", dir=memory) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by prometheus_client at import
        yield
