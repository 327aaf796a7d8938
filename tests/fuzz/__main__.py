"""Throw broken requests at a real server: ``python -m tests.fuzz --requests 100000``.

Starts ``python -m serving --no-ui``, sends broken pictures, decompression bombs, strange JSON,
wrong lengths and requests that are no HTTP from several threads, and prints what came back. The
exit code is 1 after an answer of 500 or more, after an answer that took longer than 5 s, when
the server ended, or when its memory grew by more than a tenth over the last three quarters.
100,000 take about 10 minutes on 4 cores. Linux only, for the memory is read from /proc.
"""

import argparse
import http.client
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.fuzz import bodies, pictures, wire
from tests.running import port_of, serving

MOST_SECONDS = 5.0
GROWTH = 1.10
BODY_SECONDS = 3  # the server's patience with slow bodies
_SHARES = {"picture": 0.35, "form": 0.1, "json": 0.3, "binary": 0.2, "wire": 0.04, "bomb": 0.01}
INFER = "/v2/models/scanline/infer"
JSON = {"Content-Type": "application/json"}


class Tally:
    """What came back; several threads write into it."""

    def __init__(self) -> None:
        self.codes: Counter[tuple[str, int | None]] = Counter()
        self.slowest = 0.0
        self.troubles: list[str] = []
        self._lock = threading.Lock()

    def add(self, kind: str, code: int | None, seconds: float, sent: bytes) -> None:
        with self._lock:
            self.codes[kind, code] += 1
            self.slowest = max(self.slowest, seconds)
            if (code or 0) >= 500 or seconds > MOST_SECONDS:
                self.troubles.append(f"{kind}: {code} after {seconds:.2f} s: {sent[:300]!r}")


class Client(threading.Thread):
    """Sends `count` requests; a server that cannot be reached ends it."""

    def __init__(self, port: int, count: int, seed: int, tally: Tally):
        super().__init__(daemon=True)
        self._port, self._count, self._tally = port, count, tally
        self._rng = np.random.default_rng(seed)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=4 * MOST_SECONDS)

    def run(self) -> None:
        for _ in range(self._count):
            kind = self._rng.choice(
                ["picture", "form", "json", "binary", "wire", "bomb"], p=_SHARES
            )
            try:
                getattr(self, f"_{kind}")()
            except (OSError, http.client.HTTPException) as error:
                self._tally.troubles.append(f"{kind}: {error!r}")
                self._connection.close()
                self._connection = self._connect()
                if len(self._tally.troubles) > 100:
                    return

    def _post(self, kind: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        started = time.perf_counter()
        try:
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.BadStatusLine, ConnectionError):
            self._connection.close()  # closed while idle, or after an answer that said so
            self._connection = self._connect()
            started = time.perf_counter()
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
        answer.read()
        self._tally.add(kind, answer.status, time.perf_counter() - started, body)

    def _picture(self) -> None:
        self._post("picture", "/classify", pictures.broken(self._rng), {})

    def _form(self) -> None:
        edge = b"--x\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n"
        parts = [edge + pictures.broken(self._rng) + b"\r\n" for _ in range(self._rng.integers(4))]
        end = [b"--x--\r\n", b"--x", b"", b"--y--\r\n"][self._rng.integers(4)]
        kind = ["multipart/form-data; boundary=x", "multipart/form-data", "multipart/form-data; a"]
        chosen = kind[0] if self._rng.integers(4) else kind[self._rng.integers(3)]
        self._post("form", "/classify", b"".join(parts) + end, {"Content-Type": chosen})

    def _json(self) -> None:
        self._post("json", INFER, bodies.broken(self._rng), JSON)

    def _binary(self) -> None:
        body, headers = bodies.binary(self._rng)
        headers = {name: value for name, value in headers.items() if value.isascii()}
        self._post("binary", INFER, body, headers)

    def _wire(self) -> None:
        code, seconds = wire.send(self._port, self._rng, 4 * MOST_SECONDS)
        self._tally.add("wire", code, seconds, b"")

    def _bomb(self) -> None:
        bombs = pictures.bombs()
        self._post("bomb", "/classify", bombs[self._rng.integers(len(bombs))], {})


def resident(pid: int) -> float:
    """Memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def fuzz(requests: int, threads: int, seed: int) -> int:
    """Run it; see the module's docstring."""
    tally = Tally()
    with serving("--body-seconds", str(BODY_SECONDS)) as process:
        port = port_of(process)
        clients = [Client(port, requests // threads, seed + n, tally) for n in range(threads)]
        for client in clients:
            client.start()
        memory = []
        while any(client.is_alive() for client in clients):
            time.sleep(1)
            done = sum(tally.codes.values())
            if process.poll() is not None:
                tally.troubles.append(f"the server ended with {process.returncode}")
                break
            memory.append((done / requests, resident(process.pid)))
    early = [size for share, size in memory if 0.15 <= share <= 0.35] or [memory[0][1]]
    growth = np.median([size for _, size in memory[-5:]]) / np.median(early)
    if growth > GROWTH:
        tally.troubles.append(
            f"memory grew {growth:.2f} times: {memory[:: len(memory) // 20 or 1]}"
        )
    for (kind, code), count in sorted(tally.codes.items(), key=str):
        print(f"{kind:8} {code or 'closed':>6} {count:8,}")
    print(
        f"{sum(tally.codes.values()):,} requests, the slowest answered after {tally.slowest:.2f} s"
    )
    print(f"memory: {np.median(early):.0f} MB early, times {growth:.2f} at the end")
    print(f"{len(tally.troubles)} troubles", *tally.troubles[:20], sep="\n")
    return 1 if tally.troubles else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    return fuzz(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
