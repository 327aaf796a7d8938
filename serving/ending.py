"""Requests that are not finished when the server's time to end is over."""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.gate import DRAINING, Gate, refuse

_LOG = logging.getLogger("scanline")


class Ending:
    """ASGI middleware: uvicorn cancels at last what is still inside; its client is told 503.

    An answer that has begun is only cut: nothing can be said in it any more.
    """

    def __init__(self, app: ASGIApp, gate: Gate):
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(event: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(event)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if self._gate.ready:
                raise
            if not has_begun:
                _LOG.warning("a request was not finished in time (--drain-seconds): told 503")
                await refuse(send, 503, DRAINING)
