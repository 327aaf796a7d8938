"""How soon does our server answer, and how much memory does it take?

    python benchmarks/serving/start.py [--rounds 5]

One minute. Without the page, beside a process of FastAPI and ONNX Runtime alone
(`competitors/fastapi_onnx.py`), in turns, each on the same core with the same network; medians.
From the start of the process to its first 200; resident memory then, and after two
seconds at 16 connections.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body, servers
from benchmarks.serving.load import drive
from benchmarks.serving.running import RELEASED, started, take_cores
from benchmarks.serving.table import markdown

SERVERS = {"ours, --no-ui": servers.OURS, "FastAPI + ONNX Runtime": servers.FASTAPI_ONNX}
LOAD_SECONDS, CONNECTIONS = 2.0, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    core = take_cores()
    request = body.json_request(RELEASED.stem)
    kept: dict[str, list[tuple[float, ...]]] = {name: [] for name in SERVERS}
    for number in range(rounds + 1):
        for name, server in SERVERS.items():
            with started(server, core, RELEASED, request) as running:
                fresh = running.megabytes()
                drive(running.port, request.wire(), CONNECTIONS, LOAD_SECONDS if number else 0.1)
                if number:  # the first one fills the disk's cache
                    kept[name].append((running.first_answer, fresh, running.megabytes()))
    medians = {
        name: [statistics.median(c) for c in zip(*k, strict=True)] for name, k in kept.items()
    }
    print(f"load average {os.getloadavg()[0]:.1f}; medians of {rounds}, {RELEASED.name}\n")
    head = ["process", "first answer, s", "RSS then, MB", "RSS after load, MB"]
    rows = [[n, f"{s:.2f}", f"{a:.0f}", f"{b:.0f}"] for n, (s, a, b) in medians.items()]
    print(markdown(head, rows))
    pairs = zip(*kept.values(), strict=True)
    print(f"\nours takes {statistics.median(a[0] / b[0] for a, b in pairs):.2f} times as long")


if __name__ == "__main__":
    main()
