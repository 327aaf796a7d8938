"""`python -m serving` as a process: what only a real server shows."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.conftest import save_tiny_model
from tests.support.calls import INFER, request
from tests.support.running import (
    LAST,
    ROOT,
    exchange,
    free_port,
    port_of,
    running,
    serving,
    url_of,
    wait_for,
    workers_of,
)

BODY = json.dumps(request(np.full((1, 28, 28), 7))).encode()
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
# Granian sees a worker end a moment late when two threads wait for it: nothing was killed.
LATE = "WARNING: Killing worker-1 after it refused to gracefully stop"
on_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


def post(path: str = INFER, more: bytes = b"", size: int | None = len(BODY)) -> bytes:
    """A head; without `size` its body comes in chunks."""
    length = b"Transfer-Encoding: chunked" if size is None else b"Content-Length: %d" % size
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n\r\n" % (path.encode(), more, length)


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


# --- The wire ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        yield port_of(process)


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "h2,h2c", "nonsense"])
def test_of_an_upgrade_that_is_not_offered_body_and_answer_are_whole(port, upgrade):
    head = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    head += b"Upgrade: %b\r\n" % upgrade.encode()
    hidden = b"GET /v2/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    for status, parts in (
        (200, [post(more=head) + BODY]),
        (200, [post(more=head), BODY]),
        (200, [post(more=head, size=None), chunks[:99], chunks[99:]]),
        (400, [post(more=head, size=len(hidden)) + hidden]),
        (400, [post(more=head, size=len(hidden)), hidden]),  # which is no request
    ):
        answer = exchange(port, *parts, LAST)
        assert statuses(answer) == [status, 200], parts
        assert (b'"probabilities"' in answer) == (status == 200)


def test_a_post_that_would_be_a_websocket_is_answered_or_closed(port):
    for parts in ([post(more=WEBSOCKET) + BODY], [post(more=WEBSOCKET), BODY]):
        found = statuses(exchange(port, *parts, LAST))
        assert found in ([], [400], [400, 200]), parts


def test_what_is_no_good_http_is_refused(port):
    get = b"GET /v2 HTTP/1.1\r\n"
    host = b"Host: x\r\n"
    for status, text in (
        (400, get + b"\r\n"),
        (400, get + b"Host: \r\n\r\n"),
        (400, get + host + host + b"\r\n"),
        (200, b"GET /v2 HTTP/1.0\r\n\r\n"),
        (400, b"no HTTP\r\n\r\n"),
        (431, get + host + b"X: " + b"x" * 300_000 + b"\r\n\r\n"),
        (431, get + host + b"X: y\r\n" * 5000 + b"\r\n"),
        (414, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (400, post(size=-1) + BODY),
        (400, post(more=b"Content-Length: 3\r\n") + BODY),
        (400, post(size=None) + b"no chunk\r\n"),
    ):
        assert statuses(exchange(port, text, LAST))[:1] == [status], text[:80]


def test_a_connection_goes_on_after_head(port):
    client = http.client.HTTPConnection("127.0.0.1", port)
    for method in ("HEAD", "GET", "HEAD", "GET"):
        client.request(method, "/v2/health/ready")
        with client.getresponse() as answer:
            assert answer.status == 200
            assert bool(answer.read()) == (method == "GET")
    client.close()


def test_slow_bodies_keep_nobody_out_and_end_by_408(tiny_model):
    flags = ("--max-concurrency", "2", "--max-heavy", "2", "--body-seconds", "3")
    with serving("--model", str(tiny_model), *flags) as process, ExitStack() as opened:
        address = "127.0.0.1", port_of(process)
        slow = [opened.enter_context(socket.create_connection(address)) for _ in range(20)]
        for client in slow:
            client.sendall(post("/classify", size=4) + b"te")
        answer = httpx.post(f"http://127.0.0.1:{address[1]}{INFER}", content=BODY, timeout=60)
        assert answer.status_code == 200
        for client in slow:
            client.settimeout(60)
            text = b"".join(iter(lambda client=client: client.recv(4096), b""))  # it is closed
            assert statuses(text) == [408]
            assert b'{"error":"the body took more than 3 s' in text


# --- Logs and keys ----------------------------------------------------------------------


def test_parent_and_workers_log_objects_and_no_key_query_or_picture(tiny_model):
    flags = ("--workers", "2", "--log-format", "json", "--log-level", "debug")
    key, query, trace = "a-key-to-hide", "a-query-to-hide", f"00-{'a' * 32}-{'b' * 16}-01"
    picture = (ROOT / "tests" / "seven.png").read_bytes()
    with (
        tempfile.TemporaryFile("w+") as log,
        serving("--model", str(tiny_model), *flags, SCANLINE_API_KEY=key, stderr=log) as process,
    ):
        started = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", json.loads(started)["message"])[0]
        head = {"X-Api-Key": key, "X-Request-Id": "mine", "traceparent": trace}
        for path, content, headers, status in (
            (f"/classify?key={query}", picture, head, 200),
            ("/classify", b"x", head, 415),
            ("/no%0Athing", b"x", head, 404),
            ("/v2", b"x", {"X-Api-Key": f"{key}x"}, 401),
            # Unlike httpx it does not look for an answer before all is sent.
            ("/classify", bytes(30_000_000), {}, 401),
            ("/classify", bytes(30_000_000), head, 413),
        ):
            client = http.client.HTTPConnection(url.removeprefix("http://"))
            client.request("POST", path, content, headers)
            assert client.getresponse().status == status
            client.close()
        process.terminate()
        assert process.wait(60) == 0
        log.seek(0)
        text = log.read()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)
    lines = [line for line in lines if line["logger"] == "scanline.access"]
    assert sorted(line["status"] for line in lines) == [200, 401, 401, 404, 413, 415]
    assert {line["traceparent"] for line in lines if line["request_id"] == "mine"} == {trace}
    for secret in (key, query, "IHDR", "Traceback"):
        assert secret not in text + started


# --- The end ----------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize(
    ("number", "flags"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGTERM, ("--workers", "2")),
        (signal.SIGINT, ("--workers", "2")),  # as a terminal sends it: to all processes
    ],
)
def test_a_signal_loses_no_request_in_flight(tiny_model, number, flags):
    flags = ("--model", str(tiny_model), "--drain-seconds", "60", *flags)
    with serving(*flags, group=True) as process, ExitStack() as opened:
        port = port_of(process)

        def sending(text: bytes) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            client.sendall(text)
            return opened.enter_context(client)

        for _ in range(50):
            sending(b"")
            sending(post(more=WEBSOCKET))
        in_flight = [sending(post("/classify", size=4) + b"te") for _ in range(8)]
        # What the workers' event loops have before them is taken in when they answer the last.
        for _ in range(20):
            httpx.get(f"http://127.0.0.1:{port}/v2", timeout=60)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        wait_for(lambda: not is_open(port))
        for client in in_flight:
            client.sendall(b"xt")
        for client in in_flight:
            assert statuses(client.recv(4096)) == [415]
        assert process.wait(60) == 0
        assert set(process.stderr.read().splitlines()) <= {LATE}


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@on_linux
def test_a_signal_within_the_start_ends_it_with_0(tiny_model):
    for flags in ((), ("--workers", "2")):
        with serving("--model", str(tiny_model), "--drain-seconds", "600", *flags) as process:
            if flags:  # while the workers import
                wait_for(lambda process=process: len(workers_of(process.pid)) == 2)
            else:
                wait_for(lambda process=process: catches_sigterm(process.pid))
            process.terminate()
            assert process.wait(60) == 0
            assert process.stdout.read() == ""
            assert set(process.stderr.read().splitlines()) <= {LATE}


def catches_sigterm(pid: int) -> bool:
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


# --- The start --------------------------------------------------------------------------


def test_what_keeps_it_from_starting_is_one_line_and_2(tmp_path, tiny_model):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    (tmp_path / "net.keras").write_bytes(b"PK")
    save_tiny_model(tmp_path / "foreign.onnx", probabilities="Identity:0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = str(taken.getsockname()[1])
        for flags, *words in (
            (("--model", "none.onnx"), "none.onnx"),
            (("--model", "broken.onnx"), "broken.onnx"),
            (("--model", "broken.onnx", "--workers", "2"), "broken.onnx"),
            (("--model", "foreign.onnx"), "foreign.onnx"),
            (("--model", "net.keras"), "export it first with `python -m model.export`"),
            (("--model", str(tiny_model), "--port", used), f"127.0.0.1:{used}", "--port"),
            (("--model", str(tiny_model), "--grpc-port", used), f"127.0.0.1:{used}", "--grpc-port"),
            (("--model", str(tiny_model), "--host", "192.0.2.1"), "192.0.2.1", "--host"),
            (("--model", str(tiny_model), "--host", "x" * 99), "x" * 99, "--host"),
        ):
            flags = [
                str(tmp_path / flag) if flag.endswith((".onnx", ".keras")) else flag
                for flag in flags
            ]
            with serving(*flags) as process:
                text = process.stderr.read()
                assert process.wait(60) == 2, flags
            assert all(word in text for word in words), text
            lines = [line for line in text.splitlines() if line != LATE]
            assert len(lines) == (2 if "--host" in flags else 1), text  # that no key is needed


def test_a_page_without_gradio_is_one_line_and_2():
    script = "import sys; sys.modules['gradio'] = None; import serving.__main__ as m; m.main()"
    command = [sys.executable, "-c", script, "--port", str(free_port())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--no-ui" in done.stderr


def test_a_start_says_what_its_operator_may_not_have_meant():
    missing = ("--no-ui", "--port", "0", "--model", "none.onnx")  # so that it ends at once
    for host, variables, expected in (
        ("127.0.0.1", {"SCANLINE_PROT": "80"}, ["SCANLINE_PROT"]),
        ("0.0.0.0", {"SCANLINE_API_KEYS": "secret"}, ["SCANLINE_API_KEYS", "SCANLINE_API_KEY:"]),
        ("0.0.0.0", {"SCANLINE_API_KEY": "secret"}, []),
    ):
        with running(*missing, "--host", host, **variables) as process:
            *warnings, error = process.stderr.read().splitlines()
            assert process.wait(60) == 2
        assert "none.onnx" in error
        assert len(warnings) == len(expected)
        for what, line in zip(expected, warnings, strict=True):
            assert what in line
            assert "secret" not in line


def test_the_page_and_its_documents_are_announced(tiny_model):
    with running("--port", "0", "--model", str(tiny_model)) as process:
        url = url_of(process)
        assert httpx.get(f"{url}/docs", timeout=60).status_code == 200
        page = httpx.get(url, timeout=60)
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        process.terminate()
        assert process.wait(60) == 0


def test_no_worker_outlives_its_parent(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        url = url_of(process)
        process.kill()

        def is_gone() -> bool:
            try:
                httpx.get(f"{url}/v2/health/live")
            except httpx.ConnectError:
                return True
            return False

        wait_for(is_gone)
