"""``GRPCInferenceService``: the Open Inference Protocol over gRPC, in the server's event loop.

With health checks (``grpc.health.v1``) and reflection, and with the networks, batches, keys,
concurrency limit, metrics, log and words of REST. Imported only when a port for it is set.
"""

# ruff: noqa: ARG002 - a method gets a request and a context, whether it needs them or not

import asyncio
import inspect
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from starlette.datastructures import Headers

from model.predictor import ModelError
from serving.http import logs, request_log
from serving.http.auth import KEY_NAME, Keys, given_key
from serving.http.errors import FAILED, RequestError, broken_model
from serving.http.limits import FULL, RETRY_SECONDS, SMALL_BYTES, ConcurrencyLimit
from serving.http.metrics import Metrics
from serving.inference import grpc_codec, triton_extensions
from serving.inference.batcher import Results
from serving.inference.endpoints import INLINE_BYTES, Endpoints
from serving.inference.models import UnknownModelError, UnknownVersionError
from serving.inference.proto import open_inference_pb2 as messages
from serving.inference.proto.open_inference_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)
from serving.inference.rest import SERVER_METADATA
from serving.inference.tensors import IMAGE_SHAPE, Infer, ProtocolError
from serving.settings import Settings

SERVICE = messages.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_INFER = f"/{SERVICE}/ModelInfer"
_HEALTH = health.SERVICE_NAME
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Health checks: without key, and without a line in the log.
_OPEN = {
    *(f"/{SERVICE}/{name}" for name in ("ServerLive", "ServerReady", "ModelReady")),
    *(f"/{_HEALTH}/{name}" for name in ("Check", "Watch")),
}
_NO_KEY = (
    "an API key is needed: send it in the metadata, `authorization: Bearer KEY` or `x-api-key: KEY`"
)
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    503: grpc.StatusCode.UNAVAILABLE,
}
# Calls at a time, for each within the concurrency limit: those whose message or answer is on its
# way, and silent streams. gRPC itself refuses more.
_CALLS = 4

_MINUTE = 60_000  # in milliseconds
_OPTIONS = {
    "grpc.max_send_message_length": -1,
    # A client without a call has 5 minutes; one that stays is sent away after half an hour, so
    # that new servers behind a load balancer get their share, and calls in flight may end.
    "grpc.max_connection_idle_ms": 5 * _MINUTE,
    "grpc.max_connection_age_ms": 30 * _MINUTE,
    "grpc.max_connection_age_grace_ms": 5 * _MINUTE,
    "grpc.server_handshake_timeout_ms": 20_000,
    # Clients that are gone without a word: asked after a minute, given up 20 s later.
    "grpc.keepalive_time_ms": _MINUTE,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.http2.min_ping_interval_without_data_ms": 10_000,
}

Context = grpc.aio.ServicerContext

_log = logging.getLogger("scanline")
_access_log = logging.getLogger("scanline.access")
# Whether the call that the current task answers may have a network loaded: it brings a key, if
# keys are set.
_may_load: ContextVar[bool] = ContextVar("may_load", default=True)


class FullError(RequestError):
    """The concurrency limit is reached."""

    status = 503

    def __init__(self) -> None:
        super().__init__(FULL)


class NoKeyError(RequestError):
    """The call brings no key that is let in."""

    status = 401

    def __init__(self) -> None:
        super().__init__(_NO_KEY)


def told(error: Exception) -> tuple[grpc.StatusCode, str]:
    """What a client is told of `error`; one that nobody expected goes to the log."""
    if isinstance(error, RequestError):
        return _CODES[error.status], str(error)
    if isinstance(error, ModelError):
        return grpc.StatusCode.UNAVAILABLE, broken_model(error)
    _log.error("a call over gRPC failed", exc_info=error)
    return grpc.StatusCode.INTERNAL, FAILED


def is_ready(endpoints: Endpoints, name: str, version: str = "") -> bool:
    """Whether the network answers; one that is not in memory is loaded, if the call may do so."""
    if endpoints.models.is_waiting(name) and not _may_load.get():
        return False
    try:
        endpoints(name, version)
    except (UnknownModelError, UnknownVersionError, ModelError):
        return False
    return True


class Inference(GRPCInferenceServiceServicer):
    """The service's methods. Their errors become codes in `Calls`.

    Args:
        endpoints: the networks.
        limit: shared with HTTP.
        most_unsent: bytes of answers that clients are slow to take, over all calls.
    """

    def __init__(self, endpoints: Endpoints, limit: ConcurrencyLimit, most_unsent: int):
        self._endpoints = endpoints
        self._limit = limit
        self._most_unsent = most_unsent
        self._unsent = 0

    async def ServerLive(self, request: Message, context: Context) -> Message:
        return messages.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Message, context: Context) -> Message:
        return messages.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: Message, context: Context) -> Message:
        ready = is_ready(self._endpoints, request.name, request.version)
        return messages.ModelReadyResponse(ready=ready)

    async def ServerMetadata(self, request: Message, context: Context) -> Message:
        return ParseDict(SERVER_METADATA, messages.ServerMetadataResponse())

    async def ModelMetadata(self, request: Message, context: Context) -> Message:
        endpoint = self._endpoints(request.name, request.version)
        return ParseDict(endpoint.metadata, messages.ModelMetadataResponse())

    async def ModelConfig(self, request: Message, context: Context) -> Message:
        config = triton_extensions.model_config(self._endpoints(request.name, request.version))
        return ParseDict({"config": config}, messages.ModelConfigResponse())

    async def ModelStatistics(self, request: Message, context: Context) -> Message:
        if request.name:
            asked = [self._endpoints(request.name, request.version)]
        else:
            asked = self._endpoints.loaded
        return ParseDict(
            triton_extensions.model_statistics(*asked), messages.ModelStatisticsResponse()
        )

    async def RepositoryIndex(self, request: Message, context: Context) -> Message:
        index = partial(triton_extensions.repository_index, self._endpoints, request.ready)
        default = self._endpoints(self._endpoints.models.default.name)
        with self._place():
            entries = await default.in_thread(index)
        return ParseDict({"models": entries}, messages.RepositoryIndexResponse())

    async def ModelInfer(self, request: messages.ModelInferRequest, context: Context) -> Message:
        answer, size = await self._infer(request)
        self._unsent += size
        context.add_done_callback(lambda _: self._sent(size))
        return answer

    async def ModelStreamInfer(
        self, request_iterator: AsyncIterator[messages.ModelInferRequest], context: Context
    ) -> AsyncIterator[Message]:
        """One answer for each request, in order; an error is an answer too."""
        async for request in request_iterator:
            try:
                answer, size = await self._infer(request)
            except Exception as error:
                yield messages.ModelStreamInferResponse(error_message=told(error)[1])
                continue
            self._unsent += size
            try:
                yield messages.ModelStreamInferResponse(infer_response=answer)
            finally:
                self._sent(size)

    def _sent(self, size: int) -> None:
        self._unsent -= size

    @contextmanager
    def _place(self, heavy: bool = False) -> Iterator[None]:
        """One within the concurrency limit."""
        if not self._limit.enter(heavy):
            raise FullError
        self._limit.present += 1
        try:
            yield
        finally:
            self._limit.present -= 1
            self._limit.leave(heavy)

    async def _infer(self, message: messages.ModelInferRequest) -> tuple[Message, int]:
        """The answer, and the bytes of its tensors."""
        length = message.ByteSize()
        with self._place(heavy=length > SMALL_BYTES):
            endpoint = self._endpoints(message.model_name, message.model_version)
            names = endpoint.predictor.output_names

            def encode(request: Infer, results: Results) -> tuple[Message, int]:
                size = sum(values.nbytes for values in results.values())
                if size > SMALL_BYTES and self._unsent > self._most_unsent:
                    raise FullError
                name, version = endpoint.name, endpoint.version
                return grpc_codec.encode(name, version, message, request, results), size

            decode = partial(grpc_codec.decode, message, names, endpoint.max_batch)
            return await endpoint.answer(_INFER, decode, encode, length > INLINE_BYTES)


class Health(health.aio.HealthServicer):
    """Health checks: of the server, the service, and each network by its name."""

    def __init__(self, endpoints: Endpoints):
        super().__init__()
        self._endpoints = endpoints

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Message:
        await self._look(request.service)
        return await super().Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        await self._look(request.service)
        await super().Watch(request, context)

    async def _look(self, name: str) -> None:
        if name in self._endpoints.models:
            await self.set(name, _SERVING if is_ready(self._endpoints, name) else _NOT_SERVING)


class Calls(grpc.aio.ServerInterceptor):
    """What every call meets: its key, its id, its metrics, its line in the log, and the code of
    its error.

    Args:
        keys: that are let in; None: no key is needed.
        metrics: gets counts and times.
    """

    def __init__(self, keys: Keys | None, metrics: Metrics):
        self._keys = keys
        self._metrics = metrics
        self._silent: set[asyncio.Task] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """End streams that say nothing, which would hold the server's end up."""
        self._is_stopping = True
        for task in self._silent:
            task.cancel()

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
            _may_load.set(call[KEY_NAME] is not None)
            if call[KEY_NAME] is None and route not in _OPEN:
                # As a stream, so that its messages are not read.
                return grpc.stream_stream_rpc_method_handler(partial(self._refuse, call))
        if handler.response_streaming:
            method = handler.stream_stream or handler.unary_stream
            watched = partial(self._stream, call, method)
        else:
            watched = partial(self._unary, call, handler.unary_unary)
        make = _HANDLERS[handler.request_streaming, handler.response_streaming]
        return make(watched, _lenient(handler.request_deserializer), handler.response_serializer)

    async def _refuse(self, call: dict[str, Any], _: AsyncIterator, context: Context) -> None:
        async def refuse() -> None:
            raise NoKeyError

        await self._watched(call, context, refuse())

    async def _unary(
        self, call: dict[str, Any], method: Callable, request: Any, context: Context
    ) -> Message:
        async def answer() -> Message:
            return await method(_checked(request, call), context)

        return await self._watched(call, context, answer())

    async def _stream(
        self, call: dict[str, Any], method: Callable, request: Any, context: Context
    ) -> None:
        async def messages_of(requests: AsyncIterator) -> AsyncIterator[Message]:
            while (message := await self._silently(anext(requests, None))) is not None:
                yield _checked(message, call)

        async def answer() -> None:
            many = isinstance(request, AsyncIterator)
            answers = method(messages_of(request) if many else _checked(request, call), context)
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
            if self._is_stopping:
                code = grpc.StatusCode.UNAVAILABLE
                await context.abort(code, "the server ends: call anew")
            raise
        except grpc.aio.InternalError:  # the client has left while it was answered
            return None
        except Exception as error:
            code, text = told(error)
            if isinstance(error, FullError):
                self._metrics.shed(error.status)
                # gRPC's own word for Retry-After (proposal A6).
                trailing += (("grpc-retry-pushback-ms", str(1000 * RETRY_SECONDS)),)
            await context.abort(code, text, trailing)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.answered(call["route"], code.name, seconds)
            if not is_quiet:
                self._metrics.in_flight.dec()
                self._write_line(call, context.peer(), code, seconds, text)

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


_HANDLERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
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
    if message is _BROKEN:
        raise ProtocolError(f"the bytes are no message that {call['route']} takes")
    return message


@asynccontextmanager
async def serve_grpc(
    endpoints: Endpoints, limit: ConcurrencyLimit, metrics: Metrics, settings: Settings
) -> AsyncIterator[None]:
    """Answer at `settings.host` and `settings.grpc_port`, in the running event loop; at the end,
    calls in flight may finish.

    Args:
        endpoints: the networks.
        limit: shared with HTTP.
        metrics: gets counts and times.
        settings: address, limits and keys.

    Raises:
        RuntimeError: it cannot listen there.
    """
    keys = Keys(settings.key_names) if settings.api_key else None
    # Of a message: four for a pixel, the images' values, and some for everything else.
    most_bytes = settings.max_batch * math.prod(IMAGE_SHAPE) * 4 + SMALL_BYTES
    options = _OPTIONS | {
        "grpc.max_receive_message_length": min(settings.max_body_bytes, most_bytes),
        "grpc.max_concurrent_streams": settings.max_concurrency,  # of a connection
        "grpc.max_allowed_incoming_connections": settings.max_connections,
        # Else a second server would share the port of a first one, and nobody would know.
        "grpc.so_reuseport": int(settings.workers > 1),
    }
    calls = Calls(keys, metrics)
    server = grpc.aio.server(
        interceptors=[calls],
        options=[*options.items()],
        maximum_concurrent_rpcs=_CALLS * settings.max_concurrency,
    )
    inference = Inference(endpoints, limit, settings.max_heavy * settings.max_body_bytes)
    add_GRPCInferenceServiceServicer_to_server(inference, server)
    checks = Health(endpoints)
    await checks.set(SERVICE, _SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = SERVICE, _HEALTH, reflection.SERVICE_NAME
    reflection.enable_server_reflection(names, server)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server.add_insecure_port(f"{host}:{settings.grpc_port}")
    await server.start()
    try:
        yield
    finally:
        await checks.enter_graceful_shutdown()
        calls.stop()
        await server.stop(settings.drain_seconds)
