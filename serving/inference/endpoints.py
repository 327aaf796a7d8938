"""The networks as the protocol offers them, whichever transport a request came by."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cached_property, partial
from typing import Any

from model.predictor import Predictor
from serving.inference.batcher import Batcher, Job, Results
from serving.inference.json_codec import Infer, model_metadata
from serving.inference.models import Models
from serving.inference.statistics import Statistics

# What is computed and written in the event loop's thread, a millisecond or two: sooner done than
# handed to a thread. More would hold up everybody else.
INLINE_IMAGES = 16
INLINE_NUMBERS = 80_000  # of an answer; as JSON they take 2 ms


class UnknownVersionError(LookupError):
    """The network has another version; the message names it."""


class Endpoint:
    """One network: its names, and inference in batches (`serving.inference.batcher`).

    Args:
        predictor: the network.
        max_batch: most images in a request.
        pool: takes what is too large for the event loop.
        computed: is told the network's name, the seconds and the images of each inference.
    """

    def __init__(
        self,
        predictor: Predictor,
        max_batch: int,
        pool: Executor,
        computed: Callable[[str, float, int], None],
    ):
        self.predictor = predictor
        self.max_batch = max_batch
        self.name = predictor.name
        self.version = predictor.version
        self._pool = pool
        self.statistics = Statistics()
        self._computed = computed
        self._batcher = Batcher(predictor, computed=self._count)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        nodes = self.predictor.inputs, self.predictor.outputs
        return model_metadata(self.name, self.version, *nodes)

    def _count(self, seconds: float, images: int, waits: list[float]) -> None:
        self.statistics.computed(seconds, images, waits)
        self._computed(self.name, seconds, images)

    def check_version(self, version: str | None) -> None:
        """
        Raises:
            UnknownVersionError: it is not this one's.
        """
        if version and version != self.version:
            raise UnknownVersionError(f"no version {version[:80]!r} here: it is {self.version!r}")

    def is_small(self, request: Infer) -> bool:
        """Whether the event loop's thread should see to it."""
        count = len(request.images)
        if request.outputs is None:
            numbers = sum(self._numbers.values())
        else:
            numbers = sum(self._numbers[name] for name in request.outputs)
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

    async def infer(self, request: Infer) -> Results:
        """The outputs asked for, by name."""
        if self.is_small(request):
            return await self._batcher.run(request.images, request.outputs)
        return await self.in_thread(partial(self._batcher.compute, request.images, request.outputs))

    def submit(self, job: Job) -> None:
        """The same for who cannot await it; for what `is_small`."""
        self._batcher.submit(job)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Run `work` beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class Endpoints:
    """The endpoint of each network, made when it is first wanted.

    Raises:
        UnknownModelError, ModelError: see `Models.choose`, at each call.
    """

    def __init__(
        self,
        models: Models,
        max_batch: int,
        pool: Executor,
        computed: Callable[[str, float, int], None] = lambda *_: None,
    ):
        self._models = models
        self._make = partial(Endpoint, max_batch=max_batch, pool=pool, computed=computed)
        self._made: dict[str, Endpoint] = {}

    def known(self, name: str) -> Endpoint | None:
        """The endpoint, if it has been made."""
        return self._made.get(name)

    def __call__(self, name: str) -> Endpoint:
        if (known := self._made.get(name)) is not None:
            return known
        # Of two threads that come for a new one, both get the first's.
        return self._made.setdefault(name, self._make(self._models.choose(name)))
