"""The live view's WebSocket: the message layout, what is refused, and that it lives on."""

import asyncio
import json
import struct
import threading

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.prediction import prepare_strokes
from model.predictor import Predictor
from serving.inference.models import Models
from serving.page import stream
from serving.page.stream import add_stream
from tests.conftest import save_tiny_model

MOST = 3  # streams at a time
SEVEN = [np.array([[0.25, 0.2], [0.75, 0.2], [0.45, 0.85]], np.float32)]


def message(strokes, sequence: int = 1) -> bytes:
    lengths = [len(stroke) for stroke in strokes]
    points = b"".join(np.asarray(stroke, "<f4").tobytes() for stroke in strokes)
    return struct.pack(f"<II{len(lengths)}I", sequence, len(lengths), *lengths) + points


def unpack(frame: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """The page's side: ``live/core/protocol.js``."""
    [length] = struct.unpack_from("<I", frame)
    header = json.loads(frame[4 : 4 + length])
    at = 4 + length
    assert at % 4 == 0, "a Float32Array must start at a multiple of four bytes"
    tensors = {}
    for entry in header["tensors"]:
        size = int(np.prod(entry["shape"]))
        tensors[entry["name"]] = np.frombuffer(frame, "<f4", size, at).reshape(entry["shape"])
        at += 4 * size
    assert at == len(frame)
    return header, tensors


@pytest.fixture(scope="module")
def models(tiny_model, doubting_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("more")
    save_tiny_model(folder / "a.onnx")
    (folder / "broken.onnx").write_bytes(b"not a network")
    return Models([tiny_model, doubting_model, folder])


@pytest.fixture(scope="module")
def predictor(models):
    return models.default


@pytest.fixture(scope="module")
def client(models):
    app = FastAPI()
    add_stream(app, models, MOST)
    with TestClient(app) as client:
        yield client


def test_strokes_come_back_as_they_were_sent():
    strokes = [SEVEN[0], np.array([[0.0, 1.0]], np.float32)]
    sequence, read = stream.read_strokes(message(strokes, sequence=2**32 - 1))
    assert sequence == 2**32 - 1
    assert len(read) == 2
    for sent, got in zip(strokes, read, strict=True):
        np.testing.assert_array_equal(sent, got)


@pytest.mark.parametrize("strokes", [[], [np.zeros((0, 2))]])
def test_an_empty_drawing_has_no_strokes(strokes):
    assert stream.read_strokes(message(strokes)) == (1, [])


TOO_MANY = [np.full((stream.MAX_POINTS + 1, 2), 0.5)]


# As short a message as 80 kB, which would take seconds to render.
ZIGZAG = [np.array([[i % 2, i % 2] for i in range(stream.MAX_POINTS)])]
DOTS = [np.full((1, 2), 0.5)] * (stream.MAX_STROKES + 1)


def long_ink(sides: float) -> list[np.ndarray]:
    """Two strokes of that length together."""
    x = np.arange(int(sides / 2)) % 2
    rest = sides - 2 * (len(x) - 1)
    half = np.stack([x, np.full(len(x), 0.5)], axis=1)
    tail = np.linspace(0, 1, 5)[:, None] * [rest / 4, 0]
    return [half, half[::-1], tail, tail * [1, 1] + [0, 0.5], tail, tail]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (b"", "at least 8 bytes"),
        (b"\x01\x00\x00\x00", "at least 8 bytes"),
        (message(SEVEN)[:-1], "bytes"),
        (message(SEVEN) + b"\x00", "bytes"),
        (struct.pack("<II", 1, 3), "lengths"),
        (struct.pack("<II", 1, 2**32 - 1), "at most"),
        (struct.pack("<III", 1, 1, 2**32 - 1), "at most"),
        (struct.pack("<IIII", 1, 2, 2**32 - 1, 2**32 - 1), "at most"),
        (message(TOO_MANY), "at most"),
        (message(DOTS), "at most"),
        (message(ZIGZAG), "sides of the pad long, at most 50"),
        (message(long_ink(stream.MAX_LENGTH + 0.1)), "at most 50"),
        (bytes(20 * 2**20), "at most"),
        (message([[[np.nan, 0.5]]]), "0..1"),
        (message([[[0.5, np.inf]]]), "0..1"),
        (message([[[-np.inf, 0.5]]]), "0..1"),
        (message([[[1.001, 0.5]]]), "0..1"),
        (message([[[0.5, -0.001]]]), "0..1"),
    ],
)
def test_a_bad_message_is_refused(bad, complaint):
    with pytest.raises(stream.StrokesError, match=complaint):
        stream.read_strokes(bad)


def test_as_much_ink_as_is_allowed_is_read():
    _, strokes = stream.read_strokes(message(long_ink(stream.MAX_LENGTH)))
    assert sum(np.hypot(*np.diff(s, axis=0).T).sum() for s in strokes) == pytest.approx(50)


def test_a_refused_drawing_does_not_reach_the_brush(client, monkeypatch):
    monkeypatch.setattr(stream, "prepare_strokes", lambda _: pytest.fail("rendered"))
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message(ZIGZAG, sequence=9))
        answer = socket.receive_json()
    assert answer["sequence"] == 9
    assert "clear the pad" in answer["error"]


def test_a_frame_holds_what_the_network_saw_and_said(client, predictor):
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message(SEVEN, sequence=41))
        header, tensors = unpack(socket.receive_bytes())
    seen = preprocess(render(SEVEN))
    expected = predictor.run(seen.image[None])
    assert header["sequence"] == 41
    assert header["has_ink"] is True
    assert header["milliseconds"] > 0
    assert list(tensors) == [stream.IMAGE, *predictor.output_names]
    np.testing.assert_array_equal(tensors[stream.IMAGE], seen.image)
    for name, array in expected.items():
        np.testing.assert_array_equal(tensors[name], array[0], err_msg=name)


def rows_message(image: np.ndarray, sequence: int = 1) -> bytes:
    return struct.pack("<II", sequence, stream.ROWS) + image.astype(np.uint8).tobytes()


def test_prepared_rows_take_the_place_of_strokes(client):
    image = preprocess(render(SEVEN)).image
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message(SEVEN, sequence=1))
        drawn = unpack(socket.receive_bytes())
        socket.send_bytes(rows_message(image, sequence=2))
        header, tensors = unpack(socket.receive_bytes())
    assert header["sequence"] == 2
    assert header["has_ink"] is True
    assert header["verdict"] == drawn[0]["verdict"]
    assert list(tensors) == list(drawn[1])
    for name, array in drawn[1].items():
        np.testing.assert_array_equal(tensors[name], array, err_msg=name)


def test_an_input_says_where_it_comes_from():
    drawn = stream.read_input(message(SEVEN, sequence=3))
    picture = stream.read_input(rows_message(drawn.image, sequence=2**32 - 1))
    assert (drawn.sequence, picture.sequence) == (3, 2**32 - 1)
    np.testing.assert_array_equal(drawn.strokes[0], SEVEN[0])
    assert picture.strokes is None
    assert picture.image.dtype == drawn.image.dtype == np.float32
    np.testing.assert_array_equal(picture.image, drawn.image)
    assert drawn.has_ink
    assert picture.has_ink
    assert not stream.read_input(rows_message(np.zeros((28, 28)))).has_ink


@pytest.mark.parametrize("change", [b"", b"\x00" * 783, b"\x00" * 785, bytes(20 * 2**20)])
def test_prepared_rows_of_another_size_are_refused(client, change):
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(struct.pack("<II", 8, stream.ROWS) + change)
        answer = socket.receive_json()
    assert answer == {
        "error": f"a prepared image has 784 bytes, not {len(change)}",
        "sequence": 8,
    }


def test_no_ink_is_said(client):
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message([]))
        header, tensors = unpack(socket.receive_bytes())
    assert header["has_ink"] is False
    assert not tensors[stream.IMAGE].any()


ONE = [np.array([[0.52, 0.15], [0.48, 0.85]], np.float32)]
SCRIBBLE = [np.array([[0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i] for i in range(11)], np.float32)]


@pytest.mark.parametrize(
    ("strokes", "reason", "between"),
    [
        (SEVEN, None, None),
        (ONE, "not sure: 4 or 9", [4, 9]),
        (SCRIBBLE, "not a digit", None),
        ([], "no ink", None),
    ],
)
def test_the_header_has_the_verdict(doubting_model, strokes, reason, between):
    header, tensors = unpack(stream.read_drawing(message(strokes), Predictor(doubting_model)))
    rejected = reason is not None
    assert header["verdict"] == {"rejected": rejected, "reason": reason, "between": between}
    assert tensors[signature.SCORE].shape == (1,)


def test_a_network_without_score_and_thresholds_rejects_only_a_blank_pad(predictor):
    for strokes, reason in ((SCRIBBLE, None), ([], "no ink")):
        header, _ = unpack(stream.read_drawing(message(strokes), predictor))
        assert header["verdict"]["reason"] == reason


def test_the_connection_survives_bad_messages(client):
    with client.websocket_connect(stream.PATH) as socket:
        for bad in (b"\x00", message([[[np.nan, 0.5]]], sequence=5), message(SEVEN)[:-1]):
            socket.send_bytes(bad)
            assert socket.receive_json()["error"]
        socket.send_bytes(message([[[np.nan, 0.5]]], sequence=5))
        assert socket.receive_json()["sequence"] == 5
        socket.send_text("seven, please")
        assert "binary" in socket.receive_json()["error"]
        socket.send_bytes(message(SEVEN, sequence=6))
        header, tensors = unpack(socket.receive_bytes())
    assert header["sequence"] == 6
    assert tensors[signature.PROBABILITIES].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["tiny", "doubting", "a"])
def test_the_address_chooses_the_network(client, models, name):
    with client.websocket_connect(f"{stream.PATH}?model={name}") as socket:
        socket.send_bytes(message(SEVEN))
        _, tensors = unpack(socket.receive_bytes())
    assert list(tensors) == [stream.IMAGE, *models[name].output_names]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("no", "no model 'no' here: choose one of 'tiny', 'doubting', 'a', 'broken'"),
        ("broken", "this model cannot be used: the server's log says why"),
    ],
)
def test_a_network_that_cannot_be_had_ends_the_connection(client, name, error):
    with client.websocket_connect(f"{stream.PATH}?model={name}") as socket:
        assert socket.receive_json() == {"error": error}
        with pytest.raises(WebSocketDisconnect) as end:
            socket.receive_json()
    assert end.value.code == stream.NO_MODEL == 4404


# --- Many streams, and large drawings ---------------------------------------------------


def test_one_stream_too_many_is_told_so_until_another_one_ends(client):
    open_ones = [client.websocket_connect(stream.PATH) for _ in range(MOST)]
    for socket in open_ones:
        socket.__enter__()
    with client.websocket_connect(stream.PATH) as refused:
        assert f"{MOST} live views are open" in refused.receive_json()["error"]
        with pytest.raises(WebSocketDisconnect) as end:
            refused.receive_json()
    assert end.value.code == stream.TRY_AGAIN_LATER == 1013
    for socket in open_ones:
        socket.__exit__(None, None, None)
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message(SEVEN))
        assert unpack(socket.receive_bytes())


FINE = [np.linspace([0.2, 0.2], [0.8, 0.8], stream.INLINE_POINTS + 1)]
LONG = [np.array([[0.1, 0.1 + i % 2 * 0.8] for i in range(15)])]


@pytest.mark.parametrize(("strokes", "expected"), [(SEVEN, False), (FINE, True), (LONG, True)])
def test_what_is_large(strokes, expected):
    assert stream.is_large(message(strokes)) is expected


def test_prepared_rows_are_never_large():
    assert not stream.is_large(rows_message(np.full((28, 28), 255)))


@pytest.mark.parametrize("large", [FINE, LONG])
def test_a_large_drawing_holds_up_no_other_stream(client, monkeypatch, large):
    may_end = threading.Event()

    def slow(strokes):
        if len(strokes[0]) == len(large[0]):
            assert may_end.wait(30)
        return prepare_strokes(strokes)

    monkeypatch.setattr(stream, "prepare_strokes", slow)
    with (
        client.websocket_connect(stream.PATH) as slow_one,
        client.websocket_connect(stream.PATH) as other,
    ):
        slow_one.send_bytes(message(large, sequence=1))
        other.send_bytes(message(SEVEN, sequence=2))
        assert unpack(other.receive_bytes())[0]["sequence"] == 2
        may_end.set()
        assert unpack(slow_one.receive_bytes())[0]["sequence"] == 1


def test_an_ordinary_drawing_is_read_without_a_thread(models, monkeypatch):
    threads = []
    monkeypatch.setattr(stream, "read_drawing", lambda *_: threads.append(threading.get_ident()))

    async def read():
        await stream.Reader().read(message(SEVEN), models.default)
        return threading.get_ident()

    assert threads == [asyncio.run(read())]


async def converse(app: FastAPI, messages: int, answer=None) -> list[dict]:
    """A client that has sent everything at once; gives the events that it gets."""
    events = [{"type": "websocket.connect"}]
    events += [{"type": "websocket.receive", "bytes": message(SEVEN)}] * messages
    events += [{"type": "websocket.disconnect", "code": 1000}]
    events.reverse()
    sent = []

    async def receive():
        return events.pop()

    async def keep(event):
        sent.append(event)

    scope = {"type": "websocket", "path": stream.PATH, "query_string": b"", "headers": []}
    await app(scope | {"subprotocols": []}, receive, answer or keep)
    return sent


def test_others_are_looked_at_between_any_two_drawings(models, monkeypatch):
    app = FastAPI()
    add_stream(app, models, MOST)
    rounds = 0
    seen = []

    def read(*_) -> bytes:
        seen.append(rounds)
        return b""

    monkeypatch.setattr(stream, "read_drawing", read)

    async def count():
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def run():
        counting = asyncio.create_task(count())
        await asyncio.gather(*[converse(app, 10) for _ in range(MOST)])
        counting.cancel()

    asyncio.run(run())
    assert len(seen) == 10 * MOST
    assert len(set(seen)) == len(seen)


def test_a_page_that_has_gone_silent_is_no_error(models):
    app = FastAPI()
    add_stream(app, models, 1)

    async def gone(event):
        if event["type"] == "websocket.send":
            raise RuntimeError("Unexpected ASGI message 'websocket.send', after 'websocket.close'")

    for _ in range(2):  # and its place is free again
        asyncio.run(converse(app, 3, gone))


def test_a_failure_of_ours_stays_one(models, monkeypatch):
    app = FastAPI()
    add_stream(app, models, 1)

    def fail(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr(stream, "read_drawing", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        asyncio.run(converse(app, 1))


def test_a_stream_that_says_nothing_for_long_is_closed(client, monkeypatch):
    with client.websocket_connect(stream.PATH) as socket:
        socket.send_bytes(message(SEVEN))
        assert unpack(socket.receive_bytes())
    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.01)
    with (
        client.websocket_connect(stream.PATH) as socket,
        pytest.raises(WebSocketDisconnect) as end,
    ):
        socket.receive_json()
    assert end.value.code == stream.IDLE == 4408


def test_the_largest_drawing_is_read():
    largest = [np.full((stream.MAX_POINTS // stream.MAX_STROKES, 2), 0.5)] * stream.MAX_STROKES
    assert len(message(largest)) == stream.MAX_BYTES
    assert len(stream.read_strokes(message(largest))[1]) == stream.MAX_STROKES
