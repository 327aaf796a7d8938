"""Requests over connections that stay open, from one thread: a closed or an open loop.

Closed: each connection sends its next request as soon as its answer is there. Open: requests
fall due at a fixed rate, whether or not the server keeps up. The sockets are blocking and
`epoll` says which to read: several times the requests a second of an asyncio client, so that
one core of load is enough for the fastest server here. Linux only.
"""

import gc
import select
import socket
import time
from array import array
from collections import deque
from dataclasses import dataclass, field

from httptools import HttpResponseParser

LOST, SILENT = "connection lost", "no answer"  # stand where an answer has its status code
PATIENCE = 10.0  # seconds that are left for answers after the last request
_RETRY = 0.01  # seconds before a closed loop tries a server anew that was not there
_SPIN = 0.002  # epoll's timeouts are whole milliseconds: for less than this it is not asked to wait


@dataclass
class Measured:
    """What came back.

    `times` has the seconds from sending to the whole answer, by status code (or `LOST`,
    `SILENT`); `since_due` the seconds from when the request fell due, which in an open loop is
    before it was sent if the load itself is late. `unsent` requests fell due while every
    connection was waiting, or while the load's thread stood still at the end. `unexplained`
    are the refusals (429, 503) without Retry-After. `busy` is this thread's share of its core.
    """

    seconds: float = 0.0
    times: dict[int | str, array] = field(default_factory=dict)
    since_due: dict[int | str, array] = field(default_factory=dict)
    unsent: int = 0
    unexplained: int = 0
    busy: float = 0.0

    def add(self, code: int | str, sent: float, since_due: float | None = None) -> None:
        """One answer: the seconds since it was sent, and since it fell due if that was earlier."""
        if code not in self.times:
            self.times[code], self.since_due[code] = array("d"), array("d")
        self.times[code].append(sent)
        self.since_due[code].append(sent if since_due is None else since_due)

    def merge(self, other: "Measured") -> None:
        """Take in what another thread or process measured at the same time."""
        for mine, theirs in ((self.times, other.times), (self.since_due, other.since_due)):
            for code, seconds in theirs.items():
                mine.setdefault(code, array("d")).extend(seconds)
        self.seconds = max(self.seconds, other.seconds)
        self.unsent += other.unsent
        self.unexplained += other.unexplained
        self.busy = max(self.busy, other.busy)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return sum(map(len, self.times.values()))

    @property
    def rate(self) -> float:
        """Right answers (200) a second."""
        return len(self.times.get(200, ())) / self.seconds

    @property
    def wrong(self) -> dict[int | str, int]:
        """How many answers were not 200, by code."""
        return {code: len(times) for code, times in self.times.items() if code != 200}


class Connection:
    """One connection, opened when it is first needed and again after it was lost."""

    def __init__(self, port: int, poll: select.epoll):
        self._port, self._poll = port, poll
        self._socket: socket.socket | None = None
        self.number = -1  # of the open socket
        self.waiting = False
        self.sent = self.due = 0.0

    def open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = self._socket.fileno()
        self._poll.register(self.number, select.EPOLLIN)
        self._parser = HttpResponseParser(self)

    def send(self, request: bytes, due: float | None) -> None:
        """Send what fell due at `due` (None: now); raises OSError where the server is not there."""
        self.sent, self.waiting, self.answer = time.perf_counter(), True, b""
        self.due = self.sent if due is None else due
        if self._socket is None:
            self.open()
        self._socket.sendall(request)

    def receive(self) -> int | None:
        """Read; returns the status code once the answer is complete. Raises OSError."""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self.answer += data
        self._parser.feed_data(data)
        if self.waiting:
            return None
        if not self._stays:
            self.close()
        return self._parser.get_status_code()

    def on_message_complete(self) -> None:
        """The parser calls it, and knows only now whether the connection stays open."""
        self.waiting = False
        self._stays = self._parser.should_keep_alive()

    def close(self) -> None:
        self.waiting = False
        if self._socket is not None:
            self._socket.close()  # leaves the epoll by itself
            self._socket, self.number = None, -1


def drive(
    port: int, request: bytes, connections: int, seconds: float, rate: float | None = None
) -> Measured:
    """Load the server at 127.0.0.1:`port` with one request over and over.

    Args:
        request: as it goes over the wire.
        connections: how many stay open.
        seconds: how long requests are sent; answers may come `PATIENCE` later.
        rate: requests a second of an open loop; a closed loop when None.
    """
    with select.epoll() as poll:
        pool = [Connection(port, poll) for _ in range(connections)]
        for connection in pool:
            connection.open()
        try:
            gc.disable()  # its pauses would be the server's
            return _drive(poll, pool, request, seconds, rate)
        finally:
            gc.enable()
            for connection in pool:
                connection.close()


def _drive(
    poll: select.epoll, pool: list[Connection], request: bytes, seconds: float, rate: float | None
) -> Measured:
    measured = Measured()
    idle = deque(pool)
    waiting: dict[int, Connection] = {}
    quiet = {connection.number: connection for connection in pool}  # open, owe nothing
    offered = 0
    processor, start = time.thread_time(), time.perf_counter()
    now, end = start, start + seconds
    while now < end or (waiting and now < end + PATIENCE):
        if now < end:
            due = len(idle) if rate is None else int((now - start) * rate) + 1 - offered
            sending = min(due, len(idle))
            for number in range(offered, offered + sending):
                connection = idle.popleft()
                quiet.pop(connection.number, None)
                try:
                    connection.send(request, None if rate is None else start + number / rate)
                    waiting[connection.number] = connection
                except OSError:
                    _lost(measured, connection, idle)
            offered += due
            measured.unsent += due - sending
        if now >= end:
            wait = 0.1
        elif rate is not None:
            wait = min(end, start + offered / rate) - now
        else:
            wait = _RETRY if idle else end - now
        for number, _ in poll.poll(wait if wait > _SPIN else 0, len(pool)):
            connection = waiting.get(number)
            if connection is None:  # the server closed one that owes nothing
                quiet.pop(number).close()
                continue
            try:
                code = connection.receive()
            except OSError:
                del waiting[number]
                _lost(measured, connection, idle)
                continue
            if code is not None:
                del waiting[number]
                _answered(measured, connection, code)
                if code in (429, 503) and b"\r\nretry-after:" not in connection.answer.lower():
                    measured.unexplained += 1
                idle.append(connection)
                if connection.number >= 0:
                    quiet[connection.number] = connection
        now = time.perf_counter()
    for connection in waiting.values():
        _answered(measured, connection, SILENT)
    if rate is not None:
        measured.unsent += max(0, int(seconds * rate) - offered)
    measured.seconds = now - start
    measured.busy = (time.thread_time() - processor) / measured.seconds
    return measured


def _answered(measured: Measured, connection: Connection, code: int | str) -> None:
    now = time.perf_counter()
    measured.add(code, now - connection.sent, now - connection.due)


def _lost(measured: Measured, connection: Connection, idle: deque[Connection]) -> None:
    _answered(measured, connection, LOST)
    connection.close()
    idle.append(connection)
