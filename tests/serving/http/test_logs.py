"""Lines of the log, as a process writes them: one object each, and nothing private."""

import json
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from serving.page.gradio_routes import API
from tests.support.running import ROOT, running

SEVEN = (ROOT / "tests" / "seven.png").read_bytes()
KEY = "a-secret-key-of-the-operator"
QUERY = "a-secret-in-a-query"


def written(script: str, log_format: str = "json", level: str = "debug") -> tuple[str, int]:
    """What a process that logs writes to standard error, and its exit code."""
    start = (
        "import logging, sys, threading, warnings\n"
        "from serving import logs\n"
        "from serving.settings import Settings\n"
        f"logs.configure(Settings(log_format={log_format!r}, log_level={level!r}))\n"
        "log = logging.getLogger('scanline.test')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + script], cwd=ROOT, capture_output=True, timeout=60
    )
    return done.stderr.decode(), done.returncode


def objects(text: str) -> list[dict]:
    """Each line is an object, and no reader may see more lines than the server meant."""
    assert text.isascii()
    assert len(text.splitlines()) == text.count("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_has_time_level_logger_and_message():
    before = datetime.now(UTC)
    [line] = objects(written("log.warning('a %s', 'b')")[0])
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "scanline.test", "a b")
    time = datetime.fromisoformat(line["timestamp"])
    assert line["timestamp"].endswith("+00:00")
    assert before <= time <= datetime.now(UTC)
    assert set(line) == {"timestamp", "level", "logger", "message"}


def test_a_line_within_a_request_has_its_id_and_its_fields():
    script = "logs.request_id.set('mine'); log.info('x', extra={'status': 200, 'bytes': 3})"
    [line] = objects(written(script)[0])
    assert (line["request_id"], line["status"], line["bytes"]) == ("mine", 200, 3)


@pytest.mark.parametrize("message", ["a\nb", "a\r\n{}", "\u2028\u2029\x85\x0b\x1c", "\udcff", "\0"])
def test_no_message_breaks_its_line(message):
    [line] = objects(written(f"log.info({message!r})")[0])
    assert line["message"] == message


def test_exceptions_and_warnings_are_one_line_each():
    script = (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')\n"
        "warnings.warn('a\\nwarning')\n"
        "def fail(): raise RuntimeError('in a thread')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "raise SystemError('at the end')\n"
    )
    text, code = written(script)
    lines = objects(text)
    assert code == 1
    assert [line["level"] for line in lines] == ["ERROR", "WARNING", "CRITICAL", "CRITICAL"]
    assert lines[1]["logger"] == "py.warnings"
    assert "a\nwarning" in lines[1]["message"]
    for line, error in zip(
        (lines[0], lines[2], lines[3]), ("ZeroDivision", "in a thread", "at the end"), strict=True
    ):
        assert line["exc_info"].startswith("Traceback")
        assert error in line["exc_info"]


def test_a_thread_that_ends_itself_is_none():
    script = "thread = threading.Thread(target=sys.exit); thread.start(); thread.join()"
    assert written(script) == ("", 0)


def test_the_traceback_of_a_failure_names_the_request(tiny_model):
    script = (
        "import time, uvicorn, httpx\n"
        "from pathlib import Path\n"
        "from serving.app import create_app\n"
        "from serving.inference.models import Models\n"
        f"app = create_app(Models([Path({str(tiny_model)!r})]), Settings())\n"
        "def fail(): raise RuntimeError('unexpected')\n"
        "app.add_api_route('/fail', fail)\n"
        "config = uvicorn.Config(app, port=0, log_config=None, access_log=False)\n"
        "server = uvicorn.Server(config)\n"
        "thread = threading.Thread(target=server.run); thread.start()\n"
        "while not server.started: time.sleep(0.01)\n"
        "port = server.servers[0].sockets[0].getsockname()[1]\n"
        "answer = httpx.get(f'http://127.0.0.1:{port}/fail', headers={'x-request-id': 'mine'})\n"
        "server.should_exit = True; thread.join()\n"
        "sys.exit(answer.headers.get('x-request-id') != 'mine')\n"
    )
    text, code = written(script)
    assert code == 0, text
    [failure] = [line for line in objects(text) if line["level"] == "ERROR"]
    assert failure["request_id"] == "mine"
    assert "RuntimeError: unexpected" in failure["exc_info"]
    [access] = [line for line in objects(text) if line["logger"] == "scanline.access"]
    assert (access["request_id"], access["status"]) == ("mine", 500)


def test_levels_hold_for_the_server_and_other_libraries_tell_less():
    script = (
        "for name in ('scanline', 'uvicorn.error', 'httpx', 'PIL.PngImagePlugin'):\n"
        "    for level in ('debug', 'info', 'warning'):\n"
        "        getattr(logging.getLogger(name), level)(level)\n"
    )

    def told(level: str) -> list[tuple[str, str]]:
        lines = objects(written(script, level=level)[0])
        return [(line["logger"], line["message"]) for line in lines]

    others = [("httpx", "warning"), ("PIL.PngImagePlugin", "warning")]
    assert told("error") == []
    assert told("warning") == [("scanline", "warning"), ("uvicorn.error", "warning"), *others]
    # Of uvicorn at the level debug there would be all headers and frames of WebSockets.
    assert told("debug") == [
        *(("scanline", level) for level in ("debug", "info", "warning")),
        *(("uvicorn.error", level) for level in ("info", "warning")),
        *others,
    ]


def test_text_is_for_people_and_names_the_request():
    text, _ = written("log.info('a'); logs.request_id.set('mine'); log.info('b')", "text")
    assert [" ".join(line.split()) for line in text.splitlines()] == ["INFO: a", "INFO: b [mine]"]


@contextmanager
def serving(model: Path, *flags: str, **variables: str):
    """A server that says all it can; gives its address, and its output once it has ended."""
    output: list[str] = []
    with running("--model", str(model), "--port", "0", *flags, **variables) as process:
        reader = threading.Thread(target=lambda: output.append(process.stderr.read()))
        reader.start()
        try:
            first = process.stdout.readline()
            yield re.search(r"http://([\d.:]+)", first)[1], output
            process.send_signal(signal.SIGTERM)
            output.append(first + process.stdout.read())
            assert process.wait(30) == 0
        finally:
            process.kill()
            reader.join()
    output.sort(key=lambda text: "(Ctrl-C ends it)" in text)


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["one process", "two workers"])
def test_a_server_writes_nothing_but_objects(tiny_model, flags):
    options = ["--no-ui", "--log-format", "json", "--log-level", "debug"]
    with serving(tiny_model, *options, *flags) as (address, output):
        url = f"http://{address}"
        head = {"X-Request-Id": "mine"}
        assert httpx.get(f"{url}/v2", headers=head).headers["x-request-id"] == "mine"
        assert httpx.get(f"{url}/no%0Athing").status_code == 404
        assert httpx.post(f"{url}/classify", content=b"x").status_code == 415
    stderr, stdout = output
    [line] = objects(stdout)
    assert address in line["message"]
    lines = [line for line in objects(stderr) if line["logger"] == "scanline.access"]
    fields = ("method", "route", "path", "status")
    lines.sort(key=lambda line: line["status"])  # of two workers either may write first
    assert [tuple(line[field] for field in fields) for line in lines] == [
        ("GET", "/v2", "/v2", 200),
        ("GET", "unmatched", "/no%0Athing", 404),
        ("POST", "/classify", "/classify", 415),
    ]
    assert lines[0]["request_id"] == "mine"
    assert all(line["milliseconds"] >= 0 and line["bytes"] > 0 for line in lines)
    assert len({line["request_id"] for line in lines}) == 3


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_neither_keys_nor_queries_nor_pictures_are_written(tiny_model, log_format):
    options = ["--log-format", log_format, "--log-level", "debug"]
    drawing = bytes([1, 0, 0, 0, 255, 255, 255, 255]) + b"secret ink !" * 66  # 784 pixels and 8
    drawing = drawing[: 8 + 784]
    with serving(tiny_model, *options, SCANLINE_API_KEY=KEY) as (address, output):
        head = {"Authorization": f"Bearer {KEY}"}
        body = {"content": SEVEN, "headers": {**head, "content-type": "image/png"}}
        assert httpx.post(f"http://{address}/classify?key={QUERY}", **body).status_code == 200
        wrong = {"Authorization": f"Bearer {KEY}x"}
        assert httpx.get(f"http://{address}/v2?key={QUERY}", headers=wrong).status_code == 401
        with connect(f"ws://{address}/live?key={QUERY}", additional_headers=head) as socket:
            socket.send(drawing)
            assert len(socket.recv()) > 1000
    stderr, stdout = output
    assert "WEBSOCKET /live 101" in stderr
    for secret in (KEY, QUERY, "secret ink", "IHDR", "736563726574"):
        assert secret not in stderr + stdout


def test_what_anybody_can_send_leaves_no_traceback(tiny_model):
    with serving(tiny_model) as (address, output):
        with connect(f"ws://{address}/live") as socket:
            socket.send(b"\xff", text=True)  # no UTF-8
            with pytest.raises(ConnectionClosedError) as refused:
                socket.recv()
        unknown = [f"call/{API}/unknown", f"call/v2/{API}/unknown", "queue/data?session_hash=x"]
        for path in unknown:
            answer = httpx.get(f"http://{address}/gradio_api/{path}")  # a whole one
            assert "404" in answer.text, path
    assert refused.value.rcvd.code == 1007
    stderr, _ = output
    assert "Traceback" not in stderr
    assert "Error" not in stderr
