"""benchmarks/serving: what is asked, what counts as right, and what is counted."""

import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import body, compare, network
from benchmarks.serving.load import Measured, drive
from benchmarks.serving.servers import Server, StartError, ours, started
from model import signature

CORE = min(os.sched_getaffinity(0))


class Turns(BaseHTTPRequestHandler):
    """Answers 200, 503 with and 503 without Retry-After in turns."""

    protocol_version = "HTTP/1.1"
    numbers = count()

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = ((200, {}), (503, {"retry-after": "1"}), (503, {}))[
            next(self.numbers) % 3
        ]
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


@pytest.mark.skipif(not shutil.which("wrk"), reason="needs Debian's wrk")
def test_every_answer_is_counted():
    with ThreadingHTTPServer(("127.0.0.1", 0), Turns) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        measured = drive(server.server_port, body.json_request("net"), 4, 1)
        server.shutdown()
    assert measured.good > 10
    assert measured.refused == pytest.approx(measured.answers / 3, abs=5)
    assert measured.wrong == pytest.approx(measured.answers / 3, abs=5)
    assert 0 < measured.p50 <= measured.p99


def test_requests_are_images_of_the_protocol():
    tensor = json.loads(body.json_request("net").body)["inputs"][0]
    assert (tensor["name"], tensor["shape"]) == (signature.IMAGES, [1, 28, 28])
    np.testing.assert_array_equal(np.reshape(tensor["data"], (1, 28, 28)), body.image())
    binary = body.binary_request("net")
    header = json.loads(binary.body[: int(binary.headers[body.LENGTH])])
    size = header["inputs"][0]["parameters"]["binary_data_size"]
    assert binary.body[-size:] == body.image().tobytes()
    assert body.batch_request("net").body.endswith(body.BATCH * body.image().astype("u1").tobytes())


def test_probabilities_of_both_kinds_of_answer():
    values = np.linspace(0, 1, signature.DIGITS, dtype=np.float32)
    answer = json.dumps({"outputs": [{"data": values.tolist()}]}).encode()
    np.testing.assert_allclose(body.probabilities(answer), [values])
    for images in (1, 3):
        several = b'{"outputs"' + images * values.tobytes()
        np.testing.assert_array_equal(body.probabilities(several, images), [values] * images)
    for wrong in (b'{"outputs":[{"data":[1]}]}', b'{"error":"no"}', b"[]"):
        with pytest.raises(ValueError, match=r"probabilities|protocol"):
            body.probabilities(wrong)


def test_our_server_is_measured_only_if_its_answer_is_right(tmp_path):
    """And once it is stopped nobody answers."""
    path = tmp_path / "net.onnx"
    network.write(path)
    row = compare.Row(ours(), path, body.json_request("net"))
    with started(row.server, CORE, path, row.request) as running:
        row.check(running.port)
        rss, pss = running.megabytes()
        assert 0 < pss <= rss
        assert running.first_answer > 0
        other = compare.Row(ours(), path, body.json_request("none"))
        with pytest.raises(compare.WrongAnswer, match="404"):
            other.check(running.port)
    with pytest.raises(ConnectionRefusedError):
        row.request.ask(running.port)


def test_a_server_that_ends_says_why():
    server = Server(("python", "-c", "raise SystemExit('no such thing')"))
    with (
        pytest.raises(StartError, match="no such thing"),
        started(server, CORE, Path("none"), body.json_request("net")),
    ):
        pass


def test_the_table_has_a_line_for_all_and_names_what_failed():
    rounds = compare.Rounds((1, 16))
    rows = {}
    for name, rate in ((compare.OURS, 900), ("LitServe", 300), ("MLServer", 0)):
        rows[name] = compare.Row(ours(), Path(), body.json_request("net"), compare.OURS)
        rounds.starts[name].append((0.5, 80, 70))
        for connections in rounds.connections:
            rounds.loads[name, connections][0] = Measured(1, rate, 0, rate, 0, 1.5, 12)
    rounds.failures["MLServer"] = "InstallError: no network"
    table = rounds.table(rows)
    assert (
        "| LitServe | 300 (1.5 / 12) | 300 (1.5 / 12) | 3.00x | 3.00x | 0.50 | 80 / 70 |" in table
    )
    assert "| MLServer | InstallError: no network |" in table
