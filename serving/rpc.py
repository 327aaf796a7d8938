"""``GRPCInferenceService``: the Open Inference Protocol over gRPC, in the server's event loop.

With the keys, limits, metrics and log of HTTP. Imported only when a port for it is set.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from starlette.datastructures import State

from serving import logs, messages
from serving.gate import RETRY_SECONDS
from serving.guard import Keys
from serving.metrics import Metrics
from serving.rpc_methods import FullError, KeyMissingError, Rpc, SlowError, route, status
from serving.settings import Settings
from serving.tensors import ProtocolError

_LOG = logging.getLogger("scanline.access")
_OPEN = ("ServerLive", "ServerReady", "ModelReady")  # probes: without key, never refused
_NO_KEY = (
    "an API key is needed: send it in the metadata, `authorization: Bearer KEY` or `x-api-key: KEY`"
)

_NUMBER = "x-request-id"
_SANE_NUMBER = re.compile(r"[\x21-\x7e]{1,128}")

Context = grpc.aio.ServicerContext
Metadata = dict[str, str | bytes]


class _Service:
    """The methods as gRPC calls them: with keys, codes, metrics and a line in the log."""

    def __init__(self, rpc: Rpc, settings: Settings, watch: Metrics):
        self._rpc = rpc
        self._settings = settings
        self._keys = Keys(settings.api_key) if settings.api_key else None
        self._watch = watch
        self._calls = 0  # without probes

    def handlers(self) -> grpc.GenericRpcHandler:
        # All as streams, whose messages are read here: else gRPC would read a message of any
        # call, however slowly it came, before it asked whether the call is welcome. And without
        # (de)serializers, since a malformed message would be answered with INTERNAL.
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(partial(self._unary, name))
            for name, method in messages.METHODS.items()
            if not method.server_streaming
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(messages.SERVICE, handlers)

    async def _unary(self, method: str, requests: AsyncIterator[bytes], context: Context) -> bytes:
        async def answer() -> bytes:
            try:
                async with asyncio.timeout(self._settings.body_seconds):
                    data = await anext(requests)
            except TimeoutError:
                raise SlowError("the message took too long to arrive: send it faster") from None
            except StopAsyncIteration:
                raise ProtocolError("the call has no message: send one") from None
            return await self._rpc.answer(method, data)

        return await self._watched(method, context, answer)

    async def _stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        async def answer() -> None:
            async for data in self._rpc.stream(requests):
                await context.write(data)

        await self._watched("ModelStreamInfer", context, answer)

    async def _watched(
        self, method: str, context: Context, work: Callable[[], Awaitable[Any]]
    ) -> Any:
        if method in _OPEN:
            return await self._finished(method, context, work, ())
        given = dict(context.invocation_metadata())
        number = _number(given)
        logs.request_id.set(number)
        trailing = ((_NUMBER, number),)
        context.set_trailing_metadata(trailing)

        async def admitted() -> Any:
            if not self._knows_key(given):
                raise KeyMissingError(_NO_KEY)
            if self._calls > self._settings.max_concurrency:
                self._watch.shed(503)
                raise FullError
            return await work()

        self._watch.in_flight.inc()
        self._calls += 1
        try:
            return await self._finished(method, context, admitted, trailing)
        finally:
            self._calls -= 1
            self._watch.in_flight.dec()

    async def _finished(
        self,
        method: str,
        context: Context,
        work: Callable[[], Awaitable[Any]],
        trailing: tuple[tuple[str, str], ...],
    ) -> Any:
        """What `work` answers; its errors become codes, and all is counted."""
        started = time.perf_counter()
        code = grpc.StatusCode.CANCELLED  # if the client leaves
        try:
            try:
                result = await work()
            except Exception as error:
                code, text = status(error)
                if isinstance(error, FullError):
                    # gRPC's own word for Retry-After (proposal A6).
                    trailing += (("grpc-retry-pushback-ms", str(1000 * RETRY_SECONDS)),)
                await context.abort(code, text, trailing)
            code = grpc.StatusCode.OK
            return result
        finally:
            seconds = time.perf_counter() - started
            self._watch.answered(route(method), code.name, seconds)
            if method not in _OPEN:
                _LOG.info("%s %s %.1f ms", method, code.name, 1000 * seconds)

    def _knows_key(self, given: Metadata) -> bool:
        if self._keys is None:
            return True
        scheme, _, key = str(given.get("authorization", "")).partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else str(given.get("x-api-key", ""))
        return self._keys.token(key.encode()) is not None


def _number(given: Metadata) -> str:
    """The request's id: the client's, as for HTTP (`serving.access`), or a new one."""
    number = str(given.get(_NUMBER, ""))
    return number if _SANE_NUMBER.fullmatch(number) else os.urandom(16).hex()


async def start_rpc(state: State, settings: Settings) -> grpc.aio.Server:
    """Listen on `settings.host` and `settings.grpc_port`, in the running event loop.

    ``await server.stop(grace)`` ends it and lets calls in flight finish.

    Args:
        state: of the application (`serving.api`): what it shares with HTTP.
        settings: address, limits and keys.

    Raises:
        RuntimeError: it cannot listen there.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            # Else a second server would share the port of a first one, and nobody would know.
            ("grpc.so_reuseport", int(settings.workers > 1)),
        ]
    )
    rpc = Rpc(state.models, state.endpoints, state.gate, state.metrics)
    server.add_generic_rpc_handlers((_Service(rpc, settings, state.metrics).handlers(),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server.add_insecure_port(f"{host}:{settings.grpc_port}")
    await server.start()
    return server
