"""The networks as the protocol offers them, and the one way from a request to its answer.

Bytes → codec → images → batcher → predictor → codec, whichever transport a request came by:
REST and gRPC only bring their codecs (`json_codec`, `grpc_codec`).
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, TypeVar

from model.predictor import Predictor
from serving.http.limits import ConcurrencyLimit
from serving.http.metrics import Metrics
from serving.inference.batcher import Batcher, Results
from serving.inference.json_codec import model_metadata
from serving.inference.models import Models, UnknownVersionError
from serving.inference.statistics import Statistics
from serving.inference.tensors import Infer

# What is computed and written in the event loop's thread, a millisecond or two: sooner done than
# handed to a thread. More would hold up everybody else.
INLINE_IMAGES = 16
INLINE_NUMBERS = 80_000  # of an answer; as JSON they take 2 ms
INLINE_BYTES = 16 * 1024  # of a request: read within 100 µs
# For large requests, which must not wait behind pictures. A second one, since Python lets go of
# its lock while a network computes or an answer is compressed.
THREADS = 2

Answer = TypeVar("Answer")


class Endpoint:
    """One network: its names, its counts, and its inference in batches.

    Args:
        predictor: the network.
        max_batch: most images in a request.
        limit: tells whether a request is alone.
        pool: takes what is too large for the event loop.
        metrics: gets counts and times.
    """

    def __init__(
        self,
        predictor: Predictor,
        max_batch: int,
        limit: ConcurrencyLimit,
        pool: ThreadPoolExecutor,
        metrics: Metrics,
    ):
        self.predictor = predictor
        self.max_batch = max_batch
        self.name = predictor.name
        self.version = predictor.version
        self.statistics = Statistics()
        self._limit = limit
        self._pool = pool
        self._metrics = metrics
        self._batcher = Batcher(predictor, computed=self._count)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        nodes = self.predictor.inputs, self.predictor.outputs
        return model_metadata(self.name, self.version, *nodes)

    def check_version(self, version: str | None) -> None:
        """
        Raises:
            UnknownVersionError: it is not this one's.
        """
        if version and version != self.version:
            raise UnknownVersionError(f"no version {version[:80]!r} here: it is {self.version!r}")

    async def answer(
        self,
        route: str,
        decode: Callable[[], Infer],
        encode: Callable[[Infer, Results], Answer],
        is_large: bool,
    ) -> Answer:
        """Answer an inference request.

        Args:
            route: how metrics call it.
            decode: reads the request; what it raises is raised here.
            encode: writes the answer.
            is_large: one of the two takes longer than the event loop should wait, whatever the
                number of images: a large body, compression.
        """
        started = time.perf_counter()
        try:
            request = await self.in_thread(decode) if is_large else decode()
            decoded = time.perf_counter()
            self._metrics.decoded(route, decoded - started)
            if not self._is_small(request):
                is_large = True
                run = partial(self._batcher.compute, request.images, request.outputs)
                results = await self.in_thread(run)
            elif self._limit.present <= 1:  # alone
                results = self._batcher.compute(request.images, request.outputs)
            else:
                results = await self._batcher.run(request.images, request.outputs)
            computed = time.perf_counter()
            write = partial(encode, request, results)
            answer = await self.in_thread(write) if is_large else write()
        except Exception:
            self.statistics.failed(time.perf_counter() - started)
            raise
        ended = time.perf_counter()
        self.statistics.answered(ended - started, decoded - started, ended - computed)
        return answer

    async def in_thread(self, work: Callable[[], Answer]) -> Answer:
        """Run `work` beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _is_small(self, request: Infer) -> bool:
        """Whether the event loop's thread should see to it."""
        count = len(request.images)
        names = self._numbers if request.outputs is None else request.outputs
        numbers = sum(self._numbers[name] for name in names)
        return count <= INLINE_IMAGES and count * numbers <= INLINE_NUMBERS

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Of each output, for one image."""
        # A size that is only known when it is computed is a text: too large, to be safe.
        return {
            node.name: math.prod(
                size if isinstance(size, int) else INLINE_NUMBERS for size in node.shape[1:]
            )
            for node in self.predictor.outputs
        }

    def _count(self, seconds: float, images: int, waits: list[float]) -> None:
        self.statistics.computed(seconds, images, waits)
        self._metrics.inferred(self.name, seconds, images)


class Endpoints:
    """The endpoint of each network, made when it is first wanted.

    Raises:
        UnknownModelError, ModelError: see `Models.choose`, at each call.
    """

    def __init__(self, models: Models, max_batch: int, limit: ConcurrencyLimit, metrics: Metrics):
        self.models = models
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="scanline-infer")
        self._make = partial(Endpoint, max_batch=max_batch, limit=limit, pool=pool, metrics=metrics)
        self._made: dict[str, Endpoint] = {}

    def __call__(self, name: str, version: str | None = None) -> Endpoint:
        """The network `name`; see `Endpoint.check_version`."""
        if (endpoint := self._made.get(name)) is None:
            # Of two threads that come for a new one, both get the first's.
            endpoint = self._made.setdefault(name, self._make(self.models.choose(name)))
        endpoint.check_version(version)
        return endpoint

    @property
    def loaded(self) -> list[Endpoint]:
        """The networks in memory: the others, which nobody has asked for, have no statistics."""
        return [self(predictor.name) for predictor in self.models.loaded]
