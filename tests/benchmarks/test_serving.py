"""The benchmark of the service: does it count what it says it counts?"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from benchmarks.serving import body, compare, entries, environments, network, table
from benchmarks.serving.competitors import asgi_echo
from benchmarks.serving.load import LOST, SILENT, Connection, drive
from benchmarks.serving.running import StartError, started
from benchmarks.serving.servers import ECHOES, RIVALS, Server
from benchmarks.serving.table import Figures
from model import signature
from model.predictor import Predictor

REQUEST = body.Request("/x", b"1234", {})


@contextmanager
def serving(app) -> Iterator[int]:
    """Run an ASGI application; gives its port."""
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def answering(status: int, headers: list[tuple[bytes, bytes]], chunks: tuple[bytes, ...] = (b"",)):
    """An application that always answers so."""

    async def app(scope, receive, send):  # noqa: ARG001
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for index, chunk in enumerate(chunks):
            more = index < len(chunks) - 1
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    return app


def test_closed_loop_counts_every_answer():
    seen = 0

    async def counting(scope, receive, send):
        nonlocal seen
        seen += 1
        await asgi_echo.app(scope, receive, send)

    with serving(counting) as port:
        measured = drive(port, REQUEST.wire(), 3, 0.2)
    assert measured.times.keys() == {200}
    assert len(measured.times[200]) == seen > 3
    assert measured.rate == pytest.approx(seen / measured.seconds)
    assert (measured.unsent, measured.unexplained, measured.wrong) == (0, 0, {})
    assert 0 < measured.busy <= 1.1
    assert max(measured.times[200]) < measured.seconds


def test_open_loop_keeps_to_its_rate_and_says_what_it_did_not_send():
    with serving(asgi_echo.app) as port:
        slow = drive(port, REQUEST.wire(), 4, 0.5, rate=40)
        fast = drive(port, REQUEST.wire(), 1, 0.3, rate=1e6)
    assert slow.sent + slow.unsent == 20
    assert fast.unsent > len(fast.times[200]) > 0
    assert fast.sent + fast.unsent == 300_000


def test_what_falls_due_while_the_load_stands_still_is_counted_and_late(monkeypatch):
    receive, answers = Connection.receive, 0

    def stalled(connection):
        nonlocal answers
        answers += 1
        if answers in (5, 15):
            time.sleep(0.3)  # as if the thread was not scheduled
        return receive(connection)

    monkeypatch.setattr(Connection, "receive", stalled)
    with serving(asgi_echo.app) as port:
        measured = drive(port, REQUEST.wire(), 20, 0.6, rate=40)
    assert measured.sent + measured.unsent == 24
    assert measured.unsent > 0
    assert max(measured.since_due[200]) > 0.2
    late = [
        due - sent for due, sent in zip(measured.since_due[200], measured.times[200], strict=True)
    ]
    assert min(late) >= 0
    assert max(late) > 0.2


def test_refusals_need_retry_after():
    with serving(answering(503, [(b"Retry-After", b"1")])) as port:
        polite = drive(port, REQUEST.wire(), 2, 0.1)
    with serving(answering(429, [])) as port:
        rude = drive(port, REQUEST.wire(), 2, 0.1)
    assert polite.wrong.keys() == {503}
    assert polite.unexplained == 0
    assert rude.unexplained == rude.wrong[429] > 0
    assert rude.rate == 0


def test_chunked_answers_and_connections_that_the_server_closes():
    with serving(answering(200, [], (b"one", b"two", b""))) as port:
        chunked = drive(port, REQUEST.wire(), 2, 0.1)
    with serving(answering(200, [(b"connection", b"close")])) as port:
        closing = drive(port, REQUEST.wire(), 2, 0.1)
    for measured in (chunked, closing):
        assert measured.times.keys() == {200}
        assert len(measured.times[200]) > 4


def test_lost_connections_are_counted():
    async def falling(scope, receive, send):  # noqa: ARG001
        raise RuntimeError("no answer at all")

    async def cut(scope, receive, send):  # noqa: ARG001
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("half an answer")

    with serving(falling) as port:
        assert drive(port, REQUEST.wire(), 2, 0.1).wrong.keys() == {500}
    with serving(cut) as port:
        measured = drive(port, REQUEST.wire(), 2, 0.1)
    assert measured.times.keys() == {LOST}


def test_answers_that_never_come(monkeypatch):
    monkeypatch.setattr("benchmarks.serving.load.PATIENCE", 0.2)

    async def waiting(scope, receive, send):  # noqa: ARG001
        while (await receive())["type"] != "http.disconnect":
            pass

    with serving(waiting) as port:
        measured = drive(port, REQUEST.wire(), 2, 0.1)
    assert measured.wrong == {SILENT: 2}


def test_figures():
    one = table.figures([0.001 * n for n in range(1, 102)], 2.0)
    assert one == Figures(50.5, pytest.approx(51), pytest.approx(100))
    assert table.figures([], 2.0).rate == 0
    rounds = [Figures(1, 20, 300), Figures(2, 10, 100), Figures(3, 30, 200)]
    assert table.median(rounds) == Figures(2, 20, 200)


def test_ratio_is_the_median_of_the_rounds_that_both_have():
    ours = {0: Figures(10, 1, 1), 1: Figures(30, 1, 1), 2: Figures(20, 1, 1)}
    theirs = {0: Figures(10, 1, 1), 2: Figures(5, 1, 1)}
    assert table.ratio(ours, theirs) == 2.5
    assert table.ratio(ours, {}) is None


def test_cells_and_markdown():
    assert table.cell(Figures(7375.4, 0.354, 32.1)) == "7,375 (0.35 / 32)"
    assert table.markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_request_is_an_image_of_the_protocol():
    request = body.json_request("net")
    assert request.path == "/v2/models/net/infer"
    tensor = json.loads(request.body)["inputs"][0]
    assert (tensor["name"], tensor["shape"]) == (signature.IMAGES, [1, 28, 28])
    np.testing.assert_array_equal(np.reshape(tensor["data"], (1, 28, 28)), body.image())
    head, _, sent = request.wire().partition(b"\r\n\r\n")
    assert sent == request.body
    assert f"Content-Length: {len(sent)}".encode() in head
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


def test_network_is_what_the_reference_computes(tmp_path):
    path = tmp_path / "net.onnx"
    network.write(path)
    expected = entries.expected_of(path)
    actual = Predictor(path).run(body.image())[signature.PROBABILITIES][0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    rows = entries.entries(path, path)
    assert {*RIVALS, *ECHOES, entries.OURS, entries.BINARY} < rows.keys()
    answer = json.dumps({"outputs": [{"data": [0.1] * 10}]}).encode()
    with serving(answering(200, [], (answer,))) as port, pytest.raises(entries.WrongAnswer):
        entries.check(rows[entries.OURS], port)
    with serving(answering(404, [])) as port, pytest.raises(entries.WrongAnswer, match="404"):
        entries.check(rows[entries.OURS], port)
    with serving(asgi_echo.app) as port:
        entries.check(rows["bare ASGI, echo only"], port)


ECHO = Server(
    ("python", "-m", "uvicorn", "benchmarks.serving.competitors.asgi_echo:app", "--port", "{port}")
)


def test_server_is_started_on_its_core_and_stopped():
    core = min(os.sched_getaffinity(0))
    with started(ECHO, core, Path("none"), REQUEST) as running:
        assert REQUEST.ask(running.port) == (200, b"1234")
        assert running.strays(core) == 0
        assert running.strays(core + 1) == len(running.pids()) == 1
        assert 5 < running.megabytes() < 500
        assert running.first_answer > 0
    assert running.process.returncode is not None
    with pytest.raises(ConnectionRefusedError):
        REQUEST.ask(running.port)


@pytest.mark.parametrize(
    ("code", "message"),
    [("raise SystemExit('no such thing')", "no such thing"), ("", "no answer")],
)
def test_server_that_ends_says_why(code, message):
    server = Server(("python", "-c", code))
    with (
        pytest.raises(StartError, match=message),
        started(server, min(os.sched_getaffinity(0)), Path("none"), REQUEST),
    ):
        pass


def test_environment_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setitem(environments.REQUIREMENTS, "wrong", (str(tmp_path / "nothing.whl"),))
    with pytest.raises(environments.InstallError, match="nothing"):
        environments.binaries("wrong")
    assert not (tmp_path / "wrong" / "installed.txt").exists()


def test_environment_is_made_once(tmp_path, monkeypatch):
    installed = []
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setitem(environments.REQUIREMENTS, "one", ("a==1",))

    def install(folder, requirements):
        folder.mkdir(exist_ok=True)
        installed.append(requirements)

    monkeypatch.setattr(environments, "_install", install)
    assert environments.binaries("one") == environments.binaries("one") == tmp_path / "one" / "bin"
    assert installed == [("a==1",)]
    monkeypatch.setitem(environments.REQUIREMENTS, "one", ("a==2",))
    environments.binaries("one")
    assert installed == [("a==1",), ("a==2",)]


def test_report_has_a_row_for_all_and_names_what_failed(capsys):
    rounds = compare.Rounds()
    for name, rate in ((entries.OURS, 900.0), ("LitServe 0.2.19", 300.0)):
        for connections in compare.CONNECTIONS:
            rounds.figures[name, connections] = {0: Figures(rate, 1.5, 12.0)}
        rounds.starts[name], rounds.megabytes[name] = [0.5], [80.0]
    rounds.failures["MLServer 1.7.1"] = "InstallError: no network"
    rounds.bare[entries.OURS] = [1800.0]
    entry = entries.Entry(ECHO, Path("net.onnx"), REQUEST, None, images=2)
    names = [entries.OURS, "LitServe 0.2.19", "MLServer 1.7.1"]
    compare.report(rounds, dict.fromkeys(names, entry), {entries.OURS: Path("net.onnx")})
    printed = capsys.readouterr().out
    assert "| LitServe 0.2.19 | 300 (1.5 / 12) | 300 (1.5 / 12) | 3.00x | 3.00x |" in printed
    assert "| MLServer 1.7.1 | InstallError: no network |" in printed
    assert "ours, at 16: 100% of ONNX Runtime alone" in printed
