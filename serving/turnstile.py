"""Refusals that cost next to nothing, for when thousands come at once.

The event loop reads all that has arrived before it answers any of it. With thousands of clients
that come back at once, a refusal by way of the application (70 µs) leaves no time for those
inside: of 4,200 answers a second 200 were left (benchmarks/serving/overload.py). So a small POST
that would find the gate full is answered here, from its head, before there is a request.
"""

from typing import ClassVar

from serving.connection import Connection
from serving.gate import FULL_ANSWER, SMALL_BYTES


class Turnstile(Connection):
    """A connection that knows when the gate is full.

    `serving.gate` stays the one that counts; here is only seen how many it has inside, and how
    many more have come in this round of the event loop, whom it cannot have seen yet. In one
    round no more come in than it has places for, even if some have left again: the others have
    waited in their sockets since it began, and those behind them wait longer.
    """

    _arrived: ClassVar[int] = 0  # in this round
    _unseen: ClassVar[int] = 0  # of them, those on their way to the gate
    _is_refused = False  # the message that is being read

    def on_headers_complete(self) -> None:
        self._is_refused = False
        is_post = self.parser.get_method() == b"POST"
        if is_post and self._is_full() and self._may_refuse():
            self._is_refused = self._has_head = True
            self._lift_limit()
            return
        if is_post:
            self._arrive()
        self._let_in(is_post)

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()
            return
        self._is_message = False
        self._piece = 0
        self._lift_limit()
        self.config.shed()
        self.transport.write(FULL_ANSWER)
        self._forget_message()
        self.on_response_complete()
        self._rest()

    def _let_in(self, is_post: bool) -> None:
        if is_post:
            self._begin_round()
            Turnstile._unseen += 1
        super().on_headers_complete()

    def _forget_message(self) -> None:
        """What thousands of idle connections kept of their last request would be looked through
        for garbage again and again: a fifth of all time (measured)."""
        self.scope = self.headers = None

    def _is_full(self) -> bool:
        gate = self.config.gate
        inside = max(gate.in_flight + Turnstile._unseen, Turnstile._arrived)
        return gate.ready and inside >= gate.most

    def _may_refuse(self) -> bool:
        """Whether nothing but this one message has to be looked at."""
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # another request of this connection is being answered
        if not self.parser.should_keep_alive() or self.config.settings.cors_origins:
            return False  # the application knows how to answer these
        for name, value in self.headers:
            if name == b"content-length":
                return value.isdigit() and len(value) < 10 and int(value) <= SMALL_BYTES
            if name in (b"expect", b"upgrade"):
                return False
        return False

    def _arrive(self) -> None:
        self._begin_round()
        Turnstile._arrived += 1

    def _begin_round(self) -> None:
        if not (Turnstile._arrived or Turnstile._unseen):
            self.loop.call_soon(self._forget)  # behind everything that has already arrived

    @staticmethod
    def _forget() -> None:
        Turnstile._arrived = Turnstile._unseen = 0
