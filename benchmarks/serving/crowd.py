"""Load from several processes, each on a core of its own: thousands of connections.

One process would do for the requests a second; with several the load is not what is slow, and
each of them looks after fewer connections.
"""

import multiprocessing
import os
import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.serving.load import Measured, drive

_SPARE_FILES = 200  # beside the connections', in the load and in the server


def allow_files(connections: int) -> None:
    """Let this process and those that it starts hold so many connections; ends it if it cannot."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < connections + _SPARE_FILES:
        sys.exit(
            f"{connections} connections need {connections + _SPARE_FILES} open files, {most} are "
            "allowed: raise the limit (ulimit -Hn) or choose fewer with --connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def drive_from(
    cores: Sequence[int], port: int, request: bytes, connections: int, seconds: float, rate: float
) -> Measured:
    """As `load.drive` in an open loop, its connections and its rate shared out over `cores`."""
    parts = len(cores)
    shares = [connections // parts + (n < connections % parts) for n in range(parts)]
    context = multiprocessing.get_context("spawn")
    total = Measured()
    with ProcessPoolExecutor(parts, mp_context=context) as pool:
        tasks = [
            pool.submit(_drive_on, core, port, request, share, seconds, rate / parts)
            for core, share in zip(cores, shares, strict=True)
        ]
        for task in tasks:
            total.merge(task.result())
    return total


def _drive_on(core: int, *arguments) -> Measured:
    os.sched_setaffinity(0, {core})
    return drive(*arguments)
