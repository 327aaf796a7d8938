"""Several worker processes on one port, by uvicorn's own supervisor.

It replaces a worker that dies or hangs, and at SIGHUP all of them, one after the other. What
is added: workers drain as a single process does, Ctrl-C in a terminal reaches only the parent,
no worker outlives its parent, and none can hold up the end.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from serving import metrics
from serving.listener import own_share, stop_calls
from serving.predictor import ModelError
from serving.server import STOP_SIGNALS, Config, Server, announce

_START_SECONDS = 30  # for a worker's imports on a slow disk, before it counts as hung
_SPARE_SECONDS = 5  # beyond the time that draining may take


class _WorkerServer(Server):
    def __init__(self, config: Config):
        super().__init__(config)
        self._parent = os.getppid()

    def announce(self, listeners: list[socket.socket]) -> None:
        """The parent does."""

    def stop_calls(self, listeners: list[socket.socket]) -> None:
        """The parent does, if all workers end and have one socket together.

        Where each has its own, who tries the socket of one that is being replaced tries again
        after a second, and comes to another.
        """
        if sys.platform == "linux":
            super().stop_calls(listeners)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: the parent acts
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._stop()  # again is no hurry: a process group gets it besides what the parent sends

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or os.getppid() != self._parent


class _Worker(multiprocess.Process):
    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = _WorkerServer(self.config)
        return self._server

    def start(self) -> None:
        super().start()
        # The worker has it now. As long as it is open here as well, a ping to a worker that
        # died would wait for its answer to the end of the time.
        self.child_conn.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        self._server = _WorkerServer(self.config)  # before uvicorn's thread asks for it too
        try:
            super().target([own_share(listener) for listener in sockets or []])
        except ModelError as error:
            print(f"python -m serving: {error}", file=sys.stderr)
            sys.exit(STARTUP_FAILURE)


class _Supervisor(multiprocess.Multiprocess):
    def __init__(self, config: Config, sockets: list[socket.socket]):
        super().__init__(config, sockets)
        self._is_announced = self._is_stopping = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self._is_stopping:
            for worker in self.processes:
                worker.process.kill()
            os._exit(128 + number)
        self._is_stopping = True
        self.signal_queue.append(number)

    def keep_subprocess_alive(self) -> None:
        before = {worker.pid for worker in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {worker.pid for worker in self.processes}:
            metrics.worker_died(pid)
            logging.getLogger("scanline").warning("worker %d is gone, another takes its place", pid)
        if not self._is_announced and all(worker.is_ready() for worker in self.processes):
            self._is_announced = True
            announce(self.sockets, self.config.settings)

    def join_all(self) -> None:
        settings = self.config.settings
        called = time.monotonic() + settings.shutdown_delay
        for worker in self.processes:
            worker.process.join(max(0, called - time.monotonic()))
        for listener in self.sockets:
            stop_calls(listener)
            listener.close()  # else new connections would wait here for nobody
        end = time.monotonic() + settings.drain_seconds + _SPARE_SECONDS
        for worker in self.processes:
            worker.process.join(max(0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    @property
    def has_failed(self) -> bool:
        """Whether a worker could not start; uvicorn then ends them all."""
        return not self._is_stopping and any(
            worker.exitcode == STARTUP_FAILURE for worker in self.processes
        )


# uvicorn's supervisor starts this class by its name, and offers no other way to give it one.
multiprocess.Process = _Worker


def serve_by_several(config: Config, listener: socket.socket) -> int:
    """Serve with `config.workers` processes until a signal ends it.

    Returns:
        The exit code.
    """
    config.timeout_worker_healthcheck = _START_SECONDS
    with metrics.shared_folder():
        supervisor = _Supervisor(config, [listener])
        supervisor.run()
    return STARTUP_FAILURE if supervisor.has_failed else 0
