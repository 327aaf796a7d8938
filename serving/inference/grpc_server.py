"""``GRPCInferenceService``: the Open Inference Protocol over gRPC, in the server's event loop.

With the keys, limits, metrics and log of HTTP. Imported only when a port for it is set.
"""

import logging
import math
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import grpc
from starlette.datastructures import State

from serving.http import logs
from serving.http.auth import Keys
from serving.http.limits import RETRY_SECONDS, SMALL_BYTES
from serving.http.metrics import Metrics
from serving.inference import grpc_codec as messages
from serving.inference.rpc_methods import KeyMissingError, Rpc, route, status
from serving.inference.rpc_waiting import FullError, Waiting
from serving.inference.tensors import IMAGE_SHAPE, ProtocolError
from serving.settings import Settings

_LOG = logging.getLogger("scanline.access")
_OPEN = ("ServerLive", "ServerReady", "ModelReady")  # probes: without key
_EMPTY = ("ServerLive", "ServerReady")  # their messages have no fields: nobody reads them
_NO_KEY = (
    "an API key is needed: send it in the metadata, `authorization: Bearer KEY` or `x-api-key: KEY`"
)
# Calls of `ModelReady` at a time: whoever has no key gets so little of the memory.
_MOST_PROBES = 16
# Streams, for each place at the gate: most of them are silent most of the time.
_STREAMS = 4
_STREAM_SECONDS = 600

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
        most, seconds = settings.max_concurrency, settings.body_seconds
        self._calls = Waiting(most, seconds)
        self._probes = Waiting(_MOST_PROBES, seconds)
        self._streams = Waiting(_STREAMS * most, _STREAM_SECONDS)
        self._most_unsent = settings.max_heavy * settings.max_body_bytes
        self._unsent = 0  # bytes of answers that clients are slow to take

    def handlers(self) -> grpc.GenericRpcHandler:
        # All as streams, whose messages are read and written here: else gRPC would read a message
        # of any call, however slowly it came, before it asked whether the call is welcome, and
        # keep any number of answers that nobody takes. And without (de)serializers, since a
        # malformed message would be answered with INTERNAL.
        handlers = {
            name: grpc.stream_stream_rpc_method_handler(partial(self._unary, name))
            for name, method in messages.METHODS.items()
            if not method.server_streaming
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(messages.SERVICE, handlers)

    async def _unary(self, method: str, requests: AsyncIterator[bytes], context: Context) -> None:
        async def answer() -> None:
            data = b"" if method in _EMPTY else await self._message(method, requests)
            # Whoever calls any other method without a key does not come so far.
            may_load = method not in _OPEN or self._knows_key(dict(context.invocation_metadata()))
            await self._send(context, await self._rpc.answer(method, data, may_load))

        await self._watched(method, context, answer)

    async def _message(self, method: str, requests: AsyncIterator[bytes]) -> bytes:
        async with (self._probes if method in _OPEN else self._calls).place():
            data = await anext(requests, None)
        if data is None:
            raise ProtocolError("the call has no message: send one")
        return data

    async def _stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        async def answer() -> None:
            async with self._streams.place() as hear:
                async for data in self._rpc.stream(requests):
                    hear()
                    await self._send(context, data)

        await self._watched("ModelStreamInfer", context, answer)

    async def _send(self, context: Context, data: bytes) -> None:
        """Returns when the client has taken most of it: gRPC keeps the rest till then."""
        if self._unsent > self._most_unsent and len(data) > SMALL_BYTES:
            raise FullError
        self._unsent += len(data)
        try:
            await context.write(data)
        finally:
            self._unsent -= len(data)

    async def _watched(
        self, method: str, context: Context, work: Callable[[], Awaitable[None]]
    ) -> None:
        if method in _OPEN:
            await self._finished(method, context, work, ())
            return
        given = dict(context.invocation_metadata())
        number = _number(given)
        logs.request_id.set(number)
        trailing = ((_NUMBER, number),)
        context.set_trailing_metadata(trailing)

        async def admitted() -> None:
            if not self._knows_key(given):
                raise KeyMissingError(_NO_KEY)
            await work()

        self._watch.in_flight.inc()
        try:
            await self._finished(method, context, admitted, trailing)
        finally:
            self._watch.in_flight.dec()

    async def _finished(
        self,
        method: str,
        context: Context,
        work: Callable[[], Awaitable[None]],
        trailing: tuple[tuple[str, str], ...],
    ) -> None:
        """Do `work`; its errors become codes, and all is counted."""
        started = time.perf_counter()
        code = grpc.StatusCode.CANCELLED  # if the client leaves
        try:
            try:
                await work()
            except grpc.aio.InternalError:
                return  # the client has left while it was answered
            except Exception as error:
                code, text = status(error)
                if isinstance(error, FullError):
                    self._watch.shed(503)
                    # gRPC's own word for Retry-After (proposal A6).
                    trailing += (("grpc-retry-pushback-ms", str(1000 * RETRY_SECONDS)),)
                await context.abort(code, text, trailing)
            code = grpc.StatusCode.OK
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
    """The request's id: the client's, as for HTTP (`serving.http.request_log`), or a new one."""
    number = str(given.get(_NUMBER, ""))
    return number if _SANE_NUMBER.fullmatch(number) else os.urandom(16).hex()


def _most_bytes(settings: Settings) -> int:
    """Of a message: four for a pixel, the images' values, and some for everything else."""
    images = settings.max_batch * math.prod(IMAGE_SHAPE) * 4
    return min(settings.max_body_bytes, images + SMALL_BYTES)


async def start_rpc(state: State, settings: Settings) -> grpc.aio.Server:
    """Listen on `settings.host` and `settings.grpc_port`, in the running event loop.

    ``await server.stop(grace)`` ends it and lets calls in flight finish.

    Args:
        state: of the application (`serving.app`): what it shares with HTTP.
        settings: address, limits and keys.

    Raises:
        RuntimeError: it cannot listen there.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", _most_bytes(settings)),
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
