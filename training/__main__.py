"""Train a network:

python -m training --preset stacked --data mnist.npz --out runs/stacked
python -m training --resume --out runs/stacked      # go on after a stop, exactly
KERAS_BACKEND=jax python -m training ...            # without TensorFlow
"""

import argparse
import os
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path

from training import data, run_dir
from training.config import (
    BACKENDS,
    DEFAULTS,
    OPTIMIZERS,
    PRECISIONS,
    TrainingConfig,
    check_backend,
)
from training.errors import TrainingError

# What a resumed run may still be told; the rest stands in its config.json.
_ON_RESUME = {"data", "out", "resume", "backend", "distribute"}
_NUMBERS = {
    "epochs": (int, "times through the training digits"),
    "batch_size": (int, "digits a step"),
    "learning_rate": (float, "peak of the schedule"),
    "weight_decay": (float, "AdamW's, on kernels"),
    "ema": (float, "memory of the weights' average; 0 keeps the last weights"),
    "spoiled": (float, "share of degraded digits in a batch, where the preset mixes"),
    "validation": (int, "digits held out from the end of the training set"),
    "seed": (int, "of weights, order and augmentation"),
    "truncate": (int, "steps of a piece, over whose end no gradient goes back"),
    "input_gain": (float, "factor on the first input weights, instead of the preset's"),
}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training",
        description="Train a network on MNIST rows and write a run folder.",
        argument_default=argparse.SUPPRESS,
        epilog="The test set is read once, at the end.",
    )
    parser.add_argument("--preset", choices=DEFAULTS, help="the network (stacked)")
    parser.add_argument(
        "--data",
        type=Path,
        help="mnist.npz, or a folder with it, MNIST's IDX files or CSV tables "
        "(else SCANLINE_DATA, else download)",
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    parser.add_argument("--resume", action="store_true", help="go on from --out's checkpoint")
    parser.add_argument("--backend", choices=BACKENDS, help="else KERAS_BACKEND")
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="deal each batch out to all devices (JAX), and to all hosts that "
        "KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID name",
    )
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, help="adamw, or sgd with momentum 0.9 (adamw)"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of the products in the recurrent layers (float32); bfloat16 is for GPUs",
    )
    for name, (kind, text) in _NUMBERS.items():
        default = getattr(DEFAULTS["stacked"], name)
        by_preset = " for stacked" if name == "learning_rate" else ""
        note = "" if default is None else f" ({default}{by_preset})"
        parser.add_argument(_flag(name), type=kind, help=text + note)
    parser.add_argument(
        "--teacher",
        nargs="+",
        action="extend",
        help=".keras files to agree with: recurrent ones on MNIST's digits (without --start, the "
        "first is started from), those of training.cnn on everything",
    )
    parser.add_argument("--start", help="a .keras file of this preset to start from")
    clip = parser.add_mutually_exclusive_group()
    clip.add_argument(
        "--clipnorm", type=float, help="largest norm of each variable's gradient (1.0)"
    )
    clip.add_argument(
        "--global-clipnorm", type=float, help="largest norm of the whole gradient (the textbook's)"
    )
    clip.add_argument("--clipvalue", type=float, help="largest magnitude of each number of it")
    clip.add_argument("--no-clip", action="store_true", help="do not clip")
    parser.add_argument(
        "--reset",
        action="store_true",
        help="start each piece of --truncate from the state 0; the loss is the last step's",
    )
    parser.add_argument(
        "--no-mix", dest="mix", action="store_false", help="scanline on MNIST alone"
    )
    parser.add_argument(
        "--no-augment", dest="augment", action="store_false", help="the digits as they are"
    )
    return parser


def make_config(arguments: dict) -> TrainingConfig:
    """The preset's defaults, changed by what was given.

    Raises:
        TrainingError: a value is out of range, or given although the run is resumed.
    """
    if arguments.get("resume"):
        given = sorted(_flag(name) for name in set(arguments) - _ON_RESUME)
        if given:
            raise TrainingError(f"a resumed run keeps its settings: leave out {', '.join(given)}")
        return TrainingConfig.from_json(run_dir.read_settings(arguments["out"])["training"])
    known = {field.name for field in fields(TrainingConfig)}
    changes = {name: value for name, value in arguments.items() if name in known}
    changes["teacher"] = tuple(changes.get("teacher", ()))
    if {"no_clip", "global_clipnorm", "clipvalue"} & arguments.keys():
        changes["clipnorm"] = None
    if arguments.get("reset"):
        changes |= {"step_loss": 0.0, "belief_loss": 0.0}
    return replace(DEFAULTS[arguments.get("preset", "stacked")], **changes)


def main(argv: list[str]) -> int:
    arguments = vars(make_parser().parse_args(argv))
    if "backend" in arguments:
        os.environ["KERAS_BACKEND"] = arguments["backend"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Rendering multiplies small matrices, for which waking BLAS threads costs more than it gains.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        check_backend()
        config = make_config(arguments)
        path = _data_path(arguments)
        if path is not None:  # now, not after the seconds that an import of Keras takes
            data.load_training(path, config.validation)
            data.require_test(path)
        from training import distribute, train  # after the backend is set: Keras reads it once

        distribution = distribute.start() if "distribute" in arguments else None
        command = shlex.join(["python", "-m", "training", *argv])
        resume = arguments.get("resume", False)
        train.run(config, path, arguments["out"], command, resume, distribution)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: cannot write {arguments['out']}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\nstopped; to go on: {sys.executable} -m training --resume --out {arguments['out']}"
        )
        return 130
    return 0


def _data_path(arguments: dict) -> Path | None:
    """Where MNIST is: given, or what the resumed run was given; None is the download."""
    path = arguments.get("data")
    if path is None and arguments.get("resume"):
        path = run_dir.read_settings(arguments["out"]).get("data")
    # A wrong path is told before the seconds of import.
    return data.find(path) if path or "SCANLINE_DATA" in os.environ else None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
