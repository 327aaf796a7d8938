"""What do clients see when a worker is killed?

    python benchmarks/serving/kill.py [--kills 3]

Half a minute. Our server with two workers under load at 16 connections; every five seconds the
larger of its children is killed with SIGKILL. Each connection has one request under way, so a
killed worker may take at most 16 answers with it.

Ends with code 1 if more were lost, any answer was not 200, or a worker did not come back.
"""

import argparse
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body, servers
from benchmarks.serving.load import LOST, drive
from benchmarks.serving.running import RELEASED, Running, megabytes_of, started, take_cores
from benchmarks.serving.table import cell, figures

CONNECTIONS, PAUSE = 16, 5.0


class Killer(threading.Thread):
    """Kills the largest child every few seconds."""

    def __init__(self, running: Running, kills: int):
        super().__init__(daemon=True)
        self._running, self._kills = running, kills
        self.children: list[int] = []  # how many there were before each, and at the end

    def run(self) -> None:
        never = threading.Event()
        for _ in range(self._kills):
            never.wait(PAUSE)
            children = self._running.pids()[1:]
            self.children.append(len(children))
            os.kill(max(children, key=megabytes_of), signal.SIGKILL)
        never.wait(PAUSE)
        self.children.append(len(self._running.pids()[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=3)
    kills = parser.parse_args().kills
    core = take_cores()
    server = replace(servers.OURS, command=(*servers.OURS.command, "--workers", "2"))
    request = body.json_request(RELEASED.stem)
    with started(server, core, RELEASED, request) as running:
        drive(running.port, request.wire(), CONNECTIONS, 2)
        killer = Killer(running, kills)
        killer.start()
        measured = drive(running.port, request.wire(), CONNECTIONS, PAUSE * (kills + 1) + 1)
        killer.join()
    lost = len(measured.times.get(LOST, ()))
    print(f"req/s (p50 / p99 ms): {cell(figures(measured.times[200], measured.seconds))}")
    print(f"right answers: {len(measured.times[200]):,}; others: {measured.wrong or 'none'}")
    print(f"longest: {max(measured.times[200]):.2f} s; children: {killer.children}")
    back = len(set(killer.children)) == 1
    sys.exit(not (back and measured.times.keys() <= {200, LOST} and lost <= CONNECTIONS * kills))


if __name__ == "__main__":
    main()
