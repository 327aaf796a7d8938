"""Real processes: they drain, lose nothing that they took, replace dead workers, and end."""

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from model import signature
from serving.settings import Settings
from tests.support.running import port_of, serving, url_of, wait_for

MODEL = "/v2/models/tiny"
BODY = {
    "inputs": [
        {
            "name": signature.IMAGES,
            "shape": [1, signature.STEPS, signature.PIXELS],
            "datatype": "FP32",
            "data": [0] * (signature.STEPS * signature.PIXELS),
        }
    ]
}
HEAD = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
on_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


@contextmanager
def clients(url: str, number: int):
    """Calls without a pause from `number` threads; gives the answers' codes and the errors."""
    seen: Counter = Counter()
    is_over = threading.Event()

    def call() -> None:
        with httpx.Client() as client:
            while not is_over.is_set():
                try:
                    seen[client.post(f"{url}{MODEL}/infer", json=BODY).status_code] += 1
                except httpx.TransportError as error:
                    seen[type(error).__name__] += 1
                    if isinstance(error, httpx.ConnectError):  # as when nobody listens
                        return

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: seen[200] > 5 * number)
        yield seen
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


# --- The end ----------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--workers", "2")])
def test_sigterm_under_load_loses_no_request(tiny_model, flags):
    with serving("--model", str(tiny_model), *flags) as process:
        with clients(url_of(process), 20) as seen:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert set(seen) == {200, "ConnectError"}
        assert process.stderr.read() == ""


def test_for_a_while_after_sigterm_calls_are_taken_but_not_wanted(tiny_model):
    with serving("--model", str(tiny_model), "--shutdown-delay", "2") as process:
        url = url_of(process)
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503)
        assert httpx.get(f"{url}{MODEL}/ready").status_code == 503
        answer = httpx.post(f"{url}{MODEL}/infer", json=BODY)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert process.wait(30) == 0


def test_a_second_signal_ends_it_at_once(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        port = port_of(process)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(HEAD + b"te")
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 128 + signal.SIGTERM


def test_a_request_that_never_ends_holds_it_up_no_longer_than_set(tiny_model):
    with (
        serving("--model", str(tiny_model), "--drain-seconds", "1") as process,
        socket.create_connection(("127.0.0.1", port_of(process))) as client,
    ):
        client.sendall(HEAD + b"te")
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert client.recv(100).startswith(b"HTTP/1.1 503")
        log = process.stderr.read()
        assert "--drain-seconds" in log
        assert "Traceback" not in log


@on_linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_within_the_imports_ends_it_with_0(tiny_model, number):
    with serving("--model", str(tiny_model)) as process:
        status = Path(f"/proc/{process.pid}/status")

        def is_caught() -> bool:
            caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
            return bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

        wait_for(is_caught)
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stdout.read() == process.stderr.read() == ""


def test_pages_are_told_that_the_server_restarts(tiny_model):
    with serving("--model", str(tiny_model), "--ui") as process:
        with connect(url_of(process).replace("http", "ws") + "/live") as stream:
            stream.send("no drawing")
            assert "error" in stream.recv()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as end:
                stream.recv(timeout=30)
            assert end.value.rcvd.code == 1012
        assert process.wait(30) == 0


# --- Workers ----------------------------------------------------------------------------


def workers_of(parent: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and int(facts[1]) == parent and b"spawn_main" in command:
            found.add(int(entry.name))
    return found


@on_linux
def test_kill_9_of_a_worker_costs_only_what_it_held(tiny_model):
    number = 8
    with serving("--model", str(tiny_model), "--workers", "2") as process:
        url = url_of(process)
        with clients(url, number) as seen:
            first = workers_of(process.pid)
            assert len(first) == 2
            victim = min(first)
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(workers_of(process.pid) - {victim}) == 2)
            answered = seen[200]
            wait_for(lambda: seen[200] > answered + 20)
        errors = {what: times for what, times in seen.items() if what != 200}
        assert set(errors) <= {"ReadError", "RemoteProtocolError", "WriteError"}
        assert sum(errors.values()) <= number  # each client had one connection
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@on_linux
def test_workers_end_with_their_parent(tiny_model):
    with serving("--model", str(tiny_model), "--workers", "2") as process:
        url = url_of(process)
        workers = workers_of(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers))
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


@on_linux
def test_ctrl_c_in_a_terminal_drains_the_workers(tiny_model):
    """It goes to the whole group, the parent then tells the workers again."""
    with serving("--model", str(tiny_model), "--workers", "2", group=True) as process:
        with clients(url_of(process), 8) as seen:
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30) == 0
        assert set(seen) == {200, "ConnectError"}


def test_several_workers_need_no_page(capsys):
    with pytest.raises(SystemExit) as end:
        Settings.parse(["--workers", "2"], {})
    assert end.value.code == 2
    assert "--no-ui" in capsys.readouterr().err
    assert Settings.parse(["--workers", "2", "--no-ui"], {}).workers == 2


@pytest.mark.parametrize("flags", [(), ("--workers", "2")])
def test_a_broken_network_is_one_line_and_2(tmp_path, flags):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with serving("--model", str(tmp_path / "broken.onnx"), *flags) as process:
        assert process.wait(30) == 2
        assert process.stderr.read().count("\n") == 1


# --- Slow clients -----------------------------------------------------------------------


def test_a_body_that_stalls_or_drips_is_408(tiny_model):
    with serving("--model", str(tiny_model), "--body-seconds", "1") as process:
        address = ("127.0.0.1", port_of(process))
        with (
            socket.create_connection(address, timeout=20) as stalls,
            socket.create_connection(address, timeout=20) as drips,
        ):
            stalls.sendall(HEAD + b"t")
            drips.sendall(HEAD.replace(b"Content-Length: 4", b"Content-Length: 4000"))
            while not select.select([drips], [], [], 0.1)[0]:
                drips.sendall(b"t")
            for client in (drips, stalls):
                text = b"".join(iter(partial(client.recv, 1000), b""))  # to the end: it is closed
                assert text.startswith(b"HTTP/1.1 408"), text
                assert b"connection: close" in text
                assert b'{"error":' in text


def test_what_is_no_http_is_counted_and_fills_no_log(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        url = url_of(process)
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
            client.sendall(b"no HTTP\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        line = 'scanline_requests_total{code="400",route="unmatched"} 1.0'
        assert line in httpx.get(f"{url}/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_who_still_sends_reads_that_the_body_is_too_large(tiny_model):
    with serving("--model", str(tiny_model), SCANLINE_API_KEY="a-key") as process:
        url = url_of(process)
        for headers, status in (({}, 401), ({"X-API-Key": "a-key"}, 413)):
            # Unlike httpx it does not look for an answer before all is sent.
            client = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
            client.request("POST", "/classify", bytes(30_000_000), headers)
            assert client.getresponse().status == status
            client.close()


def test_slow_bodies_do_not_keep_others_out(tiny_model):
    flags = ("--max-concurrency", "2", "--max-heavy", "2")
    with serving("--model", str(tiny_model), *flags) as process:
        url = url_of(process)
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        slow = [socket.create_connection(address) for _ in range(20)]
        for client in slow:
            client.sendall(HEAD + b"te")
            # More than two in one round of the event loop would be refused: this makes one end.
            assert httpx.get(f"{url}/v2/health/live").status_code == 200
        assert httpx.post(f"{url}{MODEL}/infer", json=BODY).status_code == 200
        for client in slow:
            client.sendall(b"xt")
            assert client.recv(100).startswith(b"HTTP/1.1 415")
            client.close()


def test_the_key_comes_by_the_variable_and_stands_in_no_log(tiny_model):
    flags = ("--model", str(tiny_model), "--log-level", "debug")
    with serving(*flags, SCANLINE_API_KEY="a-key-to-hide") as process:
        url = url_of(process)
        assert httpx.get(f"{url}/v2").status_code == 401
        headers = {"authorization": "Bearer a-key-to-hide"}
        assert httpx.get(f"{url}/v2", headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "a-key-to-hide" not in process.stderr.read() + process.stdout.read()
