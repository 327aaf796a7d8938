"""How many images a second does a training step take, and what share of the peak is that?

python benchmarks/training_speed.py [--units 64] [--cores 2] [--rounds 5]

The same network (two bidirectional layers, tanh, a read-out at every step, AdamW with
clipping, batches of 128) in the same number of cores: Keras's own `fit` on each backend, as it
comes and, to be fair, with this project's recurrent layer and `jit_compile`; this project's
step on each backend; PyTorch's `nn.RNN` (if it is installed), and the fp32 matrix product of
this machine as the ceiling. Each engine has a process of its own; they take turns in each
round, so that a noisy neighbour hits them alike. Medians of the rounds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BATCH, STEPS, PIXELS, DIGITS = 128, 28, 28, 10
SECONDS = 3.0  # of work, a round
BFLOAT16 = "-bfloat16"
OURS = ("ours-tensorflow", "ours-jax")
FIT = ("fit-tensorflow", "fit-jax")
HOISTED = "-hoisted"  # with this project's recurrent layer, compiled
ENGINES = (
    *FIT,
    *(name + HOISTED for name in FIT),
    *OURS,
    *(name + BFLOAT16 for name in OURS),
    "torch",
    "gemm",
)


def flops(units: int) -> float:
    """Of one image, forward and backward: three times the forward pass's products."""
    first = 2 * (PIXELS * units + units * units)
    second = 2 * (2 * units * units + units * units)
    readout = 2 * units * DIGITS + units * DIGITS
    return 3 * 2 * STEPS * (first + second + readout)


def config(units: int):
    from model.network import NetworkConfig

    return NetworkConfig(units=(units, units), merge_mode="concat")


def arrays(seed: int = 0):
    import numpy as np

    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (BATCH, STEPS, PIXELS)).astype(np.float32)
    return images, rng.integers(0, DIGITS, BATCH)


def keras_fit(units: int, is_hoisted: bool = False):
    """A call trains 20 steps."""
    import keras
    import numpy as np

    from model.network import build, logits_model
    from training.recurrent import HoistedRNN

    layer = HoistedRNN if is_hoisted else keras.layers.SimpleRNN
    model = logits_model(build(config(units), layer))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    names = ("logits", "step_logits", "belief_logits")
    model.compile(
        keras.optimizers.AdamW(1e-3, clipnorm=1.0),
        loss=dict.fromkeys(names, loss),
        loss_weights=dict(zip(names, (1.0, 0.5, 0.1), strict=True)),
        jit_compile=True if is_hoisted else "auto",
    )
    images, labels = arrays()
    images, labels = np.tile(images, (20, 1, 1)), np.tile(labels, 20)
    every = np.repeat(labels[:, None], STEPS, axis=1)
    targets = dict(zip(names, (labels, every, every), strict=True))
    return 20, lambda: model.fit(images, targets, batch_size=BATCH, verbose=0)


def ours(units: int, precision: str = "float32"):
    from model.network import build
    from training.config import TrainingConfig
    from training.recurrent import READERS
    from training.step import Trainer

    settings = TrainingConfig(augment=False, precision=precision)
    trainer = Trainer(build(config(units), READERS[precision]), settings, steps=10_000)
    images, labels = arrays()
    return 1, lambda: trainer.step(images, labels, None)


def torch_rnn(units: int):
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    rnn = nn.RNN(PIXELS, units, num_layers=2, bidirectional=True, batch_first=True)
    readout = nn.Linear(2 * units, DIGITS)
    parameters = [*rnn.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    images, labels = (torch.from_numpy(array) for array in arrays())
    every = labels[:, None].expand(-1, STEPS)

    def step():
        optimizer.zero_grad(set_to_none=True)
        y = readout(rnn(images / 255)[0])
        loss = functional.cross_entropy(y.mean(dim=1), labels)
        loss = loss + 0.5 * functional.cross_entropy(y.flatten(0, 1), every.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return 1, step


def gemm(_: int):
    """A call multiplies two matrices; reported in GFLOP/s."""
    import numpy as np

    a = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    return 1, lambda: a @ a


def serve(engine: str, units: int) -> None:
    """The engine's process: one line of images/s (or GFLOP/s) for each line read."""
    os.environ["KERAS_BACKEND"] = "jax" if "jax" in engine else "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(ROOT))
    make = {"torch": torch_rnn, "gemm": gemm} | dict.fromkeys(FIT, keras_fit)
    if engine.endswith(BFLOAT16):
        steps, run = ours(units, BFLOAT16[1:])
    elif engine.endswith(HOISTED):
        steps, run = keras_fit(units, is_hoisted=True)
    else:
        steps, run = make.get(engine, ours)(units)
    work = 2 * 2048**3 / 1e9 if engine == "gemm" else steps * BATCH
    for _ in range(3):
        run()  # compiles
    print("ready", flush=True)
    for _ in sys.stdin:
        times, end = [], time.perf_counter() + SECONDS
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        print(json.dumps(work / statistics.median(times)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=64, help="of each layer (64)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        serve(arguments.engine, arguments.units)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.cores :])
    environment = os.environ | dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(arguments.cores)
    )
    processes, rates = {}, {}
    for engine in ENGINES:
        process = subprocess.Popen(
            [sys.executable, __file__, "--engine", engine, "--units", str(arguments.units)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if process.stdout.readline().strip() == "ready":
            processes[engine], rates[engine] = process, []
        else:
            print(f"{engine}: not installed, left out")
    for _ in range(arguments.rounds):
        for engine, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            rates[engine].append(float(process.stdout.readline()))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    print_table(arguments, rates)


def print_table(arguments, rates) -> None:
    peak = statistics.median(rates["gemm"])
    print(
        f"two bidirectional layers of {arguments.units}, batches of {BATCH}, {arguments.cores} "
        f"cores of {platform.machine()}, load {os.getloadavg()[0]:.1f}, fp32 peak "
        f"{peak:,.0f} GFLOP/s, medians of {arguments.rounds} rounds\n"
    )
    print("| engine | images/s | against Keras fit | share of peak |\n|---|---|---|---|")
    for engine, values in rates.items():
        if engine == "gemm":
            continue
        rate = statistics.median(values)
        ratio = statistics.median(
            a / b for a, b in zip(values, rates["fit-tensorflow"], strict=True)
        )
        share = rate * flops(arguments.units) / 1e9 / peak
        print(f"| {engine} | {rate:,.0f} | {ratio:.2f}x | {100 * share:.0f} % |")


if __name__ == "__main__":
    main()
