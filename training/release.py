"""Make a finished run the network that app, service and batch script use:

python -m training.release runs/stacked
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from training import card
from training.errors import TrainingError

RELEASE = Path(__file__).resolve().parent.parent / "model" / "release"


def release(run: Path, folder: Path, data: Path | None, name: str = "scanline") -> None:
    """Copy the network, export and verify its ONNX form, write ``card.json`` and ``README.md``.

    Raises:
        TrainingError: the run is not finished.
        model.export.ExportError: the ONNX file does not match the reference.
    """
    from model import export, weights

    best, described = run / "best.keras", run / card.NAME
    for path in (best, described):
        if not path.is_file():
            raise TrainingError(f"no {path}: the run is not finished; go on with --resume")
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(described.read_text())
    # Nothing of the old release is touched before the new one is whole and verified.
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        keras_file, onnx_file = Path(part) / f"{name}.keras", Path(part) / f"{name}.onnx"
        shutil.copyfile(best, keras_file)
        card.write(keras_file.with_name(card.NAME), content)  # the ONNX metadata come from it
        error = export.export_onnx(
            weights.load(keras_file),
            onnx_file,
            "gemm",
            export.read_metadata(keras_file),
            export.check_images(data),
        )
        content["sha256"] = {path.name: _sha256(path) for path in (keras_file, onnx_file)}
        card.write(keras_file.with_name(card.NAME), content)
        keras_file.with_name("README.md").write_text(card.to_markdown(content))
        for path in Path(part).iterdir():
            path.replace(folder / path.name)
    print(f"released into {folder}; largest difference from the reference {error:.1e}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m training.release")
    parser.add_argument("run", type=Path, help="a finished run folder")
    parser.add_argument("--to", type=Path, default=RELEASE, help="(model/release)")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCANLINE_DATA"))
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.export import ExportError

    try:
        release(arguments.run, arguments.to, arguments.data and Path(arguments.data))
    except (TrainingError, ExportError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
