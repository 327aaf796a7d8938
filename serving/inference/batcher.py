"""Requests that arrive together are inferred together, without a timer.

An inference for 16 images takes a third of the time of 16 inferences. Whatever has arrived
when the event loop comes round becomes one batch: a lone request waits for nobody, and under
load the batches grow by themselves, since requests gather while the one before is computed.
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


class Job(NamedTuple):
    """A request's images, and who wants to know the outcome.

    `images` is float32 (n, 28, 28); `outputs` the wanted names, all when None; `arrived` the time
    by `time.perf_counter`. One of `answer` and `fail` is called, and must not raise, unless
    `is_gone` says before that nobody waits any more.
    """

    images: np.ndarray
    outputs: list[str] | None
    answer: Callable[[Results], None]
    fail: Callable[[Exception], None]
    arrived: float
    is_gone: Callable[[], bool] = lambda: False


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
        self._waiting: deque[Job] = deque()
        self._size = 0  # images that wait
        self._is_due = False  # `_flush` is on its way

    def submit(self, job: Job) -> None:
        """Have a job computed with others': before the event loop listens again, or here and now
        where it makes a batch full."""
        self._waiting.append(job)
        self._size += len(job.images)
        if self._size >= self._most:
            self._compute_next()
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)  # behind all that has arrived

    async def run(self, images: np.ndarray, outputs: list[str] | None) -> Results:
        """What `Predictor.run` gives for `images` (n, 28, 28), computed with others' images."""
        future = asyncio.get_running_loop().create_future()
        answer, fail = future.set_result, future.set_exception
        self.submit(Job(images, outputs, answer, fail, time.perf_counter(), future.done))
        return await future

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
        self._is_due = False
        self._compute_next()
        if self._waiting and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)  # others have their turn between

    def _compute_next(self) -> None:
        batch = self._next_batch()
        if not batch:
            return
        try:
            parts = self._parts(batch)
        except Exception as error:
            for job in batch:
                job.fail(error)
        else:
            for job, part in zip(batch, parts, strict=True):
                job.answer(part)

    def _next_batch(self) -> list[Job]:
        """Jobs from the front that want the same outputs; those whose caller left are dropped."""
        batch: list[Job] = []
        size = 0
        while self._waiting:
            job = self._waiting[0]
            if not job.is_gone():
                size += len(job.images)
                if batch and (size > self._most or job.outputs != batch[0].outputs):
                    break
                batch.append(job)
            self._waiting.popleft()
            self._size -= len(job.images)
        return batch

    def _parts(self, batch: list[Job]) -> Iterator[Results]:
        """The outcome of each job."""
        images = [job.images for job in batch]
        images = images[0] if len(batch) == 1 else np.concatenate(images)
        arrivals = [job.arrived for job in batch]
        results = self.compute(images, batch[0].outputs, arrivals)
        ends = accumulate(len(job.images) for job in batch)
        return (
            {name: array[end - len(job.images) : end] for name, array in results.items()}
            for job, end in zip(batch, ends, strict=True)
        )
