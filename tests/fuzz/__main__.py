"""Throw broken requests at a real server: ``python -m tests.fuzz --requests 100000``.

Starts ``python -m serving`` with its page and gRPC, and sends from several processes: broken
pictures, decompression bombs, forms in strange codecs, strange JSON, wrong lengths, damaged
compressed bodies, what is no HTTP, gRPC messages, WebSocket frames, Gradio's routes, and requests
whose answers nobody reads. Prints what came back, and the server's memory.

The exit code is 1 after an answer of 500 or more but 503, a gRPC or WebSocket code that says that
the server failed, an answer that took longer than 5 s, a connection lost, when the server ended,
when its memory was more than `PEAK` at any time, or grew by more than a tenth from the second
quarter to the end. Linux only, for the memory is read from /proc.
"""

import argparse
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np

from serving.app import MOST_THREADS
from tests.fuzz.client import Ports, attack
from tests.fuzz.tally import Tally
from tests.support.running import free_port, port_of, serving

# MB: the process with its page, as many pictures as it decodes at a time, and answers that wait
# for their clients, as deploy/README.md adds them up.
PEAK = 186 + 550 * min(os.cpu_count() or 1, MOST_THREADS) + 403
GROWTH = 1.10
BODY_SECONDS = 3  # the server's patience with slow bodies
THREADS = 4  # of each process
_FAILURE = r"^Traceback (?:.|\n)*?^(\w[\w.]*)"  # the exception's name at a traceback's end
_PAUSE = 0.1  # seconds between two looks at the memory


def shares(requests: int, parts: int) -> list[int]:
    """As equal as may be; their sum is `requests`."""
    return [requests // parts + (n < requests % parts) for n in range(parts)]


def resident(pid: int) -> float:
    """Memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def send(
    ports: Ports, server: subprocess.Popen, requests: int, processes: int, seed: int
) -> tuple[Tally, np.ndarray]:
    """Send them all; what came back, and the server's memory from start to end, in MB."""
    tally, memory = Tally(), []
    counts = shares(requests, processes * THREADS)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        tasks = [
            pool.submit(attack, ports, counts[n::processes], seed + 1000 * n)
            for n in range(processes)
        ]
        while wait(tasks, _PAUSE).not_done and server.poll() is None:
            memory.append(resident(server.pid))
        for task in tasks:
            tally.merge(task.result())
    if server.poll() is not None:
        tally.trouble(f"the server ended with {server.returncode}")
    return tally, np.array(memory)


def judge(tally: Tally, memory: np.ndarray, requests: int) -> None:
    """Add to the troubles what is wrong with memory and count, and print both."""
    early = np.median(memory[len(memory) // 4 : len(memory) // 2 + 1])
    late = np.median(memory[-(len(memory) // 10 + 1) :])
    print(f"memory, MB: {early:.0f} in the second quarter, {late:.0f} in the last tenth ", end="")
    print(f"({late / early:.2f} times), peak {memory.max():.0f} of at most {PEAK:.0f}")
    if late > GROWTH * early:
        tally.trouble(f"memory grew: {memory[:: len(memory) // 20 + 1].round().tolist()}")
    if memory.max() > PEAK:
        tally.trouble(f"memory was {memory.max():.0f} MB, more than {PEAK:.0f}")
    if (counted := sum(tally.codes.values())) != requests:
        tally.trouble(f"{counted:,} requests were counted, {requests:,} should have been sent")


def fuzz(requests: int, processes: int, seed: int) -> int:
    """Run it; see the module's docstring."""
    grpc_port, started = free_port(), time.monotonic()
    flags = ("--ui", "--grpc-port", str(grpc_port), "--body-seconds", str(BODY_SECONDS))
    with tempfile.TemporaryFile("w+") as log, serving(*flags, stderr=log) as server:
        ports = Ports(port_of(server), grpc_port)
        tally, memory = send(ports, server, requests, processes, seed)
        log.seek(0)
        failures = Counter(re.findall(_FAILURE, log.read(), re.MULTILINE))
    for (kind, code), count in sorted(tally.codes.items()):
        print(f"{kind:8} {code:>20} {count:8,}")
    print(f"{sum(tally.codes.values()):,} requests in {time.monotonic() - started:.0f} s, ", end="")
    print(f"the slowest answered after {tally.slowest:.2f} s")
    judge(tally, memory, requests)
    print(f"tracebacks in the server's log: {dict(failures) or 'none'}")
    print(f"{tally.count} troubles", *tally.troubles[:40], sep="\n")
    return 1 if tally.count else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return fuzz(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
