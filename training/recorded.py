"""The Lab's recorded figures: runs that differ in one thing alone, and the memory of a step:

KERAS_BACKEND=jax python -m training.recorded clipping --data mnist.npz

Writes `model/lab/recorded/NAME.json`, after each run, and goes on where it was stopped. All
errors are of the validation digits; the test set is not read.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import json

import keras
import numpy as np

from model import lab, reference, signature, weights
from model.files import atomic, write_json
from model.network import PRESETS
from training import data
from training.config import TrainingConfig
from training.data import Digits
from training.errors import TrainingError
from training.loop import Loop

RECORDED = Path(lab.__file__).with_name("recorded")
SEEDS = (0, 1, 2)
POINTS = 60  # of a curve
COUNT = "XLA's own, of the temporary buffers of the loss's gradient, written with lax.scan"
# The answer's loss alone, the digits as they are, the last weights: the textbook's training.
PLAIN = TrainingConfig(
    "elman", epochs=2, learning_rate=1.5e-3, augment=False, step_loss=0, belief_loss=0, ema=0
)
# Without a warm-up, which tames the first gradients as clipping does.
SGD = replace(PLAIN, epochs=1, optimizer="sgd", learning_rate=0.03, warmup=0, clipnorm=None)
VALUES = 0.007  # about 1/√(numbers of the gradient): with it ‖g‖ ≤ 1.02


def truncation() -> Iterator[tuple[dict[str, Any], TrainingConfig]]:
    yield {"piece": 28, "kind": "whole"}, PLAIN
    for piece in (14, 7, 4):
        yield {"piece": piece, "kind": "carry"}, replace(PLAIN, truncate=piece)
        yield {"piece": piece, "kind": "reset"}, replace(PLAIN, truncate=piece, reset=True)


def clipping() -> Iterator[tuple[dict[str, Any], TrainingConfig]]:
    yield {"clipping": "none"}, SGD
    for name, threshold in (("clipnorm", 1.0), ("global_clipnorm", 1.0), ("clipvalue", VALUES)):
        yield {"clipping": name, "c": threshold}, replace(SGD, **{name: threshold})


def input_gain() -> Iterator[tuple[dict[str, Any], TrainingConfig]]:
    for gain in (1.0, 3.0, 10.0, 30.0):
        yield {"input_gain": gain}, replace(PLAIN, input_gain=gain)


RUNS: dict[str, Callable[[], Iterator[tuple[dict[str, Any], TrainingConfig]]]] = {
    runs.__name__: runs for runs in (truncation, clipping, input_gain)
}


def train(config: TrainingConfig, path: Path, digits: tuple[Digits, Digits]) -> dict[str, Any]:
    """The validation error of one run, and how its loss and the gradient's norm went."""
    shape = PRESETS[config.preset]
    if config.input_gain is not None:
        shape = replace(shape, input_gain=config.input_gain)
    loop = Loop(config, shape, path, digits)
    losses = _losses(loop)
    *_, (_, result) = loop.epochs()
    found = {"error_percent": round(100 * result.error, 2)}
    if config.reset:
        network = weights.from_keras(loop.averaged)
        found["as_trained_percent"] = round(_error_in_pieces(network, digits[1], config), 2)
    if config.optimizer == "sgd":
        found["curve"] = _thinned(losses, loop.progress.gradient_norm)
    return found


def _losses(loop: Loop) -> list[float]:
    """Filled while `loop` goes on."""
    losses, step = [], loop.trainer.step

    def kept(*batch):
        metrics = step(*batch)
        losses.append(float(metrics["loss"]))
        return metrics

    loop.trainer.step = kept
    return losses


def _error_in_pieces(network: weights.Network, digits: Digits, config: TrainingConfig) -> float:
    """In percent; the state is 0 before the last piece, so nothing before it counts."""
    last = signature.STEPS % config.truncate or config.truncate
    outputs = reference.forward(network, digits.images[:, -last:])
    return 100 * float((outputs[signature.PROBABILITIES].argmax(axis=1) != digits.labels).mean())


def _thinned(losses: list[float], norms: list[float]) -> list[list[float]]:
    """[update, loss, gradient norm before clipping], means over the updates between."""
    ends = np.linspace(0, len(losses), POINTS + 1).round().astype(int)
    pairs = pairwise(ends)
    means = [(end, np.mean(losses[start:end]), np.mean(norms[start:end])) for start, end in pairs]
    return [[int(end), round(float(loss), 4), round(float(norm), 3)] for end, loss, norm in means]


def record(name: str, path: Path, out: Path) -> None:
    digits = data.load_training(path, PLAIN.validation)
    file = out / f"{name}.json"
    known = json.loads(file.read_text())["runs"] if file.is_file() else []
    wanted = [
        (about | {"seed": seed}, replace(config, seed=seed))
        for seed in SEEDS
        for about, config in RUNS[name]()
    ]
    for about, config in wanted:
        if any(about.items() <= run.items() for run in known):
            continue
        known.append(about | train(config, path, digits))
        print({key: value for key, value in known[-1].items() if key != "curve"}, flush=True)
        base = asdict(SGD if name == "clipping" else PLAIN)
        settings = {key: value for key, value in base.items() if key not in ("seed", "preset")}
        each = len(wanted) / len(SEEDS)
        done = [seed for seed in SEEDS if sum(run["seed"] == seed for run in known) == each]
        _write(file, _about(name) | {"settings": settings, "seeds": done}, known)
        keras.backend.clear_session()


def _write(file: Path, about: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """As `write_json`, but with a line for each run: their curves are long."""
    lines = ",\n".join(f"    {json.dumps(run)}" for run in runs)
    head = json.dumps(about, indent=2).removesuffix("\n}")
    with atomic(file) as part:
        part.write_text(f'{head},\n  "runs": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def memory(out: Path) -> None:
    """What the compiled gradient of a network as `elman` keeps, and JAX for exercise 2.

    Written with `lax.scan`, as a textbook would; neither the optimizer nor `HoistedRNN` is in it.
    """
    import jax
    import jax.numpy as jnp

    batch, units = 128, 128
    U, W, b = jnp.zeros((signature.PIXELS, units)), jnp.zeros((units, units)), jnp.zeros(units)
    V, c = jnp.zeros((units, signature.DIGITS)), jnp.zeros(signature.DIGITS)

    def loss(parameters, x, labels):
        U, W, b, V, c = parameters

        def step(h, row):
            return jnp.tanh(h @ W + row @ U + b), None

        h, _ = jax.lax.scan(step, jnp.zeros((batch, units)), jnp.swapaxes(x, 0, 1))
        return -jax.nn.log_softmax(h @ V + c)[jnp.arange(batch), labels].mean()

    def kept(function, steps: int) -> int:
        x = jax.ShapeDtypeStruct((batch, steps, signature.PIXELS), jnp.float32)
        labels = jax.ShapeDtypeStruct((batch,), jnp.int32)
        compiled = jax.jit(function).lower((U, W, b, V, c), x, labels).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    rows = [
        {
            "steps": steps,
            "training_bytes": kept(jax.grad(loss), steps),
            "forward_bytes": kept(loss, steps),
        }
        for steps in (2, 7, 14, 28, 56, 100, 200)
    ]
    about = {"batch": batch, "units": units, "count": COUNT}
    scalar = [{"steps": steps, "kept": _kept_by_jax(steps)} for steps in (2, 100)]
    write_json(out / "memory.json", _about("memory") | about | {"rows": rows, "scalar": scalar})


def _kept_by_jax(steps: int) -> int:
    """Values that JAX keeps for the gradient of exercise 2's z, beside parameters and inputs."""
    import jax.numpy as jnp
    from jax.ad_checkpoint import print_saved_residuals

    def z(W, U, V, h, *x):
        product = None
        for x_t in x:
            h = jnp.tanh(W * h + U * x_t)
            product = V * h if product is None else product * (V * h)
        return product

    printed = io.StringIO()
    with redirect_stdout(printed):
        print_saved_residuals(z, *[jnp.float32(0.5)] * (4 + steps))
    return sum("argument" not in line for line in printed.getvalue().splitlines())


def _about(name: str) -> dict[str, Any]:
    return {
        "command": f"KERAS_BACKEND={keras.backend.backend()} python -m training.recorded {name}"
        + (" --data mnist.npz" if name in RUNS else ""),
        "backend": keras.backend.backend(),
        "machine": f"{os.cpu_count()} shared CPU cores",
        "date": datetime.now(UTC).date().isoformat(),
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m training.recorded", description="Record figures for the Lab."
    )
    parser.add_argument("name", choices=[*RUNS, "memory"])
    parser.add_argument("--data", type=Path, help="mnist.npz or its folder (else SCANLINE_DATA)")
    parser.add_argument("--out", type=Path, default=RECORDED, help="folder (model/lab/recorded)")
    options = parser.parse_args(argv)
    try:
        if options.name == "memory":
            memory(options.out)
        else:
            record(options.name, data.find(options.data), options.out)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
