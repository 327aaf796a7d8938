"""Calls whose client is to send something: how many there may be, and which of them must go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

# So long a call may be silent although others want its place.
PATIENCE_SECONDS = 1.0


class FullError(Exception):
    """There is no place."""

    def __init__(self) -> None:
        super().__init__("the server is full: try again in a second")


class SlowError(Exception):
    """The call's message does not arrive."""

    def __init__(self) -> None:
        super().__init__("no message arrived for too long: call anew, and send it at once")


class Waiting:
    """Places for calls that wait. Not for several threads.

    Whoever says nothing must not lock others out: who comes when all places are taken gets that
    of the call that has been silent for longest.

    Args:
        most: places.
        seconds: that a call may be silent while there are others.
    """

    def __init__(self, most: int, seconds: float):
        self._most = most
        self._seconds = seconds
        self._heard: dict[asyncio.Timeout, float] = {}  # the most silent first

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Callable[[], None]]:
        """A place; the function that it gives says that the client has been heard.

        Raises:
            FullError: all are taken by calls that were heard just now.
            SlowError: the client was silent for too long.
        """
        now = asyncio.get_running_loop().time()
        if len(self._heard) >= self._most:
            self._free_one(now)
        timer = asyncio.timeout(self._seconds)
        try:
            async with timer:
                self._heard[timer] = now
                yield partial(self._hear, timer)
        except TimeoutError:
            raise SlowError from None
        finally:
            self._heard.pop(timer, None)

    def _hear(self, timer: asyncio.Timeout) -> None:
        if self._heard.pop(timer, None) is None or timer.expired():
            return  # it is to go already
        self._heard[timer] = now = asyncio.get_running_loop().time()
        timer.reschedule(now + self._seconds)

    def _free_one(self, now: float) -> None:
        timer, heard = next(iter(self._heard.items()))
        if now - heard < PATIENCE_SECONDS:
            raise FullError
        del self._heard[timer]
        if not timer.expired():
            timer.reschedule(now)
