"""Computations that take long: one at a time, beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from fastapi import HTTPException

MOST_WAITING = 16  # questions; the next ones are asked to come back

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Worker:
    """A thread that all questions of one kind share; they must not hold up anyone's drawing."""

    def __init__(self, name: str):
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._places = asyncio.Semaphore(MOST_WAITING)

    async def run(self, function: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
        """`function`'s answer.

        Raises:
            HTTPException: 503, too many wait already.
        """
        if self._places.locked():
            raise HTTPException(503, "too many ask at once: try again", {"Retry-After": "1"})
        async with self._places:
            todo = partial(function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._pool, todo)
