"""``GRPCInferenceService``: the Open Inference Protocol over gRPC, in the server's event loop.

With health checks (``grpc.health.v1``) and reflection, and with the networks, batches, keys,
concurrency limit, metrics, log and words of REST. Imported only when a port for it is set.
"""

# ruff: noqa: ARG002 - a method gets a request and a context, whether it needs them or not

import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from model.predictor import ModelError
from serving.http.auth import Keys
from serving.http.limits import SMALL_BYTES, ConcurrencyLimit
from serving.http.metrics import Metrics
from serving.inference import grpc_codec, triton_extensions
from serving.inference.batcher import Results
from serving.inference.endpoints import INLINE_BYTES, Endpoints
from serving.inference.grpc_calls import Calls, FullError, may_load, told
from serving.inference.models import UnknownModelError, UnknownVersionError
from serving.inference.proto import open_inference_pb2 as messages
from serving.inference.proto.open_inference_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)
from serving.inference.rest import SERVER_METADATA
from serving.inference.tensors import IMAGE_SHAPE, Infer
from serving.settings import Settings

SERVICE = messages.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_INFER = f"/{SERVICE}/ModelInfer"
_HEALTH = health.SERVICE_NAME
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Calls at a time, for each within the concurrency limit: those whose message or answer is on its
# way, and silent streams. gRPC itself refuses more.
_CALLS = 4

_MINUTE = 60_000  # in milliseconds
_OPTIONS = {
    "grpc.max_send_message_length": -1,
    # Else each connection would buffer megabytes that nobody has asked for yet.
    "grpc.http2.bdp_probe": 0,
    # Else the streams of calls just answered count too, and a burst that keeps the limit of
    # streams is refused in part (measured: a tenth of 200 calls).
    "grpc.http.overload_protection": 0,
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


def is_ready(endpoints: Endpoints, name: str, version: str = "") -> bool:
    """Whether the network answers; one that is not in memory is loaded, if the call may do so."""
    if endpoints.models.is_waiting(name) and not may_load.get():
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


def _is_news(record: logging.LogRecord) -> bool:
    """False of answers that a client did not take: it has left, or they are too large for it."""
    return not (record.exc_info and isinstance(record.exc_info[1], grpc.aio.InternalError))


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
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)
    keys = Keys(settings.key_names) if settings.api_key else None
    # Of a message: four for a pixel, the images' values, and some for everything else.
    most_bytes = settings.max_batch * math.prod(IMAGE_SHAPE) * 4 + SMALL_BYTES
    most_calls = _CALLS * settings.max_concurrency
    options = _OPTIONS | {
        "grpc.max_receive_message_length": min(settings.max_body_bytes, most_bytes),
        # Of a connection: one alone does not take all calls.
        "grpc.max_concurrent_streams": settings.max_concurrency,
        "grpc.max_allowed_incoming_connections": settings.max_connections,
        # Else a second server would share the port of a first one, and nobody would know.
        "grpc.so_reuseport": int(settings.workers > 1),
    }
    calls = Calls(keys, metrics, settings.body_seconds)
    server = grpc.aio.server(
        interceptors=[calls],
        options=[*options.items()],
        maximum_concurrent_rpcs=most_calls,
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
        await calls.stop()
        await server.stop(settings.drain_seconds)
