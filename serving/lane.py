"""The requests that `serving.express` answers, and what all of them use."""

import time
from typing import NamedTuple

from serving.endpoints import Endpoint, Endpoints
from serving.gate import Gate
from serving.guard import Keys
from serving.metrics import Metrics
from serving.protocol import Infer, parse_infer


class Lane(NamedTuple):
    """What the requests of this process share; `keys` is None where none is needed."""

    endpoints: Endpoints
    gate: Gate
    watch: Metrics
    keys: Keys | None


class _NoEvent:
    """For uvicorn to set; nobody waits for it."""

    def set(self) -> None:
        pass


_NO_EVENT = _NoEvent()


class Request:
    """A request, and to uvicorn its connection's cycle, as `RequestResponseCycle` is.

    `started` is when its head was there, `complete` when its body was, by `time.perf_counter`;
    `reading` took so many seconds.
    """

    __slots__ = (
        # uvicorn's, and `serving.connection`'s
        *("disconnected", "keep_alive", "message_event", "response_complete", "transport"),
        *("endpoint", "id", "json_length", "pieces", "infer", "started", "complete", "reading"),
    )

    def __init__(self, endpoint: Endpoint, json_length: int | None, identity: bytes):
        self.disconnected = self.response_complete = False
        self.keep_alive = True  # until uvicorn ends
        self.message_event = _NO_EVENT
        self.endpoint = endpoint
        self.json_length = json_length
        self.id = identity
        self.pieces: list[bytes] = []
        self.infer: Infer | None = None
        self.started = self.complete = time.perf_counter()
        self.reading = 0.0  # seconds

    def forget(self) -> None:
        """Let its pixels go: its connection keeps it until the next request."""
        self.pieces, self.infer = [], None

    def read(self) -> bool:
        """Whether its body is what is answered here."""
        self.complete = time.perf_counter()
        endpoint, body = self.endpoint, b"".join(self.pieces)
        names, most = endpoint.predictor.output_names, endpoint.max_batch
        try:
            self.infer = parse_infer(body, names, most, self.json_length)
        except Exception:
            return False  # the application meets it again, and says what is wrong
        self.reading = time.perf_counter() - self.complete
        return endpoint.is_small(self.infer)
