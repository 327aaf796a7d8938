"""The Lab's routes give what the command prints, and one line for what they cannot compute."""

import asyncio
import struct

import numpy as np
import pytest
from fastapi.testclient import TestClient

from model.cards import RELEASE
from model.lab import panels
from model.lab.__main__ import main, trained
from model.lab.drawing import Drawing
from serving.app import create_app
from serving.inference.models import Models
from serving.page import lab, stream
from serving.settings import Settings
from tests.serving.page.test_stream import message
from tests.support.drawings import FOUR


def client_of(*paths):
    async def app():
        return create_app(Models(paths), Settings())

    return TestClient(asyncio.run(app()))


@pytest.fixture(scope="module")
def client():
    with client_of(RELEASE) as client:
        yield client


def test_numbers_are_those_of_the_command(client, capsys):
    for panel in panels.PANELS:
        assert main([panel]) == 0
        answer = client.get(f"/lab/{panel}.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.text == capsys.readouterr().out.strip()
    assert client.get("/lab/paths.json?W=2&x=0.5,-1").json()["tau"][0] == pytest.approx(1.4)


def test_the_same_on_a_drawing(client, tmp_path, capsys):
    seen = stream.read_input(message(FOUR))
    pixels = seen.image.astype(np.uint8)
    np.save(tmp_path / "four.npy", pixels)
    picture = struct.pack("<II", 1, stream.ROWS) + pixels.tobytes()
    for panel in panels.ON_DRAWING:
        drawn = client.post(f"/lab/drawing/{panel}.json", content=message(FOUR))
        expected = panels.answer(panel, {}, Drawing(seen.image, trained, seen.strokes))
        assert (drawn.status_code, drawn.text) == (200, expected)
        assert main([panel, "--drawing", str(tmp_path / "four.npy")]) == 0
        answer = client.post(f"/lab/drawing/{panel}.json", content=picture)
        assert answer.text == capsys.readouterr().out.strip()


def test_recorded_figures(client, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "RECORDED", tmp_path)
    (tmp_path / "memory.json").write_text('{"command": "a"}')
    assert client.get("/lab/recorded/memory.json").json() == {"command": "a"}
    missing = client.get("/lab/recorded/none.json")
    assert (missing.status_code, missing.json()) == (
        404,
        {"error": "nothing recorded as 'none': there is memory"},
    )


def test_a_label_that_is_left_open_is_the_networks_answer(client):
    asked = ("", "?label=", "?label=4", "?label=0")
    first, *others = (
        client.post(f"/lab/drawing/clipping.json{query}", content=message(FOUR)).json()
        for query in asked
    )
    assert first["label"] == 4
    assert [each == first for each in others] == [True, True, False]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "paths.json?W=x", b"", 400, "W: 'x' is not a number"),
        ("GET", "paths.json?V=1e200", b"", 400, "too large for float64"),
        ("GET", "paths.json?Q=1", b"", 400, "paths has no 'Q'"),
        ("GET", "paths.json?W=1&W=2", b"", 400, "W is given twice"),
        ("GET", "nothing.json", b"", 404, "no panel 'nothing': it is one of graph, paths"),
        ("POST", "drawing/paths.json", message(FOUR), 404, "no panel 'paths' on a drawing"),
        ("POST", "drawing/graph.json?row=29", message(FOUR), 400, "row must be 1 to 28, not 29"),
        ("POST", "drawing/graph.json?row=0", message(FOUR), 400, "'0' is not a whole number above"),
        ("POST", "drawing/graph.json?unit=128", message(FOUR), 400, "unit must be 0 to 127"),
        ("POST", "drawing/clipping.json?c=0", message(FOUR), 400, "c must be above 0, not 0"),
        ("POST", "drawing/clipping.json?label=10", message(FOUR), 400, "label must be a digit"),
        ("POST", "drawing/clipping.json?label=-1", message(FOUR), 400, "label: '-1' is not a"),
        ("POST", "drawing/clipping.json", message([]), 400, "no ink: draw a digit first"),
        ("POST", "drawing/clipping.json", b"", 400, "at least 8 bytes"),
    ],
)
def test_what_cannot_be_computed_is_one_line(client, method, path, body, status, says):
    answer = client.request(method, f"/lab/{path}", content=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_network_that_is_not_served_is_told_how_to_serve_it(tiny_model):
    with client_of(tiny_model) as client:
        answer = client.post("/lab/drawing/truncation.json", content=message(FOUR))
        assert answer.status_code == 404
        assert "'elman' is not served here: start with --model model/release" in answer.text
        assert client.get("/lab/paths.json").status_code == 200


def test_docs_list_the_panels(client):
    described = client.get("/openapi.json").json()["paths"]["/lab/{panel}.json"]["get"]
    [panel, *queries] = described["parameters"]
    assert panel["schema"]["enum"] == [*panels.PANELS]
    assert {"W", "x", "on_paper", "piece"} <= {query["name"] for query in queries}
