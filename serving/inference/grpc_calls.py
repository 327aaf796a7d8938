"""What every gRPC call meets: its key, its id, its metrics, its line in the log, and the code of
its error. The counterpart of REST's middleware, in its words."""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError, Message
from starlette.datastructures import Headers

from model.predictor import ModelError
from serving.http import logs, request_log
from serving.http.auth import KEY_NAME, UNKNOWN_KEY, Keys, given_key
from serving.http.errors import FAILED, RequestError, broken_model
from serving.http.limits import FULL, RETRY_SECONDS
from serving.http.metrics import Metrics
from serving.inference.tensors import ProtocolError

# Health checks: without key, and without a line in the log.
_OPEN = {
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/inference.GRPCInferenceService/ModelReady",
    "/grpc.health.v1.Health/Check",
}
_NO_KEY = (
    "an API key is needed: send it in the metadata, `authorization: Bearer KEY` or `x-api-key: KEY`"
)
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    503: grpc.StatusCode.UNAVAILABLE,
}
# At the end: without a new call, and the longest time for that.
_QUIET_SECONDS, _LAST_CALLS_SECONDS = 0.2, 1.0

Context = grpc.aio.ServicerContext

_log = logging.getLogger("scanline")
_access_log = logging.getLogger("scanline.access")
# Whether the call that the current task answers may have a network loaded: it brings a key, if
# keys are set.
may_load: ContextVar[bool] = ContextVar("may_load", default=True)


class FullError(RequestError):
    """The concurrency limit is reached."""

    status = 503

    def __init__(self) -> None:
        super().__init__(FULL)


class SlowError(RequestError):
    """The call's only message does not arrive in time."""

    status = 408

    def __init__(self, seconds: float):
        super().__init__(f"the message took more than {seconds:g} s: send it faster, or less")


class NoKeyError(RequestError):
    """The call brings no key that is let in."""

    status = 401

    def __init__(self, key: bytes):
        super().__init__(UNKNOWN_KEY if key else _NO_KEY)


def told(error: Exception) -> tuple[grpc.StatusCode, str]:
    """What a client is told of `error`; one that nobody expected goes to the log."""
    if isinstance(error, RequestError):
        return _CODES[error.status], str(error)
    if isinstance(error, ModelError):
        return grpc.StatusCode.UNAVAILABLE, broken_model(error)
    _log.error("a call over gRPC failed", exc_info=error)
    return grpc.StatusCode.INTERNAL, FAILED


class Calls(grpc.aio.ServerInterceptor):
    """What every call meets: its key, its id, its metrics, its line in the log, and the code of
    its error.

    Args:
        keys: that are let in; None: no key is needed.
        metrics: gets counts and times.
        body_seconds: in which the message of a call that has only one must arrive.
    """

    def __init__(self, keys: Keys | None, metrics: Metrics, body_seconds: float):
        self._keys = keys
        self._metrics = metrics
        self._body_seconds = body_seconds
        self._silent: set[asyncio.Task] = set()
        self._is_stopping = False
        self._inside = 0
        self._heard = 0.0  # when a call last came, by the event loop's clock

    async def stop(self) -> None:
        """End streams that say nothing, and answer the calls that are there.

        The former would hold the server's end up. Of the latter gRPC would cancel those that
        have arrived, but are not yet taken up.
        """
        self._is_stopping = True
        for task in self._silent:
            task.cancel()
        now = asyncio.get_running_loop().time
        self._heard, end = now(), now() + _LAST_CALLS_SECONDS
        while now() < end and (self._inside or now() < self._heard + _QUIET_SECONDS):
            await asyncio.sleep(_QUIET_SECONDS / 10)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """The method's handler, with what every call meets around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        route = handler_call_details.method
        headers = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in handler_call_details.invocation_metadata
        ]
        call = {"route": route, "headers": headers, "id": request_log.identity(headers).decode()}
        logs.request_id.set(call["id"])
        if self._keys is not None:
            _, key = given_key(Headers(raw=headers))
            call[KEY_NAME] = self._keys.name_of(key)
            may_load.set(call[KEY_NAME] is not None)
            if call[KEY_NAME] is None and route not in _OPEN:
                # As a stream, so that its messages are not read.
                refuse = partial(self._refuse, call, NoKeyError(key))
                return grpc.stream_stream_rpc_method_handler(refuse)
        # All take their requests as streams: gRPC itself would wait for a single one forever.
        if handler.response_streaming:
            make = grpc.stream_stream_rpc_method_handler
            watched = partial(self._stream, call, handler)
        else:
            make = grpc.stream_unary_rpc_method_handler
            watched = partial(self._unary, call, handler.unary_unary)
        return make(watched, _lenient(handler.request_deserializer), handler.response_serializer)

    async def _refuse(
        self, call: dict[str, Any], error: NoKeyError, _: AsyncIterator, context: Context
    ) -> None:
        async def refuse() -> None:
            raise error

        await self._watched(call, context, refuse())

    async def _unary(
        self, call: dict[str, Any], method: Callable, requests: AsyncIterator, context: Context
    ) -> Message:
        async def answer() -> Message:
            return await method(await self._only(requests, call), context)

        return await self._watched(call, context, answer())

    async def _only(self, requests: AsyncIterator, call: dict[str, Any]) -> Message:
        try:
            async with asyncio.timeout(self._body_seconds):
                return _checked(await anext(requests, None), call)
        except TimeoutError:
            raise SlowError(self._body_seconds) from None

    async def _stream(
        self,
        call: dict[str, Any],
        handler: grpc.RpcMethodHandler,
        requests: AsyncIterator,
        context: Context,
    ) -> None:
        async def messages() -> AsyncIterator[Message]:
            while (message := await self._silently(anext(requests, None))) is not None:
                yield _checked(message, call)

        async def answer() -> None:
            if handler.request_streaming:
                answers = handler.stream_stream(messages(), context)
            else:
                answers = handler.unary_stream(await self._only(requests, call), context)
            if inspect.isawaitable(answers):
                await self._silently(answers)  # it writes them itself, few of them
                return
            async for message in answers:
                await context.write(message)

        await self._watched(call, context, answer())

    async def _silently(self, work: Awaitable) -> Any:
        """Do `work`, at which the client mostly waits or is waited for."""
        if self._is_stopping:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        self._silent.add(task)
        try:
            return await work
        finally:
            self._silent.discard(task)

    async def _watched(self, call: dict[str, Any], context: Context, work: Awaitable) -> Any:
        """Do `work`; its errors become codes, and all is counted."""
        is_quiet = call["route"] in _OPEN
        trailing = ((request_log.HEADER.decode(), call["id"]),)
        context.set_trailing_metadata(trailing)
        if not is_quiet:
            self._metrics.in_flight.inc()
        self._inside += 1
        self._heard = asyncio.get_running_loop().time()
        started = time.perf_counter()
        code, text = grpc.StatusCode.CANCELLED, ""  # if the client leaves
        try:
            answer = await work
            code = grpc.StatusCode.OK
            return answer
        except grpc.aio.AbortError:
            code = context.code()
            raise
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            code, text = grpc.StatusCode.UNAVAILABLE, "the server ends: call anew"
        except grpc.aio.InternalError:  # the client has left while it was answered
            return None
        except Exception as error:
            code, text = told(error)
            if isinstance(error, FullError):
                self._metrics.shed(error.status)
                # gRPC's own word for Retry-After (proposal A6).
                trailing += (("grpc-retry-pushback-ms", str(1000 * RETRY_SECONDS)),)
        finally:
            self._inside -= 1
            seconds = time.perf_counter() - started
            self._metrics.answered(call["route"], code.name, seconds)
            if not is_quiet:
                self._metrics.in_flight.dec()
                self._write_line(call, context.peer(), code, seconds, text)
        # Not by `abort`, whose exception would keep the request till garbage is collected.
        context.set_code(code)
        context.set_details(text)
        context.set_trailing_metadata(trailing)
        return None

    def _write_line(
        self, call: dict[str, Any], peer: str, code: grpc.StatusCode, seconds: float, error: str
    ) -> None:
        if not request_log.writes_lines():
            return
        host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
        milliseconds = round(1000 * seconds, 1)
        fields = {"method": "gRPC", "route": call["route"], "status": code.name}
        fields |= {"milliseconds": milliseconds, **request_log.facts({**call, "client": (host,)})}
        fields |= {"error": error[:200]} if error else {}
        text = "gRPC %s %s %.1f ms"
        _access_log.info(text, call["route"], code.name, milliseconds, extra=fields)


_BROKEN = object()  # in place of a message that cannot be read


def _lenient(read: Callable[[bytes], Message]) -> Callable[[bytes], Any]:
    """`read`, but without an error, which gRPC would answer by INTERNAL."""

    def attempt(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return _BROKEN

    return attempt


def _checked(message: Any, call: dict[str, Any]) -> Message:
    if message is None:
        raise ProtocolError("the call has no message: send one")
    if message is _BROKEN:
        raise ProtocolError(f"the bytes are no message that {call['route']} takes")
    return message
