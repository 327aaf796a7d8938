"""Where log lines go and what they look like: text for people, JSON for machines.

All lines but that of `say` go to standard error. With the format ``json`` each is one object on
one line, with ``timestamp`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, within a request
its ``request_id``, with an exception its traceback as ``exc_info``, and for a finished request
what `request_log` adds. Neither a client's picture nor an API key is ever written.
"""

import logging
import logging.config
import sys
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from serving.settings import Settings

# Of the request that the current task answers.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_log = logging.getLogger("scanline")


class JsonLines(JsonFormatter):
    """One object a line, in ASCII, so that no reader takes a character for a line's end."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, "suffix"],
            timestamp=True,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Put the time first."""
        return {"timestamp": log_data.pop("timestamp"), **log_data}


class AddRequest(logging.Filter):
    """Gives each record the id of the request within which it arose."""

    def filter(self, record: logging.LogRecord) -> bool:
        number = request_id.get()
        record.suffix = f" [{number}]" if number else ""
        if number:
            record.request_id = number
        return True


def configuration(settings: Settings) -> dict[str, Any]:
    """For `logging.config.dictConfig`: the server applies it in each of its processes."""
    level = settings.log_level.upper()
    # Other libraries tell at these levels what is nobody's business here.
    foreign = "WARNING" if level in ("INFO", "DEBUG") else level
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": AddRequest}},
        "formatters": {
            "text": {"format": "%(levelname)s: %(message)s%(suffix)s"},
            "json": {"()": JsonLines},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "filters": ["request"],
                "formatter": settings.log_format,
            }
        },
        "root": {"level": foreign, "handlers": ["stderr"]},
        "loggers": {"scanline": {"level": level}},
    }


def configure(settings: Settings) -> None:
    """Set up logging for this process."""
    logging.config.dictConfig(configuration(settings))
    if settings.log_format == "json":
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda thread: _log_uncaught(
            thread.exc_type, thread.exc_value or thread.exc_type(), thread.exc_traceback
        )


def say(message: str) -> None:
    """Print a line for whoever started the server, in the format of the log."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    if formatters and isinstance(formatters[0], JsonLines):
        level = logging.INFO
        record = logging.LogRecord(_log.name, level, __file__, 0, message, None, None)
        message = formatters[0].format(record)
    print(message, flush=True)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):  # somebody wanted it
        return
    _log.critical("%s ends this thread", kind.__name__, exc_info=(kind, error, traceback))
