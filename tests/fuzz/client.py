"""One client: request after request of every kind, over HTTP, gRPC and WebSockets."""

import http.client
import threading
import time
from typing import NamedTuple

import numpy as np

from tests.fuzz import bodies, forms, live, page, pictures, wire, zipped
from tests.fuzz.calls import Caller
from tests.fuzz.readers import Readers
from tests.fuzz.tally import PATIENCE, Tally

INFER = "/v2/models/scanline/infer"
JSON = {"Content-Type": "application/json"}
SHARES = {
    "picture": 0.27,
    "form": 0.10,
    "json": 0.22,
    "binary": 0.14,
    "zipped": 0.06,
    "call": 0.06,
    "live": 0.05,
    "page": 0.05,
    "wire": 0.03,
    "reader": 0.01,
    "bomb": 0.01,
}


class Ports(NamedTuple):
    """Where the server listens on 127.0.0.1."""

    http: int
    grpc: int


def attack(ports: Ports, counts: list[int], seed: int) -> Tally:
    """Run a client for each of `counts`, as threads; to be run in a process of its own."""
    tally, caller = Tally(), Caller(ports.grpc)
    clients = [Client(ports, caller, n, seed + i, tally) for i, n in enumerate(counts)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return tally


class Client(threading.Thread):
    """Sends `count` requests, each of which is counted once, whatever becomes of it."""

    def __init__(self, ports: Ports, caller: Caller, count: int, seed: int, tally: Tally):
        super().__init__(daemon=True)
        self._port, self._caller = ports.http, caller
        self._count, self._tally = count, tally
        self._rng = np.random.default_rng(seed)
        self._readers = Readers(ports.http, INFER)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def run(self) -> None:
        kinds, shares = list(SHARES), list(SHARES.values())
        for _ in range(self._count):
            kind = str(self._rng.choice(kinds, p=shares))
            try:
                getattr(self, f"_{kind}")()
            except (OSError, http.client.HTTPException) as error:
                self._tally.add(kind, type(error).__name__, 0.0, repr(error), bad=True)
                self._renew()
        self._readers.close()

    def _renew(self) -> None:
        self._connection.close()
        self._connection = self._connect()

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str], rest: bool = True
    ) -> tuple[int, float, bytes]:
        """Status, seconds and body; without `rest` an endless body is not waited for."""
        started = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.BadStatusLine, ConnectionError):
            self._renew()  # closed while idle, or after an answer that said so
            started = time.perf_counter()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        kind = answer.getheader("Content-Type") or ""
        is_endless = not rest and kind.startswith("text/event-stream")
        content = b"" if is_endless else answer.read()
        took = time.perf_counter() - started
        if is_endless:
            self._renew()
        return answer.status, took, content

    def _post(self, kind: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        status, took, _ = self._ask("POST", path, body, headers)
        self._tally.add(kind, status, took, (headers, body[:200]))

    def _picture(self) -> None:
        self._post("picture", "/classify", pictures.broken(self._rng), {})

    def _form(self) -> None:
        self._post("form", "/classify", *forms.broken(self._rng))

    def _json(self) -> None:
        self._post("json", INFER, bodies.broken(self._rng), JSON)

    def _binary(self) -> None:
        body, headers = bodies.binary(self._rng)
        headers = {name: value for name, value in headers.items() if value.isascii()}
        self._post("binary", INFER, body, headers)

    def _zipped(self) -> None:
        path = INFER if self._rng.integers(10) else "/classify"
        self._post("zipped", path, *zipped.broken(self._rng))

    def _bomb(self) -> None:
        bombs = pictures.bombs()
        self._post("bomb", "/classify", bombs[self._rng.integers(len(bombs))], {})

    def _page(self) -> None:
        method, path, body = page.broken(self._rng)
        headers = JSON if body else {}
        status, took, answer = self._ask(method, path, body, headers, rest=False)
        if status == 200 and (events := page.events_of(path, answer)):
            status, took, _ = self._ask("GET", events, b"", {})
            path = f"{path}, then GET {events}"
        self._tally.add("page", status, took, (path, body[:200]))

    def _call(self) -> None:
        code, took, bad, sent = self._caller.call(self._rng)
        self._tally.add("call", code, took, sent, bad)

    def _live(self) -> None:
        code, took, bad, sent = live.send(self._port, self._rng)
        self._tally.add("live", code, took, sent[:200], bad)

    def _wire(self) -> None:
        code, took = wire.send(self._port, self._rng, PATIENCE)
        self._tally.add("wire", code, took, b"")

    def _reader(self) -> None:
        self._tally.add("reader", self._readers.ask(self._rng), 0.0, b"")
