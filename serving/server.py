"""Running the application: as one process or as several, from the first import to the last answer.

At SIGTERM or SIGINT the server says at once that it is not ready, goes on for
`Settings.shutdown_delay`, takes no new connections then, finishes the requests in flight, and
ends with code 0. A second signal ends it at once.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from model.predictor import ModelError
from serving.app import create_app
from serving.connection import is_idle
from serving.express import Express
from serving.http import logs
from serving.http import request_log as access
from serving.http.auth import Keys
from serving.http.limits import Gate
from serving.inference.models import Models
from serving.lane import Lane
from serving.listener import bound, has_callers, several, shareable, stop_calls
from serving.memory import settle
from serving.page import stream
from serving.settings import Settings, unknown_variables

# Load balancers keep connections for 60 s: if they close them, no request meets a closed one.
KEEP_ALIVE_SECONDS = 75
# Between the last accepted connection and the end of the idle ones, whose next request may be on
# its way: each answer now says that its connection ends.
LAST_CALL_SECONDS = 1.0
# For connections that are being made when the server hears no new callers any more.
HANDSHAKE_SECONDS = 0.3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


_LOG = logging.getLogger("scanline")


class StartError(Exception):
    """The server cannot start; the message says what to do."""


class Config(uvicorn.Config):
    """How uvicorn serves; goes to worker processes, where `load` makes the application."""

    application: FastAPI
    # For `serving.express` and what it stands on; the first is told the status of what no
    # application has seen, the second of each refusal at the turnstile.
    refused: Callable[[int], None]
    shed: Callable[[], None]
    gate: Gate
    lane: Lane

    def __init__(self, settings: Settings):
        self.settings = settings
        super().__init__(
            "serving",  # only a name: `load_app` does not import it
            http=Express,
            workers=settings.workers,
            # The system drops who comes when more wait to be taken, and they try again after 1 s,
            # 3, 7 and 15.
            backlog=settings.max_connections,
            log_config=None,  # `serving.http.logs` does it
            access_log=False,  # `serving.http.request_log` writes it
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.drain_seconds,
            ws_max_size=stream.MAX_BYTES,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            ws_per_message_deflate=False,  # deflating 60 kB of states costs more than it saves
        )

    def load_app(self) -> FastAPI:
        """
        Raises:
            ModelError: see `Models`.
        """
        logs.configure(self.settings)
        models = Models(self.settings.model)
        self.application = create_app(models, self.settings)
        state = self.application.state
        self.refused = partial(access.refused, state.metrics)
        self.shed = partial(access.shed, state.metrics)
        keys = Keys(self.settings.api_key) if self.settings.api_key else None
        self.gate = state.gate
        self.lane = Lane(state.endpoints, state.gate, state.metrics, keys)
        if self.settings.ui:
            # Read by gradio at import: no telemetry, nothing fetched from elsewhere.
            os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
            os.environ["HF_HUB_OFFLINE"] = "1"
            from serving.page.app import mount  # seconds of import that --no-ui need not pay

            self.application = mount(self.application, models, self.settings)
        return self.application


class Server(uvicorn.Server):
    """One process that serves."""

    config: Config

    def __init__(self, config: Config):
        super().__init__(config)
        self._settings = config.settings
        self._rpc = None  # gRPC's server

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._settings.grpc_port:
            from serving.inference.grpc_server import start_rpc  # 50 ms and 14 MB (measured)

            try:
                self._rpc = await start_rpc(self.config.application.state, self._settings)
            except RuntimeError as error:
                raise StartError(
                    f"cannot listen on {self._settings.host}:{self._settings.grpc_port} for gRPC: "
                    "choose another port with --grpc-port"
                ) from error
        await super().startup([*several(sockets or [])])
        settle()
        self.announce(sockets or [])

    def announce(self, listeners: list[socket.socket]) -> None:
        """Say that calls are taken, and where."""
        announce(listeners, self._settings)

    def stop_calls(self, listeners: list[socket.socket]) -> None:
        """Hear no new callers."""
        for listener in listeners:
            stop_calls(listener)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in STOP_SIGNALS:
            signal.signal(number, self.handle_exit)
        yield  # unlike uvicorn, which raises them anew: the exit code is 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit:
            os._exit(128 + sig)  # the second one: at once, whatever threads still do
        self._stop()

    def _stop(self) -> None:
        self.should_exit = True
        if self.config.loaded:  # else it is a worker that still starts
            self.config.application.state.gate.ready = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        _LOG.info("not ready, and takes requests for %d s more", self._settings.shutdown_delay)
        await asyncio.sleep(self._settings.shutdown_delay)
        self.stop_calls(sockets or [])
        await asyncio.sleep(HANDSHAKE_SECONDS)
        loop = asyncio.get_running_loop()
        end = loop.time() + LAST_CALL_SECONDS
        # The system resets connections that it has made and nobody has taken.
        while loop.time() < end and any(map(has_callers, sockets or [])):
            await asyncio.sleep(0)
        for listener in [*self.servers, *(sockets or [])]:
            listener.close()
        end = loop.time() + LAST_CALL_SECONDS
        while loop.time() < end and any(map(is_idle, self.server_state.connections)):
            await asyncio.sleep(0.05)
        # Each open page holds a stream that Gradio ends at this event, else never.
        for route in self.config.application.routes:
            if event := getattr(getattr(route, "app", None), "stop_event", None):
                event.set()
        rpc_end = self._rpc.stop(self._settings.drain_seconds) if self._rpc else asyncio.sleep(0)
        await asyncio.gather(super().shutdown(sockets), rpc_end)
        for connection in [*self.server_state.connections]:
            if isinstance(connection, Express):
                connection.give_up()


def announce(listeners: list[socket.socket], settings: Settings) -> None:
    """Print where the server is."""
    grpc = f", gRPC on port {settings.grpc_port}" if settings.grpc_port else ""
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        where = f"Scanline is at {url} and its API" if settings.ui else "Scanline's API is"
        logs.say(f"{where} at {url}/docs{grpc} (Ctrl-C ends it)")


def _warn(settings: Settings) -> None:
    """Say what an operator may not have meant."""
    if names := unknown_variables():
        _LOG.warning("no settings, so without effect: %s", ", ".join(names))
    if not settings.api_key and settings.host not in ("localhost", "127.0.0.1", "::1"):
        _LOG.warning("no SCANLINE_API_KEY: whoever reaches %s may call", settings.host)


def serve(settings: Settings) -> int:
    """Serve until a signal ends it.

    Returns:
        The exit code.

    Raises:
        StartError: the port is taken, a network cannot be used, or the page's packages are missing.
    """
    logs.configure(settings)
    if settings.ui and find_spec("gradio") is None:
        raise StartError(
            "the page needs gradio, which is not installed: `pip install -r "
            "requirements-serve.txt`, or --no-ui for the API alone"
        )
    _warn(settings)
    listener = _listen(settings.host, settings.port, "--port", is_shared=settings.workers > 1)
    if settings.grpc_port:
        _listen(settings.host, settings.grpc_port, "--grpc-port").close()  # gRPC takes it itself
    try:
        if settings.workers > 1:
            from serving.workers import serve_by_several

            Models(settings.model)  # so that a broken network is told once, not by each worker
            return serve_by_several(Config(settings), listener)
        config = Config(settings)
        config.load()
    except ModelError as error:
        raise StartError(str(error)) from error
    server = Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else STARTUP_FAILURE


def _listen(host: str, port: int, flag: str, is_shared: bool = False) -> socket.socket:
    """Take the port before the slow imports, so that a taken one is told at once."""
    try:
        listener = bound(host, port)
        return shareable(listener) if is_shared else listener
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            f"choose another with --host and {flag}"
        ) from error
