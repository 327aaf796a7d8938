"""Make an image smaller: delete files of installed packages that the service never opens.

``python deploy/slim.py SITE_PACKAGES PACKAGE...``. Only whole files and folders go; nothing is
changed. `tests/container` imports every module of `serving` and opens the page afterwards.
"""

import shutil
import sys
from pathlib import Path

# What goes, and why nobody misses it.
UNUSED = {
    "fastapi_offline": {
        "static/redoc.standalone.js": "shows a second kind of /docs, which is off",
    },
    "gradio": {
        "media_assets": "pictures, sounds and films for demos",
        "templates/frontend/assets/AltairPlot-*.js": "draws gr.Plot, which the page does not have",
        "templates/frontend/assets/PlotlyPlot-*.js": "the same",
        "templates/frontend/static/bokeh": "the same",
        "templates/frontend/static/ffmpeg": "cuts films in gr.Video, which the page does not have",
        "templates/node": "draws pages in a Node server; ours are drawn in the browser",
    },
    "hf_xet": {
        "hf_xet*.so": "fetches networks from a hub, and nobody does",
    },
    "numpy": {
        "**/tests": "tests",
    },
    "onnxruntime": {
        "capi/libonnxruntime.so.*": "for C programs; Python's module has it all inside",
        "quantization": "makes networks smaller before they are served",
        "tools": "converts networks before they are served",
        "transformers": "optimizes language models before they are served",
    },
    "pandas": {
        "tests": "tests",
    },
}


class MissingError(Exception):
    """A package no longer has what `UNUSED` names: look what became of it."""


def slim(folder: Path, unused: dict[str, str]) -> dict[str, int]:
    """Delete from a package's folder what `unused` names.

    Returns:
        For each pattern the bytes that went.

    Raises:
        MissingError: nothing has such a name.
    """
    freed = {}
    for pattern in unused:
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise MissingError(f"{folder} has no {pattern}: mend deploy/slim.py")
        freed[pattern] = 0
        for path in paths:
            if path.exists():  # else it went with a folder around it
                freed[pattern] += _size(path)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return freed


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def main(packages: Path, *names: str) -> None:
    """Slim the packages `names`, and print what went."""
    for name in names:
        for pattern, size in slim(packages / name, UNUSED[name]).items():
            print(f"{size / 1e6:6.1f} MB  {name}/{pattern}: {UNUSED[name][pattern]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
