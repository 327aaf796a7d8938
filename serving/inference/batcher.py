"""Requests that arrive together are inferred together, without a timer.

An inference for 16 images takes a third of the time of 16 inferences. Whatever has arrived
when the event loop comes round becomes one batch: under load the batches grow by themselves,
since requests gather while the one before is computed. A request that is alone is computed at
once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from model.predictor import Predictor

MOST_IMAGES = 32  # in a batch: more bring no speed (benchmarks/README.md), but wait longer

Results = dict[str, np.ndarray]


class _Job(NamedTuple):
    images: np.ndarray
    outputs: list[str] | None
    arrived: float
    future: asyncio.Future[Results]


class Batcher:
    """The batches of one network, computed in the event loop's thread.

    Args:
        predictor: the network.
        most: images in a batch. A request that alone has more is a batch of its own.
        computed: is told the seconds and the images of each inference, and the seconds that each
            request in it had waited, in the thread that made it.
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
        self._size = 0  # images that wait
        self._is_due = False  # `_flush` is on its way

    async def run(self, images: np.ndarray, outputs: list[str] | None) -> Results:
        """What `Predictor.run` gives for `images` (n, 28, 28), computed with others' images:
        before the event loop listens again, or here and now where they make a batch full."""
        future: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(images, outputs, time.perf_counter(), future))
        self._size += len(images)
        if self._size >= self._most:
            self._compute_next()
        self._come_back()
        return await future

    def compute(
        self, images: np.ndarray, outputs: list[str] | None, arrivals: Sequence[float] = ()
    ) -> Results:
        """The same at once, alone and in the caller's thread."""
        started = time.perf_counter()
        results = self._predictor.run(images, outputs)
        waits = [started - arrived for arrived in arrivals or (started,)]
        self._computed(time.perf_counter() - started, len(images), waits)
        return results

    def _come_back(self) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            loop = asyncio.get_running_loop()
            # Behind all that has arrived, and what arrives meanwhile: larger batches (measured).
            loop.call_soon(loop.call_soon, self._flush)

    def _flush(self) -> None:
        self._is_due = False
        self._compute_next()
        self._come_back()  # others have their turn between

    def _compute_next(self) -> None:
        batch = self._next_batch()
        if not batch:
            return
        try:
            parts = self._parts(batch)
        except Exception as error:
            for job in batch:
                job.future.set_exception(error)
        else:
            for job, part in zip(batch, parts, strict=True):
                job.future.set_result(part)

    def _next_batch(self) -> list[_Job]:
        """Jobs from the front that want the same outputs; those whose caller left are dropped."""
        batch: list[_Job] = []
        size = 0
        while self._waiting:
            job = self._waiting[0]
            if not job.future.done():
                size += len(job.images)
                if batch and (size > self._most or job.outputs != batch[0].outputs):
                    break
                batch.append(job)
            self._waiting.popleft()
            self._size -= len(job.images)
        return batch

    def _parts(self, batch: list[_Job]) -> Iterator[Results]:
        """The outcome of each job."""
        images = [job.images for job in batch]
        images = images[0] if len(batch) == 1 else np.concatenate(images)
        results = self.compute(images, batch[0].outputs, [job.arrived for job in batch])
        ends = accumulate(len(job.images) for job in batch)
        return (
            {name: array[end - len(job.images) : end] for name, array in results.items()}
            for job, end in zip(batch, ends, strict=True)
        )
