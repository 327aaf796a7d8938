"""What becomes of our server at four times the load that it can carry?

    python benchmarks/serving/overload.py [--minutes 5] [--times 4] [--connections 3600]

As long as `--minutes`, and 40 seconds. Options that it does not know go to the server, which has
one core; the load has two or three others. What the server can carry (16 connections, a closed
loop), its times at a tenth of that, then an open loop at `--times` that, whether or not it keeps
up; and its times at a tenth again. Requests that fall due while all connections wait are not
sent, and counted: the headline is what was sent. A refused connection rests in the server for
0.1 s (`serving.connection`), so that a rate needs a tenth of it in connections; and to a server
that cannot refuse so fast it cannot be sent, however many there are.

Three times of each accepted request: since it fell due (what a client sees if the load is late,
too), since it was sent (with its wait in the server's socket), and the server's own, from the
request's head to its answer (/metrics). The last one is judged: the queue that the server has.

Ends with code 1 unless all of `bars` hold.
"""

import argparse
import os
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body, histogram, servers
from benchmarks.serving.crowd import allow_files, drive_from
from benchmarks.serving.load import Measured, drive
from benchmarks.serving.running import RELEASED, Running, started, take_cores
from benchmarks.serving.table import figures, markdown
from serving.settings import Settings

CONNECTIONS = 16  # where it is not overloaded
LOADS = 3  # most cores of the load
WARM_UP, SECONDS = 3.0, 10.0
SAMPLES = 60  # of the memory
SETTLED = 0.1  # share of the time after which memory is compared
ACCEPTED, SHED = 200, (429, 503)
SLOWER, FLAT, REALLY = 3, 0.10, 0.9  # the bars'


class Memory(threading.Thread):
    """Takes the server's resident memory every `pause` seconds, in MB."""

    def __init__(self, running: Running, pause: float):
        super().__init__(daemon=True)
        self._running, self._pause, self._over = running, pause, threading.Event()
        self.megabytes: list[float] = []

    def run(self) -> None:
        while not self._over.wait(self._pause):
            self.megabytes.append(self._running.megabytes())

    def stop(self) -> list[float]:
        self._over.set()
        self.join()
        return self.megabytes[int(len(self.megabytes) * SETTLED) :]


@dataclass
class Outcome:
    """Rates in requests a second, times in ms, `memory` in MB once it has settled."""

    wanted: float
    measured: Measured
    unloaded: float  # p99 since sending, at a tenth
    served: float  # the server's own p99
    queue: float  # the longest wait in the server: its places, one after the other
    memory: list[float]
    is_alive: bool
    code: int | None  # after SIGTERM

    @property
    def limit(self) -> float:
        return SLOWER * self.unloaded + self.queue

    def bars(self) -> dict[str, bool]:
        """What is asked, and whether it holds."""
        codes = self.measured.times.keys()
        sent = self.measured.sent / self.measured.seconds
        first = self.memory[0] if self.memory else 0.0
        return {
            f"{REALLY:.0%} of the wanted rate were sent": sent >= REALLY * self.wanted,
            "no crash, exit code 0": self.is_alive and self.code == 0,
            "no answer but 200, 429 and 503, none lost": codes <= {ACCEPTED, *SHED},
            "every refusal has Retry-After": not self.measured.unexplained,
            f"accepted: p99 <= {SLOWER} x {self.unloaded:.2f} + {self.queue:.1f} ms": (
                self.served <= self.limit
            ),
            f"memory within {FLAT:.0%}": bool(self.memory)
            and all(abs(size / first - 1) <= FLAT for size in self.memory),
        }


def times_of(name: str, measured: Measured) -> list[str]:
    one = figures(measured.times.get(ACCEPTED, ()), measured.seconds)
    return [name, f"{one.rate:,.0f}", f"{one.p50:.2f}", f"{one.p99:.2f}"]


def report(outcome: Outcome) -> bool:
    """Prints what the overload did; returns whether all went as it should."""
    measured = outcome.measured
    sent = measured.sent
    rate = sent / measured.seconds
    print(f"\nsent: {rate:,.0f}/s of the {outcome.wanted:,.0f}/s wanted, {sent:,} in all; ", end="")
    print(f"{measured.unsent:,} fell due while every connection waited; the busiest of ", end="")
    print(f"the load's cores at {measured.busy:.0%}\n")
    rows = []
    for code, times in sorted(measured.times.items(), key=lambda item: -len(item[1])):
        one = figures(times, measured.seconds)
        due = figures(measured.since_due[code], measured.seconds)
        count = f"{len(times):,} ({len(times) / sent:.1%})"
        rows.append([str(code), count, f"{one.p50:.2f}", f"{one.p99:.2f}", f"{due.p99:.2f}"])
    head = ["answer", "requests", "p50 since sent, ms", "p99 since sent, ms", "p99 since due, ms"]
    print(markdown(head, rows))
    print(f"\naccepted, the server's own p99, which is judged: {outcome.served:.2f} ms")
    print(f"refused without Retry-After: {measured.unexplained}")
    if memory := outcome.memory:
        print(f"RSS, MB: {memory[0]:.1f} then {min(memory):.1f} to {max(memory):.1f}, ", end="")
        print(f"{memory[-1]:.1f} at the end ({memory[-1] / memory[0] - 1:+.1%})")
    bars = outcome.bars()
    for bar, holds in bars.items():
        print(f"{'yes' if holds else 'NO '}  {bar}")
    return all(bars.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--times", type=float, default=4)
    parser.add_argument("--connections", type=int, default=3600)
    parser.add_argument("--model", type=Path, default=RELEASED)
    options, more = parser.parse_known_args()
    allow_files(options.connections)
    cores = sorted(os.sched_getaffinity(0))[:-1][-LOADS:]
    core = take_cores()
    server = replace(servers.OURS, command=(*servers.OURS.command, *more))
    places = Settings.parse([*more, "--model", str(options.model)]).max_concurrency
    request = body.json_request(options.model.stem)
    wire = request.wire()
    with started(server, core, options.model, request) as running:
        port = running.port
        drive(port, wire, CONNECTIONS, WARM_UP)
        full = drive(port, wire, CONNECTIONS, SECONDS)
        tenth = full.rate / 10
        unloaded = drive(port, wire, CONNECTIONS, SECONDS, tenth)
        rate, seconds = full.rate * options.times, options.minutes * 60
        before = histogram.scrape(port)
        memory = Memory(running, seconds / SAMPLES)
        memory.start()
        measured = drive_from(cores, port, wire, options.connections, seconds, rate)
        samples = memory.stop()
        served = histogram.scrape(port).since(before).slowest() * 1000
        after = drive(port, wire, CONNECTIONS, SECONDS, tenth)
        alive = running.process.poll() is None
    print(
        f"{options.model.name}, load average {os.getloadavg()[0]:.1f}; server's options: ", end=""
    )
    print(" ".join(more) or "none", end="\n\n")
    rows = [times_of(f"{CONNECTIONS} connections, as fast as they can", full)]
    rows.append(times_of("a tenth of that", unloaded))
    rows.append(
        times_of(f"{options.times:g} times that, {options.connections} connections", measured)
    )
    rows.append(times_of("a tenth again", after))
    print(markdown(["load", "right answers/s", "p50, ms", "p99, ms"], rows))
    p99 = figures(unloaded.times[ACCEPTED], unloaded.seconds).p99
    queue = 1000 * places / full.rate
    code = running.process.returncode
    outcome = Outcome(rate, measured, p99, served, queue, samples, alive, code)
    sys.exit(not report(outcome))


if __name__ == "__main__":
    main()
