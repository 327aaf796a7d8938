"""Put a finished run beside the networks that app, service and batch script offer:

python -m training.release runs/stacked

The network gets its preset's name unless ``--name`` gives another; one that is already there
under that name is replaced.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from model import cards
from model.cards import RELEASE
from model.files import write_json
from training import card
from training.errors import TrainingError

INDEX = "README.md"
_NAME = re.compile(r"(?!readme$)[a-z0-9][a-z0-9_-]{0,63}")  # in file names and in URLs


def release(
    run: Path,
    folder: Path,
    data: Path | None,
    name: str | None = None,
    description: str | None = None,
) -> None:
    """Copy the network, export and verify it, write its card and the folder's table of networks.

    Args:
        run: the finished run's folder.
        folder: where to put ``NAME.keras``, ``.onnx``, ``.npz``, ``.card.json`` and ``.md``.
        data: MNIST, to verify the export on real digits too.
        name: of the network; else that of its preset.
        description: one line on what it is there for, shown where a network is chosen.

    Raises:
        TrainingError: the run is not finished, the name is unsafe, or another network's card
            in the folder is damaged.
        model.export.ExportError: the ONNX file does not match the reference.
    """
    from model import weights
    from model.export import command as export

    best, described = run / "best.keras", run / cards.NAME
    for path in (best, described):
        if not path.is_file():
            raise TrainingError(f"no {path}: the run is not finished; go on with --resume")
    content = json.loads(described.read_text())
    content["name"] = _safe(content["preset"] if name is None else name)
    if description is not None:
        content["description"] = description
    name = content["name"]
    others = _others(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    # Nothing of the old release is touched before the new one is whole and verified.
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        keras_file = Path(part) / f"{name}.keras"
        onnx_file = keras_file.with_suffix(".onnx")
        shutil.copyfile(best, keras_file)
        card_file = cards.own_path(keras_file)
        write_json(card_file, content)  # the ONNX metadata come from it
        error = export.export_onnx(
            weights.load(keras_file),
            onnx_file,
            "gemm",
            export.read_metadata(keras_file),
            export.check_images(data),
        )
        files = (keras_file, onnx_file, onnx_file.with_suffix(".npz"))
        content["sha256"] = {path.name: cards.sha256(path) for path in files}
        write_json(card_file, content)
        keras_file.with_suffix(".md").write_text(card.to_markdown(content))
        everything = others | {name: content}
        index = card.to_index([everything[each] for each in sorted(everything)])
        keras_file.with_name(INDEX).write_text(index)
        for path in Path(part).iterdir():
            path.replace(folder / path.name)
    print(f"released {name} into {folder}; largest difference from the reference {error:.1e}")


def _safe(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise TrainingError(
            f"--name {name!r} cannot be a file's: take a-z, 0-9, - and _, at most 64, not 'readme'"
        )
    return name


def _others(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The cards of the networks that stay as they are, by name."""
    found = {}
    for path in folder.glob(f"*.{cards.NAME}"):
        other = path.name.removesuffix(f".{cards.NAME}")
        if other == name:
            continue
        try:
            found[other] = cards.read(path)
            card.to_index([found[other]])
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is damaged, mend or remove it: {error!r}") from error
    return found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m training.release")
    parser.add_argument("run", type=Path, help="a finished run folder")
    parser.add_argument("--name", help="what the network is called (its preset)")
    parser.add_argument("--description", help="one line on it, shown where a network is chosen")
    parser.add_argument("--to", type=Path, default=RELEASE, help="(model/release)")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCANLINE_DATA"))
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.export.command import ExportError

    try:
        release(
            arguments.run,
            arguments.to,
            arguments.data and Path(arguments.data),
            arguments.name,
            arguments.description,
        )
    except (TrainingError, ExportError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
