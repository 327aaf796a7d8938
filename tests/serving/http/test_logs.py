"""Lines of the log, as a process writes them: one object each."""

import json
import subprocess
import sys
from datetime import UTC, datetime

from tests.support.running import ROOT


def written(script: str, log_format: str = "json", level: str = "debug") -> tuple[str, int]:
    """What a process that logs writes to standard error, and its exit code."""
    start = (
        "import logging, sys, threading, warnings\n"
        "from serving.http import logs\n"
        "from serving.settings import Settings\n"
        f"logs.configure(Settings(log_format={log_format!r}, log_level={level!r}))\n"
        "log = logging.getLogger('scanline.test')\n"
    )
    command = [sys.executable, "-c", start + script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    return done.stderr.decode(), done.returncode


def objects(text: str) -> list[dict]:
    """Each line is an object, and no reader may see more lines than the server meant."""
    assert text.isascii()
    assert len(text.splitlines()) == text.count("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_has_time_level_logger_message_and_fields():
    before = datetime.now(UTC)
    messages = ["a b", "a\nb", "a\r\n{}", "\u2028\u2029\x85\x0b\x1c", "\udcff", "\0"]
    script = (
        f"for message in {messages!r}: log.warning('%s', message)\n"
        "logs.request_id.set('mine'); log.info('x', extra={'status': 200, 'bytes': 3})"
    )
    *lines, last = objects(written(script)[0])
    assert [line["message"] for line in lines] == messages
    for line in lines:
        assert (line["level"], line["logger"]) == ("WARNING", "scanline.test")
        assert line["timestamp"].endswith("+00:00")
        assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)
        assert set(line) == {"timestamp", "level", "logger", "message"}
    assert (last["request_id"], last["status"], last["bytes"]) == ("mine", 200, 3)


def test_exceptions_and_warnings_are_one_line_each():
    script = (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')\n"
        "warnings.warn('a\\nwarning')\n"
        "def fail(): raise RuntimeError('in a thread')\n"
        "for work in (fail, sys.exit):\n"  # one that ends itself is no failure
        "    thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "raise SystemError('at the end')\n"
    )
    text, code = written(script)
    lines = objects(text)
    assert code == 1
    assert [line["level"] for line in lines] == ["ERROR", "WARNING", "CRITICAL", "CRITICAL"]
    assert "a\nwarning" in lines.pop(1)["message"]
    for line, error in zip(lines, ("ZeroDivision", "in a thread", "at the end"), strict=True):
        assert line["exc_info"].startswith("Traceback")
        assert error in line["exc_info"]


def test_levels_hold_for_the_server_and_other_libraries_tell_less():
    script = (
        "for name in ('scanline', 'httpx'):\n"
        "    for level in ('debug', 'info', 'warning'):\n"
        "        getattr(logging.getLogger(name), level)(level)\n"
    )

    def told(level: str) -> list[tuple[str, str]]:
        return [
            (line["logger"], line["message"]) for line in objects(written(script, level=level)[0])
        ]

    assert told("error") == []
    assert told("warning") == [("scanline", "warning"), ("httpx", "warning")]
    assert told("debug") == [
        *(("scanline", level) for level in ("debug", "info", "warning")),
        ("httpx", "warning"),
    ]


def test_text_is_for_people_and_names_the_request():
    text, _ = written("log.info('a'); logs.request_id.set('mine'); log.info('b')", "text")
    assert [" ".join(line.split()) for line in text.splitlines()] == ["INFO: a", "INFO: b [mine]"]
