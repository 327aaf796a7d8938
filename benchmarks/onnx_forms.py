"""How fast is each ONNX form of one network?

python benchmarks/onnx_forms.py model/release/scanline.keras

One core, one thread, ONNX Runtime, all outputs computed. The forms take turns in each
round, so that a noisy neighbour hits them alike; figures are medians over the rounds.
"Keras" is Keras's own ONNX export of the same model (needs tf2onnx).
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras's own export needs it
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from model import signature, weights
from model.export import onnx_graph
from model.predictor import RUNTIME_VERSION, open_session

BATCHES = (1, 32, 64, 256)
SECONDS = 0.3  # a measurement


def keras_export(model) -> bytes:
    """Keras's own export, as its guide says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keras.onnx"
        model(np.zeros((1, signature.STEPS, signature.PIXELS), np.float32))  # or it refuses
        model.export(path, format="onnx", verbose=False)
        return path.read_bytes()


def measure(run) -> float:
    """Seconds a call: the median over about SECONDS."""
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    model = weights.load_keras(arguments.network)
    network = weights.from_keras(model)
    forms = {
        "Keras's own (Loop)": keras_export(model),
        "operator RNN": onnx_graph.build(network, "rnn").SerializeToString(),
        "gemm (ours)": onnx_graph.build(network, "gemm").SerializeToString(),
    }
    sessions = {name: open_session(data) for name, data in forms.items()}
    rng = np.random.default_rng(0)
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(arguments.rounds):
        for batch in BATCHES:
            images = rng.integers(0, 256, (batch, 28, 28)).astype(np.float32)
            for name, one in sessions.items():
                feed = {one.get_inputs()[0].name: images}
                seconds.setdefault((name, batch), []).append(
                    measure(lambda one=one, feed=feed: one.run(None, feed))
                )
    print_table(arguments, sessions, seconds)


def print_table(arguments, sessions, seconds) -> None:
    first = next(iter(sessions))
    print(
        f"{arguments.network.name}, one core of {platform.processor() or platform.machine()}, "
        f"onnxruntime {RUNTIME_VERSION}, medians of {arguments.rounds} rounds\n"
    )
    head = [f"batch {b}, {'µs' if b == 1 else 'images/s'} (ratio)" for b in BATCHES]
    print("| form | " + " | ".join(head) + " |")
    print("|---" * (len(BATCHES) + 1) + "|")
    for name in sessions:
        cells = []
        for batch in BATCHES:
            time_ = statistics.median(seconds[name, batch])
            ratio = statistics.median(
                a / b for a, b in zip(seconds[first, batch], seconds[name, batch], strict=True)
            )
            value = f"{time_ * 1e6:,.0f}" if batch == 1 else f"{batch / time_:,.0f}"
            cells.append(f"{value} ({ratio:.2f}x)")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
