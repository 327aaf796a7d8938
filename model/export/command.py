"""Write a trained network for serving, and refuse what does not match the reference:

python -m model.export model/release/scanline.keras --out export

writes ``export/scanline.onnx``, its weights as plain arrays in ``scanline.npz``, its
card, and ``export/scanline/1/``, a SavedModel in the folder layout of TF Serving. ``--format
onnx`` needs no TensorFlow with KERAS_BACKEND=jax; ``--form rnn`` writes the ONNX operator
`RNN`, small and readable in Netron. ``--triton DIR`` writes a Triton model repository, from a
``.keras`` or an ``.onnx`` file, ``--tf-serving DIR`` what TensorFlow Serving serves.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from model import cards, reference, signature
from model.export.verify import ExportError, check_images, run_onnx, verify
from model.files import atomic, write_json
from model.weights import Network, load_arrays, save_arrays

FEEDING = (
    f"input {signature.IMAGES}: float32 (batch, 28, 28), raw pixels 0..255, white ink on black, "
    "the digit's longest side 20 pixels, its centre of mass in the middle"
)
_CHECKED = "checked on {} images; largest difference from the reference, at most 1e-5:"


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


def build_onnx(
    network: Network, form: str, metadata: dict[str, str], images: np.ndarray
) -> tuple[bytes, float]:
    """An ONNX file's bytes, verified, and its worst relative error (see `verify`)."""
    from model.export import onnx_graph

    what = f"ONNX ({form})"
    model = onnx_graph.build(network, form, metadata).SerializeToString()
    error = verify(reference.forward(network, images), run_onnx(model, images, what), what)
    return model, error


def export_onnx(
    network: Network, path: Path, form: str, metadata: dict[str, str], images: np.ndarray
) -> float:
    """Verify and write an ONNX file, and the weights as ``.npz`` beside it.

    Returns:
        The worst relative error of the ONNX file (see `verify`).
    """
    model, error = build_onnx(network, form, metadata, images)
    with atomic(path) as part:
        part.write_bytes(model)
        save_arrays(network, path.with_suffix(".npz"))
    return error


def export_saved_model(model, network: Network, folder: Path, images: np.ndarray) -> float:
    """Write and verify a SavedModel in ``NAME/VERSION``; returns its worst relative error."""
    from model.export import saved_model

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        written = Path(part) / "model"
        saved_model.write(model, written, name=folder.parent.name)
        outputs = saved_model.run(written, images)
        error = verify(reference.forward(network, images), outputs, "SavedModel")
        shutil.rmtree(folder, ignore_errors=True)
        written.rename(folder)
    return error


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m model.export", description=__doc__.split(":")[0])
    parser.add_argument(
        "network",
        type=Path,
        help="a .keras file, from `python -m training`; an .onnx file will do for --triton",
    )
    parser.add_argument("--out", type=Path, help="folder to write into")
    parser.add_argument(
        "--format", choices=("onnx", "saved-model", "both"), default="both", help="of --out (both)"
    )
    parser.add_argument(
        "--form", choices=("gemm", "rnn"), default="gemm", help="form of the ONNX graph (gemm)"
    )
    parser.add_argument("--triton", type=Path, metavar="DIR", help="a model repository for Triton")
    parser.add_argument(
        "--tf-serving", type=Path, metavar="DIR", help="a folder for TensorFlow Serving"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("SCANLINE_DATA"),
        help="mnist.npz: check on real digits too (SCANLINE_DATA)",
    )
    arguments = parser.parse_args(argv)
    if not (arguments.out or arguments.triton or arguments.tf_serving):
        parser.error("say where to write: --out, --triton or --tf-serving")
    try:
        if arguments.network.suffix == ".onnx":
            _export_onnx_file(arguments)
        else:
            _export(arguments)
    except (ExportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"error: requirements.txt must be installed for this: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = error.filename or "the export"
        print(f"error: cannot write {where}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _export(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    formats = {"onnx", "saved-model"} & {arguments.format} or {"onnx", "saved-model"}
    if arguments.tf_serving or (arguments.out and "saved-model" in formats):
        os.environ["KERAS_BACKEND"] = "tensorflow"  # only it can write a SavedModel
    from model import weights  # after the backend is set: Keras reads it once

    images = check_images(arguments.data and Path(arguments.data))
    model = weights.load_keras(arguments.network)
    network = weights.from_keras(model)
    metadata = read_metadata(arguments.network)
    if arguments.triton or arguments.tf_serving:
        _check_engine_version(metadata["version"])
    outputs = {name: np.asarray(array) for name, array in model(images).items()}
    error = verify(reference.forward(network, images), outputs, "Keras")
    print(_CHECKED.format(len(images)))
    print(f"  {error:.1e}  {arguments.network}")
    name = arguments.network.stem
    if arguments.out and "onnx" in formats:
        arguments.out.mkdir(parents=True, exist_ok=True)
        path = arguments.out / f"{name}.onnx"
        error = export_onnx(network, path, arguments.form, metadata, images)
        print(f"  {error:.1e}  {path} (form {arguments.form})")
        _write_card(arguments.network, path)
    if arguments.out and "saved-model" in formats:
        folder = arguments.out / name / metadata["version"]
        error = export_saved_model(model, network, folder, images)
        print(f"  {error:.1e}  {folder}")
    if arguments.triton:
        content, error = build_onnx(network, arguments.form, metadata, images)
        _write_triton(content, error, arguments, metadata["version"])
    if arguments.tf_serving:
        from model.export import tf_serving

        folder = arguments.tf_serving / name / metadata["version"]
        error = export_saved_model(model, network, folder, images)
        tf_serving.write_config(arguments.tf_serving)
        print(f"  {error:.1e}  {folder}")


def _export_onnx_file(arguments: argparse.Namespace) -> None:
    """A Triton repository from an exported file as it is: no Keras, no TensorFlow."""
    from model.export import triton

    path = arguments.network
    if arguments.out or arguments.tf_serving or arguments.form != "gemm":
        raise ExportError(f"{path} is exported already and can only go to --triton, as it is")
    if not path.is_file():
        raise ExportError(f"no such file: {path}")
    content = path.read_bytes()
    images = check_images(arguments.data and Path(arguments.data))
    outputs, error = run_onnx(content, images, str(path)), None
    version = triton.version_of(content)
    _check_engine_version(version)
    arrays = path.with_suffix(".npz")
    if arrays.is_file():
        expected = reference.forward(load_arrays(arrays), images)
        error = verify(expected, outputs, str(path))
        print(_CHECKED.format(len(images)))
    else:
        print(f"not checked against the reference, which needs the weights: no {arrays}")
    _write_triton(content, error, arguments, version)


def _write_triton(
    content: bytes, error: float | None, arguments: argparse.Namespace, version: str
) -> None:
    from model.export import triton

    written = triton.write(content, arguments.triton, arguments.network.stem, version)
    print(f"  {'-' if error is None else f'{error:.1e}'}  {written}")


def _check_engine_version(version: str) -> None:
    """Triton and TF Serving name a version's folder by a whole number."""
    if not re.fullmatch("[1-9][0-9]*", version):  # Triton looks into no folder "01"
        raise ExportError(f"the network's version is {version!r}: here it must be a number from 1")


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
    write_json(source if same_folder else cards.own_path(path), card)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
