"""How soon does our server answer, and how much memory does it take?

    python benchmarks/serving/start.py [--rounds 5] [--beside PATH]

One minute. Without the page, beside a process of FastAPI and ONNX Runtime alone
(`competitors/fastapi_onnx.py`), or beside the server of another checkout, in turns, each on the
same core with the same network; medians. From the start of the process to its first 200; the memory
of all its processes then, and after two seconds at 16 connections: RSS, and PSS, which counts what
they share once.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body
from benchmarks.serving.compare import markdown
from benchmarks.serving.load import drive
from benchmarks.serving.servers import FASTAPI_ONNX, RELEASED, ours, started, take_cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout of this repository")
    options = parser.parse_args()
    servers = {"ours": ours(), "FastAPI + ONNX Runtime": FASTAPI_ONNX}
    if options.beside:
        servers = {"ours": ours(), options.beside.name: ours(options.beside.resolve())}
    core = take_cores()
    request = body.json_request(RELEASED.stem)
    kept: dict[str, list[tuple[float, ...]]] = {name: [] for name in servers}
    for number in range(options.rounds + 1):
        for name, server in servers.items():
            with started(server, core, RELEASED, request) as running:
                fresh = running.megabytes()
                drive(running.port, request, 16, 2)
                if number:  # the first one fills the disk's cache
                    kept[name].append((running.first_answer, *fresh, *running.megabytes()))
    print(f"load average {os.getloadavg()[0]:.1f}; medians of {options.rounds}\n")
    head = ["process", "first answer, s", "RSS, MB", "PSS", "RSS after load", "PSS after load"]
    rows = []
    for name, figures in kept.items():
        start, *sizes = (statistics.median(column) for column in zip(*figures, strict=True))
        rows.append([name, f"{start:.2f}", *(f"{size:.0f}" for size in sizes)])
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
