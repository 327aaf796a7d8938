"""What each method of ``GRPCInferenceService`` answers: bytes in, bytes out.

The same networks, batches and places (`serving.http.limits`) as over HTTP, and the same words for the
same mistakes. `serving.inference.grpc_server` listens.
"""

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc

from model.predictor import ModelError
from serving.http.errors import broken_model
from serving.http.limits import SMALL_BYTES, Gate
from serving.http.metrics import Metrics
from serving.inference import grpc_codec as messages
from serving.inference import triton_extensions as repository
from serving.inference.endpoints import Endpoint, Endpoints, UnknownVersionError
from serving.inference.infer import INLINE_BYTES
from serving.inference.models import Models, UnknownModelError
from serving.inference.rpc_waiting import FullError, SlowError
from serving.inference.tensors import ProtocolError
from serving.inference.v2 import SERVER_METADATA

_LOG = logging.getLogger("scanline")


class KeyMissingError(Exception):
    """The call brings no key that is let in."""


_CODES: dict[type[Exception], grpc.StatusCode] = {
    ProtocolError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownModelError: grpc.StatusCode.NOT_FOUND,
    UnknownVersionError: grpc.StatusCode.NOT_FOUND,
    ModelError: grpc.StatusCode.UNAVAILABLE,
    FullError: grpc.StatusCode.UNAVAILABLE,
    KeyMissingError: grpc.StatusCode.UNAUTHENTICATED,
    SlowError: grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Rpc:
    """What each method answers: bytes in, bytes out.

    Args:
        models: the networks.
        endpoints: the same as the protocol offers them.
        gate: places for requests, shared with HTTP.
        watch: gets the counts and times.
    """

    def __init__(self, models: Models, endpoints: Endpoints, gate: Gate, watch: Metrics):
        self._models = models
        self._endpoints = endpoints
        self._gate = gate
        self._watch = watch

    async def answer(self, method: str, data: bytes, may_load: bool = True) -> bytes:
        """What `method` answers to `data`.

        Args:
            method: its name.
            data: its message.
            may_load: false for a probe without the key that is wanted: to it, a network that is
                not loaded is not ready, as over HTTP (`serving.http.auth`).

        Raises:
            ProtocolError, UnknownModelError, UnknownVersionError, ModelError, FullError: `status`
                tells what they become.
        """
        if method == "ModelInfer":
            return (await self._infer(data)).SerializeToString()
        request = messages.read(method, data)
        if method == "ModelReady" and not (may_load or self._is_loaded(request.name)):
            return messages.write(method, {"ready": False})
        return messages.write(method, await getattr(self, f"_{method}")(request))

    async def stream(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """One answer for each request, in order; an error is an answer too."""
        answer = messages.response_class("ModelStreamInfer")
        async for data in requests:
            try:
                message = answer(infer_response=await self._infer(data))
            except Exception as error:
                if isinstance(error, FullError):
                    self._watch.shed(503)
                message = answer(error_message=status(error)[1])
            yield message.SerializeToString()

    async def _infer(self, data: bytes) -> Any:
        with self._place(heavy=len(data) > SMALL_BYTES):
            return await self._infer_inside(data)

    @contextmanager
    def _place(self, heavy: bool = False) -> Iterator[None]:
        """One at the gate."""
        if not self._gate.enter(heavy):
            raise FullError
        try:
            yield
        finally:
            self._gate.leave(heavy)

    async def _infer_inside(self, data: bytes) -> Any:
        started = time.perf_counter()
        message = messages.read("ModelInfer", data)
        endpoint = self._endpoint(message.model_name, message.model_version)
        try:
            parse = partial(
                messages.parse_infer, message, endpoint.predictor.output_names, endpoint.max_batch
            )
            is_small = len(data) <= INLINE_BYTES
            request = parse() if is_small else await endpoint.in_thread(parse)
            reading = time.perf_counter() - started
            self._watch.decoded(route("ModelInfer"), reading)
            results = await endpoint.infer(request)
            computed = time.perf_counter()
            write = partial(
                messages.infer_answer, message, endpoint.name, endpoint.version, request, results
            )
            is_small = endpoint.is_small(request)
            answer = write() if is_small else await endpoint.in_thread(write)
        except Exception:
            endpoint.statistics.failed(time.perf_counter() - started)
            raise
        ended = time.perf_counter()
        endpoint.statistics.answered(ended - started, reading, ended - computed)
        return answer

    def _endpoint(self, name: str, version: str) -> Endpoint:
        endpoint = self._endpoints(name)
        endpoint.check_version(version)
        return endpoint

    def _is_loaded(self, name: str) -> bool:
        return name in [network.name for network in self._models.loaded]

    async def _ServerLive(self, _: Any) -> dict[str, Any]:
        return {"live": True}

    async def _ServerReady(self, _: Any) -> dict[str, Any]:
        return {"ready": self._gate.ready}

    async def _ModelReady(self, request: Any) -> dict[str, Any]:
        try:
            self._endpoint(request.name, request.version)
        except (UnknownModelError, UnknownVersionError, ModelError):
            return {"ready": False}
        return {"ready": self._gate.ready}

    async def _ServerMetadata(self, _: Any) -> dict[str, Any]:
        return SERVER_METADATA

    async def _ModelMetadata(self, request: Any) -> dict[str, Any]:
        return self._endpoint(request.name, request.version).metadata

    async def _ModelConfig(self, request: Any) -> dict[str, Any]:
        endpoint = self._endpoint(request.name, request.version)
        return {"config": repository.model_config(endpoint)}

    async def _ModelStatistics(self, request: Any) -> dict[str, Any]:
        if request.name:
            return repository.model_statistics([self._endpoint(request.name, request.version)])
        return repository.model_statistics(repository.loaded(self._models, self._endpoints))

    async def _RepositoryIndex(self, request: Any) -> dict[str, Any]:
        index = partial(repository.index, self._models, self._endpoints, request.ready)
        with self._place():
            return {"models": await self._endpoints(self._models.default.name).in_thread(index)}


def status(error: Exception) -> tuple[grpc.StatusCode, str]:
    """What a client is told of `error`; one that nobody expected goes to the log."""
    code = _CODES.get(type(error))
    if code is None:
        _LOG.error("a call over gRPC failed", exc_info=error)
        return grpc.StatusCode.INTERNAL, "the server failed at this request; its log says more"
    return code, broken_model(error) if isinstance(error, ModelError) else str(error)


def route(method: str) -> str:
    """How metrics call `method`."""
    return f"/{messages.SERVICE}/{method}"
