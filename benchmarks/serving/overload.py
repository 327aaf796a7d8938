"""Does our server go on when more want an answer than it can give?

    python benchmarks/serving/overload.py [--seconds 30] [--connections 400] [SERVER'S FLAGS ...]

400 connections ask as fast as they can, of which the server takes `--max-concurrency` at a time
(64): how many good answers a second there are beside those at 16 connections, and what it does to
memory.

Ends with code 1 if anything but 200 and 503 with Retry-After came, a connection was lost, good
answers fell below 0.8 times those at 16, or memory grew by half.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.serving import body
from benchmarks.serving.compare import markdown
from benchmarks.serving.load import drive
from benchmarks.serving.servers import RELEASED, ROOT, ours, started, take_cores

LEAST_SHARE, MOST_GROWTH = 0.8, 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=400)
    options, flags = parser.parse_known_args()
    core = take_cores()
    request = body.json_request(RELEASED.stem)
    with started(ours(ROOT, *flags), core, RELEASED, request) as running:
        drive(running.port, request, 16, 2)
        measured = {16: drive(running.port, request, 16, options.seconds)}
        before, _ = running.megabytes()
        crowd = drive(running.port, request, options.connections, options.seconds)
        after, _ = running.megabytes()
    measured[options.connections] = crowd
    share = crowd.rate / measured[16].rate
    head = ["connections", "good/s", "refused/s", "wrong or lost", "p50, ms", "p99, ms"]
    rows = [
        [
            *(f"{figure:,.0f}" for figure in (n, one.rate, one.refused / one.seconds, one.wrong)),
            *(f"{time:.3g}" for time in (one.p50, one.p99)),
        ]
        for n, one in measured.items()
    ]
    print(f"load average {os.getloadavg()[0]:.1f}; flags: {' '.join(flags) or 'none'}\n")
    print(markdown(head, rows))
    print(f"\n{share:.2f} times the good answers; RSS {before:.0f} to {after:.0f} MB")
    wrong = sum(one.wrong for one in measured.values())
    sys.exit(bool(wrong) or share < LEAST_SHARE or after > MOST_GROWTH * before)


if __name__ == "__main__":
    main()
