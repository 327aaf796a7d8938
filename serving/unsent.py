"""Answers that their clients do not read: limited in time, and together in memory."""

import asyncio

STALL_SECONDS = 10.0  # without a byte taken
MOST_BYTES = 384 * 2**20  # 16 answers with all outputs for 256 images, as `max_heavy` has it


class Unsent:
    """The connections whose answer waits to leave. Those end that take none of it for long, and,
    where the answers are too large together, the oldest.

    The memory of an answer is free when all of it has left: each counts with the size that it
    had at first.

    Args:
        seconds: without a byte taken, after which the client has it no more.
        most: bytes that wait; a single answer may be larger.
    """

    def __init__(self, seconds: float = STALL_SECONDS, most: int = MOST_BYTES):
        self._seconds = seconds
        self._most = most
        self._timers: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._sizes: dict[asyncio.Transport, int] = {}
        self.bytes = 0

    def add(self, transport: asyncio.Transport) -> None:
        """Watch a connection from now on; again is no matter."""
        if transport in self._sizes:
            return
        size = transport.get_write_buffer_size()
        self._sizes[transport] = size
        self.bytes += size
        self._await(transport, size)
        for oldest in [*self._sizes]:
            if self.bytes <= self._most or oldest is transport:
                break
            self.remove(oldest)
            oldest.abort()

    def remove(self, transport: asyncio.Transport) -> None:
        """Watch it no more."""
        if transport in self._sizes:
            self.bytes -= self._sizes.pop(transport)
            self._timers.pop(transport).cancel()

    def _await(self, transport: asyncio.Transport, size: int) -> None:
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(self._seconds, self._look, transport, size)

    def _look(self, transport: asyncio.Transport, before: int) -> None:
        size = transport.get_write_buffer_size()
        if size >= before:
            self.remove(transport)
            transport.abort()
        else:
            self._await(transport, size)
