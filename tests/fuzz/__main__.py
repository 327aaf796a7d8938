"""Throw broken requests at a real server: ``python -m tests.fuzz --requests 20000``.

Half of them are schemathesis's: every operation of the OpenAPI document, as it is described and
as it must not be called. The other half it cannot make: damaged pictures in every format, small
files that unpack huge, forms with such files, and what is no HTTP. Prints what came back.

The exit code is 1 after an answer of 500 or more (but 503, which is a refusal under load), after
one that did not come, or when the server ended.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from tests.fuzz import pictures, wire
from tests.support.running import port_of, serving

PATIENCE = 60  # seconds; then an answer counts as lost
THREADS = 4
OPERATIONS = 16  # of the OpenAPI document


class Sender(threading.Thread):
    """Sends `count` requests of our own; `codes` counts answers, `troubles` tells bad ones."""

    def __init__(self, port: int, count: int, seed: int):
        super().__init__(daemon=True)
        self._port, self._count = port, count
        self._rng = np.random.default_rng(seed)
        self.codes: Counter[tuple[str, int | None]] = Counter()
        self.troubles: list[str] = []

    def run(self) -> None:
        bombs = pictures.bombs()
        with httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=PATIENCE) as client:
            for _ in range(self._count):
                kind = str(self._rng.choice(["picture", "form", "bomb", "wire"], p=_SHARES))
                headers, body = {}, b""
                if kind == "form":
                    body, headers = pictures.form(self._rng)
                elif kind == "picture":
                    body = pictures.broken(self._rng)
                elif kind == "bomb":
                    body = bombs[self._rng.integers(len(bombs))]
                try:
                    if kind == "wire":
                        code = wire.send(self._port, self._rng, PATIENCE)
                    else:
                        answer = client.post("/classify", content=body, headers=headers)
                        code = answer.status_code
                except (OSError, httpx.TransportError) as error:
                    code = 0
                    self.troubles.append(f"{kind}: {error!r} to {headers} {body[:200]!r}")
                if code is not None and code >= 500 and code != 503:
                    self.troubles.append(f"{kind}: {code} to {headers} {body[:200]!r}")
                self.codes[kind, code] += 1


_SHARES = (0.6, 0.25, 0.01, 0.14)


def fuzz(requests: int, seed: int) -> int:
    """Run it; see the module's docstring."""
    flags = ("--body-seconds", "1")  # for some of `wire` never end
    with tempfile.TemporaryFile("w+") as log, serving(*flags, stderr=log) as server:
        port, started = port_of(server), time.monotonic()
        senders = [Sender(port, requests // 2 // THREADS, seed + n) for n in range(THREADS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            f"http://127.0.0.1:{port}/openapi.json",
            *("--checks", "not_a_server_error", "--phases", "fuzzing", "--workers", "1"),
            *("--max-examples", str(requests // 2 // OPERATIONS), "--seed", str(seed)),
            *("--request-timeout", str(PATIENCE), "--continue-on-failure", "--no-color"),
        ]
        is_clean = subprocess.run(command, check=False).returncode == 0
        ended = server.poll()
        log.seek(0)
        tracebacks = log.read().count("Traceback")
    codes = sum((sender.codes for sender in senders), Counter())
    troubles = [trouble for sender in senders for trouble in sender.troubles]
    for (kind, code), count in sorted(codes.items(), key=str):
        print(f"{kind:8} {code or 'closed':>6} {count:8,}")
    print(f"{sum(codes.values()):,} requests of our own, {time.monotonic() - started:.0f} s in all")
    print(f"{len(troubles)} troubles", *troubles[:40], sep="\n")
    print(f"tracebacks in the log: {tracebacks}; the server {'ended' if ended else 'still runs'}")
    return int(bool(troubles or tracebacks or ended is not None or not is_clean))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    return fuzz(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
