"""Our server beside LitServe, MLServer, BentoML, Ray Serve and two echoes, on one core each.

    python benchmarks/serving/compare.py [--rounds 3] [--seconds 8] [--only NAME ...]
    python benchmarks/serving/compare.py --beside PATH    # beside the server of another checkout

About 15 minutes; a minute more the first time, when the others' environments are installed.
Linux, two free cores, `wrk`, and the training packages (the network is built by Keras).

In each round every server in turn is started afresh on one core, all its processes, warmed up, and
measured at 1 and 16 connections (beside another checkout at 1, 16, 64 and 400, of which our server
takes 64 requests at a time); the load has another core. All get the same network and the same
3.5 kB (v2 JSON, one image, the probabilities wanted). The first answer must have the reference's
probabilities (`model/reference.py`), every other one must be 200, or at 400 connections 503 with
Retry-After. Figures are good answers a second and medians of the rounds; ratios are medians of each
round's ratio. One core is unkind to the servers that consist of several processes.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import numpy as np
import onnxruntime

from benchmarks.serving import body
from benchmarks.serving.load import Measured, drive
from benchmarks.serving.servers import (
    ECHOES,
    RELEASED,
    RIVALS,
    ROOT,
    InstallError,
    Server,
    StartError,
    ours,
    started,
    take_cores,
)
from model import reference, signature
from model.weights import load_arrays

OURS, OURS_RELEASED = "ours", "ours, released network"
CROWD = 400  # connections, more than the concurrency limit
WARM_UP = 2.0  # seconds


class WrongAnswer(Exception):
    """A server answered, but not with what the network computes."""


@dataclass(frozen=True)
class Row:
    """A server, its network, what it is asked, and the row it is compared with."""

    server: Server
    model: Path
    request: body.Request
    against: str | None = None
    images: int = 1  # a request
    is_echo: bool = False

    def check(self, port: int) -> None:
        """Raises WrongAnswer unless the answer is right."""
        status, answer = self.request.ask(port)
        if status != 200:
            raise WrongAnswer(f"status {status}: {answer[:200]!r}")
        if self.is_echo:
            is_right = answer == self.request.body
        else:
            network = load_arrays(self.model.with_suffix(".npz"))
            expected = reference.forward(network, body.image())[signature.PROBABILITIES][0]
            found = body.probabilities(answer, self.images)
            is_right = np.allclose(found, expected, rtol=0, atol=1e-5)
        if not is_right:
            raise WrongAnswer(f"another answer than the reference's: {answer[:200]!r}")


def rows_beside(benchmark: Path, checkout: Path) -> dict[str, Row]:
    """Our server and that of another checkout, with both networks."""
    rows = {}
    for name, model in ((OURS, benchmark), (OURS_RELEASED, RELEASED)):
        request = body.json_request(model.stem)
        rows[name] = Row(ours(), model, request)
        other = name.replace(OURS, checkout.name)
        rows[other] = Row(ours(checkout), model, request, name)
    return rows


def rows_of_all(benchmark: Path) -> dict[str, Row]:
    """Our server, with other bodies too, the others and the echoes."""
    same = body.json_request(benchmark.stem)

    def own(model: Path, request: Callable[[str], body.Request], images: int = 1) -> Row:
        return Row(ours(), model, request(model.stem), None, images)

    batches = f"{OURS_RELEASED}, {body.BATCH} images a request, binary"
    return {
        OURS: own(benchmark, body.json_request),
        f"{OURS}, binary bodies": own(benchmark, body.binary_request),
        **{name: Row(server, benchmark, same, OURS) for name, server in RIVALS.items()},
        **{
            name: Row(server, benchmark, same, OURS, is_echo=True)
            for name, server in ECHOES.items()
        },
        OURS_RELEASED: own(RELEASED, body.json_request),
        f"{OURS_RELEASED}, binary bodies": own(RELEASED, body.binary_request),
        batches: own(RELEASED, body.batch_request, body.BATCH),
    }


class Rounds:
    """What was measured: by row and connections, each by round."""

    def __init__(self, connections: Sequence[int]):
        self.connections = connections
        self.loads: dict[tuple[str, int], dict[int, Measured]] = defaultdict(dict)
        self.starts: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        self.failures: dict[str, str] = {}

    def measure(self, number: int, name: str, row: Row, core: int, seconds: float) -> None:
        """One server in one round."""
        with started(row.server, core, row.model, row.request) as running:
            row.check(running.port)
            drive(running.port, row.request, 16, WARM_UP)
            for connections in self.connections:
                one = drive(running.port, row.request, connections, seconds)
                if one.wrong or (one.refused and connections < CROWD):
                    raise WrongAnswer(f"{connections} connections: {one}")
                self.loads[name, connections][number] = one
            self.starts[name].append((running.first_answer, *running.megabytes()))

    def ratio(self, one: str, other: str, connections: int) -> float | None:
        """How many times `other`'s rate `one`'s is: the median of the rounds that both have."""
        a, b = self.loads[one, connections], self.loads[other, connections]
        both = [a[number].rate / b[number].rate for number in a.keys() & b.keys()]
        return statistics.median(both) if both else None

    def line(self, name: str, row: Row) -> list[str]:
        """A line of the table."""
        if name in self.failures:
            return [name, self.failures[name][-150:]]
        cells, ratios = [], []
        for connections in self.connections:
            of_rounds = self.loads[name, connections].values()
            rate, p50, p99 = (
                statistics.median(getattr(one, what) for one in of_rounds)
                for what in ("rate", "p50", "p99")
            )
            cells.append(f"{rate:,.0f} ({p50:.3g} / {p99:.3g})")
            times = row.against and self.ratio(row.against, name, connections)
            ratios.append(f"{times:.2f}x" if times else "")
        start, rss, pss = map(statistics.median, zip(*self.starts[name], strict=True))
        return [name, *cells, *ratios, f"{start:.2f}", f"{rss:,.0f} / {pss:,.0f}"]

    def table(self, rows: dict[str, Row]) -> str:
        """Markdown."""
        head = ["server"]
        head += [f"{n} connections, good/s (p50 / p99 ms)" for n in self.connections]
        head += [f"ours is, at {n}" for n in self.connections]
        head += ["first answer, s", "RSS / PSS, MB"]
        return markdown(head, [self.line(name, row) for name, row in rows.items()])


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


def images_per_second(model: Path, core: int, seconds: float) -> float:
    """ONNX Runtime alone in batches, on `core`, with the options of all servers."""
    program = (
        "import sys, time, numpy as np, onnxruntime as ort\n"
        "options = ort.SessionOptions()\n"
        "options.intra_op_num_threads = options.inter_op_num_threads = 1\n"
        "session = ort.InferenceSession(sys.argv[1], options, ['CPUExecutionProvider'])\n"
        f"feed = {{{signature.IMAGES!r}: np.ones(({body.BATCH}, 28, 28), np.float32)}}\n"
        "count, start = 0, time.perf_counter()\n"
        "while (passed := time.perf_counter() - start) < float(sys.argv[2]):\n"
        f"    session.run([{signature.PROBABILITIES!r}], feed); count += {body.BATCH}\n"
        "print(count / passed)\n"
    )
    command = ["taskset", "-c", str(core), sys.executable, "-c", program, model, str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", default=[], help="rows whose names begin so")
    parser.add_argument("--beside", type=Path, help="another checkout of this repository")
    return parser.parse_args()


def main() -> None:
    options = parse()
    rounds = Rounds((1, 16, 64, CROWD) if options.beside else (1, 16))
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Path(folder) / "benchmark.onnx"
        subprocess.run(
            [sys.executable, ROOT / "benchmarks" / "serving" / "network.py", benchmark],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
        )
        beside = options.beside and options.beside.resolve()
        rows = rows_beside(benchmark, beside) if beside else rows_of_all(benchmark)
        if options.only:
            rows = {name: row for name, row in rows.items() if name.startswith(tuple(options.only))}
        core = take_cores()
        alone = defaultdict(list)
        for number in range(options.rounds):
            # In turns also within a pair: neither always comes after the other.
            for name, row in [*rows.items()][:: -1 if number % 2 else 1]:
                print(f"round {number + 1}: {name}", file=sys.stderr)
                try:
                    rounds.measure(number, name, row, core, options.seconds)
                except (InstallError, StartError, WrongAnswer) as error:
                    rounds.failures[name] = f"{type(error).__name__}: {error}"
                    print(rounds.failures[name], file=sys.stderr)
            for model in dict.fromkeys(row.model for row in rows.values()):
                alone[model.stem].append(images_per_second(model, core, options.seconds / 2))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(f"onnxruntime {onnxruntime.__version__}; load average {before:.1f} before,")
    print(f"{os.getloadavg()[0]:.1f} after; {options.rounds} rounds of {options.seconds:g} s\n")
    print(rounds.table(rows), end="\n\n")
    for model, rates in alone.items():
        print(f"ONNX Runtime alone, batches of {body.BATCH}, {model}: ", end="")
        print(f"{statistics.median(rates):,.0f} images/s")


if __name__ == "__main__":
    main()
