"""What becomes of our server at four times the load that it can carry?

    python benchmarks/serving/overload.py [--minutes 5] [--times 4] [--connections 256]

As long as `--minutes`, and 40 seconds. Options that it does not know go to the server. On one
core, the load on another: what it can carry (16 connections, a closed loop), its times at a
tenth of that, then an open loop at `--times` that, whether or not it keeps up; and its times at
a tenth again. Requests that fall due while all connections wait are not sent, and counted.

Ends with code 1 if there was an answer that is neither 200, 429 nor 503, a refusal without
Retry-After, a lost connection, or no answer.
"""

import argparse
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body, servers
from benchmarks.serving.load import Measured, drive
from benchmarks.serving.running import RELEASED, Running, started, take_cores
from benchmarks.serving.table import figures, markdown

CONNECTIONS = 16  # where it is not overloaded
WARM_UP, SECONDS = 3.0, 10.0
SAMPLE_SECONDS = 5.0
SETTLED = 0.1  # share of the time after which memory is compared
ACCEPTED, SHED = 200, (429, 503)


class Memory(threading.Thread):
    """Takes the server's resident memory every few seconds, in MB."""

    def __init__(self, running: Running):
        super().__init__(daemon=True)
        self._running, self._over = running, threading.Event()
        self.megabytes: list[float] = []

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.megabytes.append(self._running.megabytes())

    def stop(self) -> list[float]:
        self._over.set()
        self.join()
        return self.megabytes


def times_of(name: str, measured: Measured) -> list[str]:
    one = figures(measured.times.get(ACCEPTED, ()), measured.seconds)
    return [name, f"{one.rate:,.0f}", f"{one.p50:.2f}", f"{one.p99:.2f}"]


def report(measured: Measured, unloaded: Measured, memory: list[float]) -> bool:
    """Prints what the overload did; returns whether all went as it should."""
    total = sum(map(len, measured.times.values())) + measured.unsent
    rows = []
    for code, times in sorted(measured.times.items(), key=lambda item: -len(item[1])):
        one = figures(times, measured.seconds)
        count = f"{len(times):,} ({len(times) / total:.1%})"
        rows.append([str(code), count, f"{one.p50:.2f}", f"{one.p99:.2f}"])
    rows.append(["not sent", f"{measured.unsent:,} ({measured.unsent / total:.1%})", "", ""])
    print(f"\n{total:,} requests fell due in {measured.seconds:.0f} s, ", end="")
    print(f"{total / measured.seconds:,.0f}/s; the load's core was busy at {measured.busy:.0%}\n")
    print(markdown(["answer", "requests", "p50, ms", "p99, ms"], rows))
    p99, before = (figures(m.times[ACCEPTED], m.seconds).p99 for m in (measured, unloaded))
    print(f"\naccepted: p99 {p99:.2f} ms, {p99 / before:.1f} times the {before:.2f} ms at a tenth")
    print(f"refused without Retry-After: {measured.unexplained}")
    settled = memory[int(len(memory) * SETTLED) :]
    if settled:
        low, high, last = min(settled), max(settled), settled[-1]
        print(
            f"RSS, MB: {settled[0]:.1f} then {low:.1f} to {high:.1f}, {last:.1f} at the end", end=""
        )
        print(f" ({last / settled[0] - 1:+.1%})")
    return not measured.unexplained and measured.times.keys() <= {ACCEPTED, *SHED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--times", type=float, default=4)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--model", type=Path, default=RELEASED)
    options, more = parser.parse_known_args()
    core = take_cores()
    server = replace(servers.OURS, command=(*servers.OURS.command, *more))
    request = body.json_request(options.model.stem)
    wire = request.wire()
    with started(server, core, options.model, request) as running:
        port = running.port
        drive(port, wire, CONNECTIONS, WARM_UP)
        full = drive(port, wire, CONNECTIONS, SECONDS)
        tenth = full.rate / 10
        unloaded = drive(port, wire, CONNECTIONS, SECONDS, tenth)
        memory = Memory(running)
        memory.start()
        rate, seconds = full.rate * options.times, options.minutes * 60
        measured = drive(port, wire, options.connections, seconds, rate)
        samples = memory.stop()
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
    well = report(measured, unloaded, samples)
    print(f"alive at the end: {alive}; exit code after SIGTERM: {running.process.returncode}")
    sys.exit(not (well and alive))


if __name__ == "__main__":
    main()
