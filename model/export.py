"""Write a trained network for serving, and refuse what does not match the reference:

python -m model.export model/release/scanline.keras --out export

writes ``export/scanline.onnx``, its weights as plain arrays in ``scanline.npz``, its
card, and ``export/scanline/1/``, a SavedModel in the folder layout of TF Serving. ``--format
onnx`` needs no TensorFlow with KERAS_BACKEND=jax; ``--form rnn`` writes the ONNX operator
`RNN`, small and readable in Netron.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from model import cards, reference, signature
from model.weights import Network, save_arrays

TOLERANCE = 1e-5
CHECKED_IMAGES = 256
FEEDING = (
    f"input {signature.IMAGES}: float32 (batch, 28, 28), raw pixels 0..255, white ink on black, "
    "the digit's longest side 20 pixels, its centre of mass in the middle"
)


class ExportError(Exception):
    """A form was not written; the message says which, and why."""


def verify(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray], what: str) -> float:
    """Hold `actual` against the reference's outputs; returns the worst relative error.

    Raises:
        ExportError: a missing or superfluous output, or one that differs by more than 1e-5
            of its largest absolute value (or of 1, where that is smaller).
    """
    if set(expected) != set(actual):
        raise ExportError(f"{what} has the outputs {sorted(actual)}, not {sorted(expected)}")
    worst, name = max(
        (reference.relative_error(expected[name], actual[name]), name) for name in expected
    )
    if worst > TOLERANCE:
        raise ExportError(
            f"{what}: {name} differs from the reference by {worst:.1e}, "
            f"more than {TOLERANCE:.0e}; it was not written"
        )
    return worst


def check_images(real: Path | None) -> np.ndarray:
    """256 random images and, where MNIST is given, 256 of its digits: (count, 28, 28)."""
    side = (signature.STEPS, signature.PIXELS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (CHECKED_IMAGES, *side)).astype(np.float32)
    if real is None:
        return images
    path = real / "mnist.npz" if real.is_dir() else real
    try:
        if not zipfile.is_zipfile(path):
            raise ExportError(f"--data {path} is not there, or not an .npz file")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            digits = file["x_train"][-CHECKED_IMAGES:]  # the end: held out from training
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ExportError(f"--data {path} is not a readable mnist.npz: {error}") from error
    return np.concatenate([images, digits.reshape(-1, *side).astype(np.float32)])


def read_metadata(path: Path) -> dict[str, str]:
    """What goes into the ONNX file's properties, most of it from the network's card."""
    metadata = {"how_to_feed": FEEDING, "version": "1"}
    fields = cards.read(cards.card_path(path))
    wanted = ("name", "version", "preset", "training_data", "commit", "validation", "test")
    for name in (*wanted, "licence"):
        if fields.get(name) is not None:
            value = fields[name]
            metadata[name] = value if isinstance(value, str) else json.dumps(value)
    return metadata


def export_onnx(
    network: Network, path: Path, form: str, metadata: dict[str, str], images: np.ndarray
) -> float:
    """Verify and write an ONNX file, and the weights as ``.npz`` beside it.

    Returns:
        The worst relative error of the ONNX file (see `verify`).
    """
    import onnxruntime

    from model import onnx_graph

    model = onnx_graph.build(network, form, metadata).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {signature.IMAGES: images}), strict=True))
    error = verify(reference.forward(network, images), outputs, f"ONNX ({form})")
    part = path.with_suffix(".part")
    try:
        part.write_bytes(model)
        save_arrays(network, path.with_suffix(".npz"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return error


def export_saved_model(model, network: Network, folder: Path, images: np.ndarray) -> float:
    """Write and verify a SavedModel; returns its worst relative error (see `verify`)."""
    from model import saved_model

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        written = Path(part) / "model"
        saved_model.write(model, written)
        outputs = saved_model.run(written, images)
        error = verify(reference.forward(network, images), outputs, "SavedModel")
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)
    return error


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m model.export", description=__doc__.split(":")[0])
    parser.add_argument("network", type=Path, help="a .keras file, from `python -m training`")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--format", choices=("onnx", "saved-model", "both"), default="both", help="(both)"
    )
    parser.add_argument(
        "--form", choices=("gemm", "rnn"), default="gemm", help="form of the ONNX graph (gemm)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("SCANLINE_DATA"),
        help="mnist.npz: check on real digits too (SCANLINE_DATA)",
    )
    arguments = parser.parse_args(argv)
    try:
        _export(arguments)
    except (ExportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: cannot write {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _export(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.format != "onnx":
        os.environ["KERAS_BACKEND"] = "tensorflow"  # only it can write a SavedModel
    from model import weights  # after the backend is set: Keras reads it once

    images = check_images(arguments.data and Path(arguments.data))
    model = weights.load_keras(arguments.network)
    network = weights.from_keras(model)
    outputs = {name: np.asarray(array) for name, array in model(images).items()}
    error = verify(reference.forward(network, images), outputs, "Keras")
    print(f"checked on {len(images)} images; largest difference from the reference, at most 1e-5:")
    print(f"  {error:.1e}  {arguments.network}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = arguments.network.stem
    metadata = read_metadata(arguments.network)
    if arguments.format != "saved-model":
        path = arguments.out / f"{name}.onnx"
        error = export_onnx(network, path, arguments.form, metadata, images)
        print(f"  {error:.1e}  {path} (form {arguments.form})")
        _write_card(arguments.network, path)
    if arguments.format != "onnx":
        folder = arguments.out / name / metadata["version"]
        error = export_saved_model(model, network, folder, images)
        print(f"  {error:.1e}  {folder}")


def _write_card(network: Path, path: Path) -> None:
    """The server reads the thresholds for rejecting an answer from it, and checks the hashes."""
    source = cards.card_path(network)
    if not source.is_file():
        print(f"  no {source}: served from here, no answer will be rejected")
        return
    card = cards.read(source)
    written = {file.name: cards.sha256(file) for file in (path, path.with_suffix(".npz"))}
    card["sha256"] = card.get("sha256", {}) | written
    # A run's card stays the only one in its folder: it is written anew when training goes on.
    same_folder = source.parent.resolve() == path.parent.resolve()
    cards.write(source if same_folder else cards.own_path(path), card)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
