"""How many connections a process has room for."""

import logging
import os
import time

_SPARE_FILES = 64  # not for connections, but for networks, logs and the listener
_MANY = 65536
_LOG_SECONDS = 60.0

_LOG = logging.getLogger("scanline")
_warned = -_LOG_SECONDS


def most_connections() -> int:
    """How many a process can hold: a few less than the files that it may open."""
    if os.name == "nt":
        return _MANY
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if files in (-1, resource.RLIM_INFINITY) else max(1, files - _SPARE_FILES)


def warn_full(most: int) -> None:
    """Log that `most` connections are open; once a minute, however many more come."""
    global _warned
    now = time.monotonic()
    if now - _warned >= _LOG_SECONDS:
        _warned = now
        _LOG.warning(
            "%d connections are open, which is the limit (--max-connections, or the files that a "
            "process may open): more are closed at once",
            most,
        )
