"""Our server beside LitServe, MLServer, BentoML, Ray Serve and two echoes, on one core each.

    python benchmarks/serving/compare.py [--rounds 3] [--seconds 8] [--only NAME ...]

About 15 minutes; a minute more the first time, when the others' environments are installed
(`environments.py`). Linux, two free cores and the training packages (the network is built by
Keras).

In each round every server in turn is started afresh on one core, all its processes, warmed up,
and measured at 1 and at 16 connections; the load has another core. All get the same network and
the same 3.5 kB (v2 JSON, one image, the probabilities wanted). Every answer must be 200, and the
first one must have the reference's probabilities (`model/reference.py`). Figures are medians of
the rounds; ratios are medians of each round's ratio. One core is unkind to the servers that
consist of several processes.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import numpy as np

from benchmarks.serving import body, servers
from benchmarks.serving.entries import (
    BINARY,
    OURS,
    RELEASED,
    RELEASED_BATCHES,
    RELEASED_BINARY,
    Entry,
    WrongAnswer,
    check,
    entries,
)
from benchmarks.serving.environments import InstallError
from benchmarks.serving.load import drive
from benchmarks.serving.running import RELEASED as NETWORK
from benchmarks.serving.running import ROOT, StartError, started, take_cores
from benchmarks.serving.table import Figures, cell, figures, markdown, median, ratio
from model import signature
from model.predictor import RUNTIME_VERSION, open_session

CONNECTIONS = (1, 16)
WARM_UP = 2.0  # seconds, with the most connections
FAILED = (InstallError, StartError, WrongAnswer)


class Rounds:
    """What was measured: figures by row and connections, each by round."""

    def __init__(self):
        self.figures: dict[tuple[str, int], dict[int, Figures]] = defaultdict(dict)
        self.starts: dict[str, list[float]] = defaultdict(list)
        self.megabytes: dict[str, list[float]] = defaultdict(list)
        self.bare: dict[str, list[float]] = defaultdict(list)  # images/s of ONNX Runtime alone
        self.failures: dict[str, str] = {}
        self.notes: list[str] = []


def measure(
    rounds: Rounds, number: int, name: str, entry: Entry, core: int, seconds: float
) -> None:
    """One server in one round."""
    wire = entry.request.wire()
    with started(entry.server, core, entry.model, entry.request) as running:
        check(entry, running.port)
        drive(running.port, wire, max(CONNECTIONS), WARM_UP)
        for connections in CONNECTIONS:
            measured = drive(running.port, wire, connections, seconds)
            if measured.wrong:
                raise WrongAnswer(f"other answers than 200 under load: {measured.wrong}")
            one = figures(measured.times[200], measured.seconds)
            rounds.figures[name, connections][number] = one
            if measured.busy > 0.9 and name not in servers.ECHOES:
                rounds.notes.append(f"{name}: the load's core was busy at {measured.busy:.0%}")
        rounds.starts[name].append(running.first_answer)
        rounds.megabytes[name].append(running.megabytes())
        if strays := running.strays(core):
            rounds.notes.append(f"{name}: {strays} of its processes may leave the core")


def images_per_second(model: Path, core: int, seconds: float) -> float:
    """ONNX Runtime alone in batches of 16, on `core`, with the options of all servers."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        session = open_session(model)
        feed = {signature.IMAGES: np.repeat(body.image(), body.BATCH, axis=0)}
        times = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            session.run([signature.PROBABILITIES], feed)
            times.append(time.perf_counter() - start)
        return body.BATCH * len(times) / sum(times)
    finally:
        os.sched_setaffinity(0, before)


def row(rounds: Rounds, name: str) -> list[str]:
    """A line of the table."""
    if name in rounds.failures:
        return [name, rounds.failures[name][-150:], "", "", "", "", ""]
    cells, ratios = [], []
    for connections in CONNECTIONS:
        theirs = rounds.figures[name, connections]
        cells.append(cell(median(theirs.values())))
        times = ratio(rounds.figures[OURS, connections], theirs)
        ratios.append("" if times is None or name.startswith(OURS) else f"{times:.2f}x")
    start, size = (statistics.median(kept[name]) for kept in (rounds.starts, rounds.megabytes))
    return [name, *cells, *ratios, f"{start:.2f}", f"{size:,.0f}"]


def report(rounds: Rounds, rows: dict[str, Entry], models: dict[str, Path]) -> None:
    """The table, then what the issue asks for, in one line each."""
    columns = [f"{n} connection{'s'[: n > 1]}, req/s (p50 / p99 ms)" for n in CONNECTIONS]
    columns += [f"ours is, at {n}" for n in CONNECTIONS]
    head = ["server", *columns, "first answer, s", "RSS, MB"]
    print(markdown(head, [row(rounds, name) for name in rows]))
    most = max(CONNECTIONS)
    print()
    for name, model in models.items():
        if alone := rounds.bare[name]:
            print(f"ONNX Runtime alone, batches of {body.BATCH}, {model.stem}: ", end="")
            print(f"{statistics.median(alone):,.0f} images/s")
    for name in (RELEASED, RELEASED_BINARY, RELEASED_BATCHES, OURS, BINARY):
        alone = rounds.bare[RELEASED if name.startswith(RELEASED) else OURS]
        shares = [
            rows[name].images * one.rate / alone[number]
            for number, one in rounds.figures[name, most].items()
        ]
        if shares:
            print(f"{name}, at {most}: {statistics.median(shares):.0%} of ONNX Runtime alone")
    for name in servers.ECHOES:
        times = ratio(rounds.figures[OURS, most], rounds.figures[name, most])
        if times is not None:
            print(f"ours, at {most}: {times:.0%} of {name}")
    for note in dict.fromkeys(rounds.notes):
        print(f"note: {note}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", default=[], help="rows whose names begin so")
    return parser.parse_args()


def main() -> None:
    options = parse()
    rounds, before = Rounds(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Path(folder) / "benchmark.onnx"
        subprocess.run(
            [sys.executable, ROOT / "benchmarks" / "serving" / "network.py", benchmark],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
        )
        rows = {
            name: entry
            for name, entry in entries(benchmark, NETWORK).items()
            if not options.only or name.startswith(tuple(options.only))
        }
        models = {OURS: benchmark, RELEASED: NETWORK}
        core = take_cores()
        for number in range(options.rounds):
            for name, entry in rows.items():
                print(f"round {number + 1}: {name}", file=sys.stderr)
                try:
                    measure(rounds, number, name, entry, core, options.seconds)
                except FAILED as error:
                    rounds.failures[name] = f"{type(error).__name__}: {error}"
                    print(rounds.failures[name], file=sys.stderr)
            for name, model in models.items():
                alone = images_per_second(model, core, options.seconds / 2)
                rounds.bare[name].append(alone)
        print(f"{platform.platform()}, {os.cpu_count()} cores,", end=" ")
        print(f"Python {platform.python_version()}, onnxruntime {RUNTIME_VERSION};", end=" ")
        print(f"{len(body.json_request(benchmark.stem).body):,} bytes of JSON")
        print(f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after;", end=" ")
        print(f"medians of {options.rounds} rounds of {options.seconds:g} s\n")
        report(rounds, rows, models)


if __name__ == "__main__":
    main()
