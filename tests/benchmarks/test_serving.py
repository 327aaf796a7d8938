"""The benchmarks of the service: do they count and judge what they say?"""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import body, compare, entries, histogram, network, overload, table
from benchmarks.serving.histogram import Histogram
from benchmarks.serving.load import LOST, Measured, drive
from benchmarks.serving.servers import ECHOES, RIVALS, Server
from benchmarks.serving.table import Figures
from model import signature
from model.predictor import Predictor
from serving.http.metrics import Metrics

REQUEST = body.Request("/x", b"1234", {})
INFER = "/v2/models/{model}/infer"


@contextmanager
def answering(status: int, headers: dict | None = None, content: bytes = b"") -> Iterator:
    """A server that always answers so; gives its port and a list of the paths it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def test_closed_and_open_loops_count_every_answer():
    with answering(200) as (port, asked):
        closed = drive(port, REQUEST.wire(), 3, 0.2)
        assert closed.times.keys() == {200}
        assert len(closed.times[200]) == len(asked) > 0
        assert closed.rate == pytest.approx(len(asked) / closed.seconds)
        assert (closed.unsent, closed.unexplained, closed.wrong) == (0, 0, {})
        opened = drive(port, REQUEST.wire(), 4, 0.5, rate=40)
        assert opened.sent + opened.unsent == 20
    with answering(503, {"Retry-After": "1"}) as (port, _):
        assert drive(port, REQUEST.wire(), 2, 0.1).unexplained == 0
    with answering(429) as (port, _):
        rude = drive(port, REQUEST.wire(), 2, 0.1)
        assert rude.unexplained == rude.wrong[429] > 0
        assert rude.rate == 0
    with answering(200, {"Content-Length": "9", "Connection": "close"}, b"half") as (port, _):
        assert drive(port, REQUEST.wire(), 2, 0.1).times.keys() == {LOST}


def test_figures_medians_ratios_and_cells():
    one = table.figures([0.001 * n for n in range(1, 102)], 2.0)
    assert one == Figures(50.5, pytest.approx(51), pytest.approx(100))
    assert table.figures([], 2.0).rate == 0
    rounds = [Figures(1, 20, 300), Figures(2, 10, 100), Figures(3, 30, 200)]
    assert table.median(rounds) == Figures(2, 20, 200)
    ours = {0: Figures(10, 1, 1), 1: Figures(30, 1, 1), 2: Figures(20, 1, 1)}
    assert table.ratio(ours, {0: Figures(10, 1, 1), 2: Figures(5, 1, 1)}) == 2.5
    assert table.ratio(ours, {}) is None
    assert table.cell(Figures(7375.4, 0.354, 32.1)) == "7,375 (0.35 / 32)"
    assert table.markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_requests_are_of_the_protocol_and_their_answers_are_read():
    request = body.json_request("net")
    assert request.path == "/v2/models/net/infer"
    [tensor] = json.loads(request.body)["inputs"]
    assert (tensor["name"], tensor["shape"]) == (signature.IMAGES, [1, 28, 28])
    np.testing.assert_array_equal(np.reshape(tensor["data"], (1, 28, 28)), body.image())
    binary = body.binary_request("net")
    header = json.loads(binary.body[: int(binary.headers[body.LENGTH])])
    size = header["inputs"][0]["parameters"]["binary_data_size"]
    assert binary.body[-size:] == body.image().tobytes()
    values = np.linspace(0, 1, signature.DIGITS, dtype=np.float32)
    answer = json.dumps({"outputs": [{"data": values.tolist()}]}).encode()
    np.testing.assert_allclose(body.probabilities(answer), [values])
    several = b'{"outputs"' + 3 * values.tobytes()
    np.testing.assert_array_equal(body.probabilities(several, 3), [values] * 3)
    for wrong in (b'{"outputs":[{"data":[1]}]}', b'{"error":"no"}', b"[]"):
        with pytest.raises(ValueError, match=r"probabilities|protocol"):
            body.probabilities(wrong)


def test_the_network_is_what_the_reference_computes_and_wrong_answers_are_seen(tmp_path):
    path = tmp_path / "net.onnx"
    network.write(path)
    actual = Predictor(path).run(body.image())[signature.PROBABILITIES][0]
    np.testing.assert_allclose(actual, entries.expected_of(path), atol=1e-5)
    rows = entries.entries(path, path)
    assert {*RIVALS, *ECHOES, entries.OURS, entries.BINARY} < rows.keys()
    answer = json.dumps({"outputs": [{"data": [0.1] * 10}]}).encode()
    for status in (200, 404):
        with (
            answering(status, None, answer) as (port, _),
            pytest.raises(entries.WrongAnswer),
        ):
            entries.check(rows[entries.OURS], port)


def test_the_comparison_has_a_row_for_all_and_names_what_failed(capsys):
    rounds = compare.Rounds()
    for name, rate in ((entries.OURS, 900.0), ("LitServe 0.2.19", 300.0)):
        for connections in compare.CONNECTIONS:
            rounds.figures[name, connections] = {0: Figures(rate, 1.5, 12.0)}
        rounds.starts[name], rounds.megabytes[name] = [0.5], [80.0]
    rounds.failures["MLServer 1.7.1"] = "InstallError: no network"
    rounds.bare[entries.OURS] = [1800.0]
    entry = entries.Entry(Server(("true",)), Path("net.onnx"), REQUEST, None, images=2)
    names = [entries.OURS, "LitServe 0.2.19", "MLServer 1.7.1"]
    compare.report(rounds, dict.fromkeys(names, entry), {entries.OURS: Path("net.onnx")})
    printed = capsys.readouterr().out
    assert "| LitServe 0.2.19 | 300 (1.5 / 12) | 300 (1.5 / 12) | 3.00x | 3.00x |" in printed
    assert "| MLServer 1.7.1 | InstallError: no network |" in printed
    assert "ours, at 16: 100% of ONNX Runtime alone" in printed


def outcome(codes=(200, 503), **changed) -> overload.Outcome:
    measured = Measured(seconds=1.0, unsent=5, unexplained=changed.pop("unexplained", 0))
    for code in codes:
        for _ in range(50):
            measured.add(code, 0.002, 0.003)
    good = {
        "wanted": 100.0,
        "measured": measured,
        "unloaded": 1.0,
        "served": 18.0,
        "queue": 16.0,
        "memory": [100.0, 109.0, 92.0],
        "is_alive": True,
        "code": 0,
    }
    return overload.Outcome(**{**good, **changed})


def test_each_bar_of_the_overload_is_judged(capsys):
    assert overload.report(outcome()) is True
    assert "NO" not in capsys.readouterr().out
    for wrong in (
        *({"codes": (200, 500)}, {"codes": (200, LOST)}, {"unexplained": 1}, {"wanted": 112.0}),
        *({"served": 19.1}, {"served": math.nan}, {"is_alive": False}, {"code": 1}),
        *({"memory": [100.0, 111.0, 100.0]}, {"memory": [100.0, 89.0]}, {"memory": []}),
    ):
        one = outcome(**wrong)
        assert list(one.bars().values()).count(False) == 1, wrong
        assert overload.report(one) is False


def test_the_servers_own_p99_is_of_the_accepted_or_longer():
    watch = Metrics(lambda: ())
    watch.answered(INFER, 200, 0.0004)
    before = histogram.parse(watch.render()[0].decode())
    for seconds, count in ((0.0004, 180), (0.009, 18), (0.02, 2)):
        for _ in range(count):
            watch.answered(INFER, 200, seconds)
    for _ in range(1000):
        watch.answered(INFER, 503, 0.00005)
    found = histogram.parse(watch.render()[0].decode()).since(before)
    assert found.accepted == 200
    assert found.slowest(0.01) == pytest.approx(0.01)  # 2 of 200 took longer than its bucket's end
    assert found.slowest(0.055) == pytest.approx(0.0075)
    assert math.isnan(Histogram({math.inf: 3.0}, 0.0).slowest())
