"""The live view's messages: drawings in, everything that the network thought out.

Page to server, one binary message for each drawing, little-endian (`read_input`)::

    uint32                  sequence number, chosen by the page
    uint32                  number of strokes n
    uint32 × n              points of each stroke
    float32 × 2 × points    x, y of every point in 0..1 of the pad, y downwards

or, where a picture takes the place of strokes (`serving.page.photo` prepares it)::

    uint32                  sequence number
    uint32                  2**32 - 1
    uint8 × 28 × 28         the prepared image row by row, 0 (page) to 255 (ink)

Server to page, one binary message for each drawing, little-endian (`pack_frame`)::

    uint32                  length of the header in bytes
    header                  JSON, padded with spaces so that the payload is aligned:
                            {"sequence", "has_ink", "milliseconds",
                             "verdict": {"rejected", "reason", "between"},
                             "tensors": [{"name", "shape"}, ...]}
    float32 × ...           the tensors one after the other: ``image`` as the network
                            sees it, then all outputs of the network

The verdict is `model.verdict`'s; ``between`` are the two digits that the network is not
sure of, else null.

``?model=NAME`` behind the path chooses the network. One that is not there, or broken, is told
in a text message {"error"}, and the connection ends with the code 4404.

A message that cannot be read is answered by a text message {"error", "sequence"}, and
the connection lives on. The page keeps one drawing in flight and sends the newest one
next, so nothing queues up here. One stream more than may be open is told so in {"error"} and
closed with 1013; one that says nothing for `IDLE_SECONDS` is closed with 4408, and the page opens
it again when the pen moves. ``static/core/connection.js`` is the other end.
"""

import asyncio
import json
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.types import Message

from model import signature
from model.prediction import predictions, prepare_strokes
from model.predictor import ModelError, Predictor
from serving.http.errors import broken_model
from serving.inference.models import Models, UnknownModelError

PATH = "/live"
# Close codes: IANA's, and two of the range for applications, after HTTP's 404 and 408.
TRY_AGAIN_LATER, NO_MODEL, IDLE = 1013, 4404, 4408
IDLE_SECONDS = 600
IMAGE = "image"
# Minutes of steady drawing; more is no digit. The worst drawing within all three limits takes
# 40 ms to render (measured). The page has the limits too (`serving.page.app`), and takes no ink
# beyond them.
MAX_POINTS = 5_000
MAX_STROKES = 100
MAX_LENGTH = 50.0  # of all strokes together, in sides of the pad

ROWS = 2**32 - 1  # in place of the number of strokes: prepared rows follow
_HEAD = struct.Struct("<II")
_PIXELS = signature.STEPS * signature.PIXELS
MAX_BYTES = _HEAD.size + 4 * MAX_STROKES + 8 * MAX_POINTS  # of a message
# More than any digit needs. What is no larger is rendered in the event loop's thread: measured
# with ten clients, threads doubled the 95th percentile. The rest would hold up everybody there.
INLINE_POINTS = 500
INLINE_LENGTH = 10.0
_ROUNDING = 0.01  # sides by which the page's own sum may differ


class StrokesError(ValueError):
    """A message from the page cannot be read; `sequence` is its number, if it has one."""

    def __init__(self, message: str, sequence: int | None = None):
        super().__init__(message)
        self.sequence = sequence


def read_strokes(message: bytes) -> tuple[int, list[np.ndarray]]:
    """Take a drawing apart.

    Returns:
        The sequence number, and a float32 array (points, 2) in 0..1 for each stroke.

    Raises:
        StrokesError: too short, too long, too much ink, lengths that disagree, or points that
            are not in 0..1 (NaN and infinity included).
    """
    if len(message) < _HEAD.size:
        raise StrokesError(f"a drawing has at least {_HEAD.size} bytes, this one {len(message)}")
    sequence, count = _HEAD.unpack_from(message)
    if len(message) > MAX_BYTES or count > MAX_STROKES:
        raise StrokesError(
            f"at most {MAX_STROKES} strokes and {MAX_POINTS} points: clear the pad", sequence
        )
    points_at = _HEAD.size + 4 * count
    if len(message) < points_at:
        raise StrokesError(f"the message ends before the lengths of {count} strokes", sequence)
    lengths = np.frombuffer(message, "<u4", count, _HEAD.size).astype(np.int64)
    total = int(lengths.sum())
    if total > MAX_POINTS:
        raise StrokesError(f"at most {MAX_POINTS} points: clear the pad", sequence)
    if len(message) != points_at + 8 * total:
        raise StrokesError(
            f"{total} points take {8 * total} bytes, not {len(message) - points_at}", sequence
        )
    points = np.frombuffer(message, "<f4", 2 * total, points_at).reshape(-1, 2)
    if not np.all((points >= 0) & (points <= 1)):  # false for NaN, too
        raise StrokesError("every x and y must be a number in 0..1", sequence)
    strokes = np.split(points, np.cumsum(lengths)[:-1]) if count else []
    ink = length_of(strokes)
    if ink > MAX_LENGTH + _ROUNDING:
        raise StrokesError(
            f"the strokes are {ink:.0f} sides of the pad long, at most {MAX_LENGTH:.0f} are read: "
            "clear the pad",
            sequence,
        )
    return sequence, [stroke for stroke in strokes if len(stroke)]


def length_of(strokes: list[np.ndarray]) -> float:
    """Of all together, in sides of the pad."""
    return sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes)


def is_large(message: bytes) -> bool:
    """Whether a drawing is better rendered beside the event loop.

    Raises:
        StrokesError: see `read_strokes`.
    """
    if len(message) >= _HEAD.size and _HEAD.unpack_from(message)[1] == ROWS:
        return False
    _, strokes = read_strokes(message)  # 0.03 ms (measured)
    return sum(map(len, strokes)) > INLINE_POINTS or length_of(strokes) > INLINE_LENGTH


class Input(NamedTuple):
    """A drawing as the network gets it.

    `image` is float32 (28, 28), 0 (page) to 255 (ink); `strokes` are `read_strokes`'s, None
    where the page sent a picture's prepared rows; `digits` is how many they seem to show, 0
    without ink.
    """

    sequence: int
    image: np.ndarray
    strokes: list[np.ndarray] | None
    digits: int

    @property
    def has_ink(self) -> bool:
        return self.digits > 0


def read_input(message: bytes) -> Input:
    """Take a drawing apart and bring it into MNIST's convention.

    Raises:
        StrokesError: see `read_strokes`; prepared rows that are too few or too many.
    """
    if len(message) < _HEAD.size or _HEAD.unpack_from(message)[1] != ROWS:
        sequence, strokes = read_strokes(message)
        drawn = prepare_strokes(strokes)
        return Input(sequence, drawn.rows, strokes, drawn.digits)
    [sequence, _] = _HEAD.unpack_from(message)
    if len(message) != _HEAD.size + _PIXELS:
        raise StrokesError(
            f"a prepared image has {_PIXELS} bytes, not {len(message) - _HEAD.size}", sequence
        )
    pixels = np.frombuffer(message, np.uint8, offset=_HEAD.size)
    image = pixels.reshape(signature.STEPS, signature.PIXELS).astype(np.float32)
    return Input(sequence, image, None, int(image.any()))


def pack_frame(header: dict, tensors: dict[str, np.ndarray]) -> bytes:
    """Put a reading into one binary message; see the module's docstring."""
    header["tensors"] = [{"name": name, "shape": array.shape} for name, array in tensors.items()]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    payload = [np.ascontiguousarray(array, "<f4").tobytes() for array in tensors.values()]
    return b"".join([struct.pack("<I", len(text)), text, *payload])


def read_drawing(message: bytes, predictor: Predictor) -> bytes:
    """Answer one message of the page: a drawing in, a frame out.

    Raises:
        StrokesError: see `read_input`.
    """
    started = time.perf_counter()
    seen = read_input(message)
    outputs = predictor.run(seen.image[None])
    tensors = {IMAGE: seen.image} | {name: array[0] for name, array in outputs.items()}
    [answer] = predictions(outputs, predictor.thresholds, seen.digits)
    header = {
        "sequence": seen.sequence,
        "has_ink": seen.has_ink,
        "verdict": {
            "rejected": answer.verdict.rejected,
            "reason": answer.verdict.reason,
            "between": answer.verdict.between,
        },
        "milliseconds": round(1000 * (time.perf_counter() - started), 3),
    }
    return pack_frame(header, tensors)


class Reader:
    """Reads the drawings of all streams: large ones in one thread, the others in turn."""

    def __init__(self):
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        # Taken for a whole round of the event loop: between two drawings everybody else's
        # requests are looked at, however many streams there are.
        self._turn = asyncio.Lock()

    async def read(self, message: bytes, predictor: Predictor) -> bytes:
        """`read_drawing`'s answer.

        Raises:
            StrokesError: see `read_input`.
        """
        loop = asyncio.get_running_loop()
        if is_large(message):
            return await loop.run_in_executor(self._pool, read_drawing, message, predictor)
        await self._turn.acquire()
        try:
            return read_drawing(message, predictor)
        finally:
            loop.call_soon(self._turn.release)


def add_stream(app: FastAPI, models: Models, most: int) -> None:
    """Add the WebSocket route to `app`; `most` streams may be open at a time."""
    reader = Reader()
    open_streams: set[WebSocket] = set()

    @app.websocket(PATH)
    async def live(socket: WebSocket, model: str | None = None) -> None:
        if len(open_streams) >= most:
            await socket.accept()
            error = f"{most} live views are open, which is the limit: try again later"
            await _send(socket, {"error": error})
            await socket.close(TRY_AGAIN_LATER)
            return
        open_streams.add(socket)
        try:
            await socket.accept()
            await _answer(socket, models, model, reader)
        except WebSocketDisconnect:
            return  # the page went away while its answer was on the way
        finally:
            open_streams.discard(socket)


async def _answer(socket: WebSocket, models: Models, model: str | None, reader: Reader) -> None:
    """Answer one page's drawings until it goes.

    Raises:
        WebSocketDisconnect: it goes while it is answered.
    """
    try:
        predictor = models.choose(model)
    except (UnknownModelError, ModelError) as error:
        broken = isinstance(error, ModelError)
        await _send(socket, {"error": broken_model(error) if broken else str(error)})
        await socket.close(NO_MODEL)
        return
    while (event := await _receive(socket))["type"] != "websocket.disconnect":
        try:
            if event.get("bytes") is None:
                raise StrokesError("send a drawing as one binary message, not as text")
            answer = await reader.read(event["bytes"], predictor)
        except StrokesError as error:
            await _send(socket, {"error": str(error), "sequence": error.sequence})
        else:
            await _send(socket, answer)
        # Messages that are already there would be read without anyone else's being looked at.
        await asyncio.sleep(0)


async def _receive(socket: WebSocket) -> Message:
    """The page's next message; for one that is silent for long, the connection is closed."""
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            return await socket.receive()
    except TimeoutError:
        await socket.close(IDLE)
        raise WebSocketDisconnect(IDLE) from None


async def _send(socket: WebSocket, answer: bytes | dict[str, Any]) -> None:
    """
    Raises:
        WebSocketDisconnect: the page has gone, silently perhaps.
    """
    try:
        if isinstance(answer, bytes):
            await socket.send_bytes(answer)
        else:
            await socket.send_json(answer)
    except RuntimeError as error:  # the server's, once it has given the connection up
        raise WebSocketDisconnect(1006) from error
