"""The live view's WebSocket; `serving.page.stream` has its messages.

One stream more than `add_stream` allows is told so, and closed with the code 1013.
"""

import asyncio
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from model.predictor import ModelError
from serving.http.errors import broken_model
from serving.inference.models import Models, UnknownModelError
from serving.page.stream import NO_MODEL, PATH, Reader, StrokesError

TRY_AGAIN_LATER = 1013  # close code: IANA's WebSocket registry


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
    while (event := await socket.receive())["type"] != "websocket.disconnect":
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
    except RuntimeError as error:  # uvicorn's, once it has given the connection up
        raise WebSocketDisconnect(1006) from error
