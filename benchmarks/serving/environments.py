"""An environment of its own for each competitor, made on first use."""

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / ".envs"  # ignored by git
_RUNTIME = ("onnxruntime==1.32.0", "numpy==2.4.6", "orjson==3.13.0")
_UVICORN = ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0")
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "bare": ("fastapi==0.165.0", *_UVICORN, *_RUNTIME),
    "litserve": ("litserve==0.2.19", *_UVICORN, *_RUNTIME),
    # With uvloop 0.23 its worker fails. It does not install httptools, but is faster with it.
    "mlserver": ("mlserver==1.7.1", "uvloop==0.21.0", *_RUNTIME),
    "mlserver-httptools": (
        "mlserver==1.7.1",
        "uvloop==0.21.0",
        "httptools==0.9.0",
        *_RUNTIME,
    ),
    # 1.4.40 wants a certifi that was not to be had; uvloop and httptools are our addition.
    "bentoml": ("bentoml==1.4.39", *_UVICORN, *_RUNTIME),
    "ray": ("ray[serve]==2.60.0", *_UVICORN, *_RUNTIME),
}


class InstallError(Exception):
    """An environment could not be made; the message is the installer's last line."""


def binaries(name: str) -> Path:
    """The folder of an environment's programs; installs it unless that was done before.

    Raises:
        InstallError
    """
    folder = FOLDER / name
    wanted = "\n".join(REQUIREMENTS[name])
    done = folder / "installed.txt"
    if not done.is_file() or done.read_text() != wanted:
        print(f"installing {name}: {', '.join(REQUIREMENTS[name])}", file=sys.stderr)
        _install(folder, REQUIREMENTS[name])
        done.write_text(wanted)
    return folder / "bin"


def _install(folder: Path, requirements: tuple[str, ...]) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}") or shutil.which("uv")
    if uv:  # a tenth of pip's time
        steps = [[uv, "venv", "--clear", "--python", sys.executable, folder]]
        steps.append([uv, "pip", "install", "--python", python, *requirements])
    else:
        steps = [[sys.executable, "-m", "venv", "--clear", folder]]
        steps.append([python, "-m", "pip", "install", *requirements])
    for step in steps:
        result = subprocess.run(step, capture_output=True, text=True)
        if result.returncode:
            raise InstallError(" ".join(result.stderr.split())[-300:] or "no message")
