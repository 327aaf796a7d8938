"""Requests that arrive together are inferred together, without a timer.

An inference for 16 images takes a third of the time of 16 inferences. Whatever has arrived
when the event loop comes round becomes one batch: a lone request waits for nobody, and under
load the batches grow by themselves, since requests gather while the one before is computed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from serving.predictor import Predictor

MOST_IMAGES = 32  # in a batch: more bring no speed (benchmarks/README.md), but wait longer

Results = dict[str, np.ndarray]


class _Job(NamedTuple):
    images: np.ndarray
    outputs: tuple[str, ...] | None
    future: asyncio.Future[Results]
    arrived: float


class Batcher:
    """The batches of one network, computed in the event loop's thread.

    Args:
        predictor: the network.
        most: images in a batch. A job that alone has more is a batch of its own.
        computed: is told the seconds and the images of each inference, and the seconds that each
            job in it had waited, in the thread that made it.
    """

    def __init__(
        self,
        predictor: Predictor,
        most: int = MOST_IMAGES,
        computed: Callable[[float, int, list[float]], None] = lambda *_: None,
    ):
        self._predictor = predictor
        self._most = most
        self._computed = computed
        self._waiting: deque[_Job] = deque()

    async def run(self, images: np.ndarray, outputs: list[str] | None) -> Results:
        """What `Predictor.run` gives for `images` (n, 28, 28), computed with others' images."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)  # behind everything that has already arrived
        wanted = None if outputs is None else tuple(outputs)
        job = _Job(images, wanted, loop.create_future(), time.perf_counter())
        self._waiting.append(job)
        return await job.future

    def compute(
        self, images: np.ndarray, outputs: list[str] | None, arrivals: Sequence[float] = ()
    ) -> Results:
        """The same at once, alone and in the caller's thread: for what is a batch by itself."""
        started = time.perf_counter()
        results = self._predictor.run(images, outputs)
        waits = [started - arrived for arrived in arrivals or (started,)]
        self._computed(time.perf_counter() - started, len(images), waits)
        return results

    def _flush(self) -> None:
        batch = self._next_batch()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)  # others have their turn between
        if batch:
            try:
                self._answer(batch)
            except Exception as error:
                for job in batch:
                    if not job.future.done():
                        job.future.set_exception(error)

    def _next_batch(self) -> list[_Job]:
        """Jobs from the front that want the same outputs; those whose caller left are dropped."""
        batch: list[_Job] = []
        size = 0
        while self._waiting:
            job = self._waiting[0]
            if job.future.done():
                self._waiting.popleft()
                continue
            size += len(job.images)
            if batch and (size > self._most or job.outputs != batch[0].outputs):
                break
            batch.append(self._waiting.popleft())
        return batch

    def _answer(self, batch: list[_Job]) -> None:
        outputs = batch[0].outputs
        images = [job.images for job in batch]
        images = images[0] if len(batch) == 1 else np.concatenate(images)
        arrivals = [job.arrived for job in batch]
        results = self.compute(images, None if outputs is None else list(outputs), arrivals)
        first = 0
        for job in batch:
            last = first + len(job.images)
            job.future.set_result({name: array[first:last] for name, array in results.items()})
            first = last
