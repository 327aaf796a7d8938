"""Try a network on everything it will meet, and write what came of it:

python -m training.evaluate model/release/scanline.onnx --data ../shared/data

prints one table and writes ``evaluation.json`` and pictures. It reads the validation digits,
so that choices never touch the test set; ``--test`` is for a network that is released.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.files import write_json
from training.errors import TrainingError

if TYPE_CHECKING:
    from model.predictor import Predictor  # NumPy, before `main` has set its threads

NAME = "evaluation.json"


def run(
    model: Path, data_path: Path | None, out: Path, validation: int, test: bool, seed: int = 0
) -> dict[str, Any]:
    """Evaluate and write everything into `out`.

    Args:
        model: a ``.keras`` or ``.onnx`` file; its card (`model.cards`) may hold thresholds.
        data_path: ``mnist.npz`` or its folder, where the other sources are looked for too.
        out: folder to write.
        validation: digits at the end of the training set that the network never saw.
        test: read the test digits instead of those.
        seed: of all choices.

    Returns:
        What ``evaluation.json`` holds.

    Raises:
        TrainingError: a file is missing or damaged.
        OSError: `out` is not writable.
    """
    from training import data
    from training.evaluation import figures as evaluation
    from training.evaluation import plots
    from training.evaluation.table import to_table

    predictor = open_network(model)
    path = data.find(data_path)
    digits = data.load_test(path) if test else data.load_training(path, validation)[1]
    out.mkdir(parents=True, exist_ok=True)
    figures = {
        "model": model.name,
        "sha256": predictor.sha256,
        "split": "test" if test else "validation",
        **evaluation.evaluate(predictor, digits, path.parent, seed),
    }
    print(to_table(figures))
    write_json(out / NAME, figures)
    plots.write(out, figures, digits.images)
    print(f"written to {out}")
    return figures


def open_network(path: Path) -> "Predictor":
    """A ``.keras`` or ``.onnx`` file in ONNX Runtime, which is ten times faster than Keras.

    Raises:
        TrainingError: no such file, not readable, or not a network with the names and shapes
            of `model.signature`; or its card is not one.
    """
    if path.suffix not in (".keras", ".onnx"):
        raise TrainingError(f"{path} is neither a .keras nor an .onnx file")
    from model.predictor import ModelError, Predictor

    graph = None
    try:
        if path.suffix == ".keras":
            from model import weights
            from model.export import onnx_graph

            graph = onnx_graph.build(weights.load(path)).SerializeToString()
        return Predictor(path, graph=graph)
    except (ModelError, ValueError) as error:
        raise TrainingError(str(error)) from error


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m training.evaluate", description="Try a network on everything it will meet."
    )
    parser.add_argument("model", type=Path, help="a .keras or .onnx file")
    parser.add_argument(
        "--data",
        type=Path,
        help="mnist.npz or its folder, with the other sources (else SCANLINE_DATA, else download)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/evaluation"), help="(runs/evaluation)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--validation",
        type=int,
        default=10_000,
        help="digits at the end of the training set, held out when the network was trained (10000)",
    )
    which.add_argument(
        "--test", action="store_true", help="read the test digits: once for each released network"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all random choices (0)")
    arguments = parser.parse_args(argv)
    if arguments.seed < 0:
        parser.error("--seed must not be negative")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Rendering multiplies small matrices: BLAS threads make it ten times slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        run(
            arguments.model,
            arguments.data,
            arguments.out,
            arguments.validation,
            arguments.test,
            arguments.seed,
        )
    except TrainingError as error:
        print("error:", *str(error).split(), file=sys.stderr)  # libraries' words on one line
        return 2
    except OSError as error:
        print(f"error: cannot write {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
