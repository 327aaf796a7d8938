"""The image holds all that the server imports, without an engine to build it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from deploy.slim import UNUSED, MissingError, slim
from tests.support.manifests import OURS, SERVICES
from tests.support.running import ROOT, free_port, port_of, running, serving, url_of


def test_the_copied_files_are_enough_to_start(tmp_path):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = [ROOT / line for line in lines if line.startswith(("model/", "serving/"))]

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder, name) in left_out]

    for name in re.findall(r"^COPY (\w+) /app/", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    files = [path.relative_to(tmp_path) for path in (tmp_path / "serving").rglob("*.py")]
    modules = [".".join(file.with_suffix("").parts) for file in files if "__" not in file.stem]
    assert len(modules) > 20
    program = "import sys, importlib; [importlib.import_module(name) for name in sys.argv[1:]]"
    result = subprocess.run(
        [sys.executable, "-c", program, *modules], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_the_server_leaves_no_file_at_home(tmp_path):
    with running("--no-ui", "--port", "0", HOME=str(tmp_path)) as process:
        content = (ROOT / "tests" / "seven.png").read_bytes()
        assert httpx.post(f"{url_of(process)}/classify", content=content).status_code == 200
    assert list(tmp_path.iterdir()) == []


def pins(file: str) -> dict[str, str]:
    """Of a lock file: each package and its version."""
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_lock_files_agree():
    """The image with the page installs the second on top of the first."""
    api, page, all_ = (pins(f"requirements{part}.txt") for part in ("-api", "-serve", ""))
    assert api.items() < page.items() < all_.items()
    assert "gradio" not in api
    assert not {"tensorflow", "keras", "onnx", "scipy", "matplotlib"} & page.keys()


def health_check() -> list[str]:
    """Of the Dockerfile: the command and its arguments."""
    [command] = re.findall(r"^ +CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return json.loads(command)


def test_the_composed_service_has_the_same_health_check():
    assert SERVICES[OURS]["healthcheck"]["test"] == ["CMD", *health_check()]


def test_the_health_check_follows_the_port_and_no_proxy(tiny_model):
    """It passes where a server is ready, and fails where none is."""
    _, *arguments = health_check()
    nowhere = "http://127.0.0.1:9"
    proxies = {"http_proxy": nowhere, "HTTP_PROXY": nowhere, "ALL_PROXY": nowhere}
    with serving("--model", str(tiny_model)) as process:
        for port, code in ((port_of(process), 0), (free_port(), 1)):
            environ = os.environ | proxies | {"SCANLINE_PORT": str(port)}
            done = subprocess.run([sys.executable, *arguments], env=environ, capture_output=True)
            assert done.returncode == code


def test_a_signal_from_before_the_first_line_is_not_lost():
    """The Dockerfile has it blocked, so that process 1 keeps it until `serving` has a handler."""

    def send_blocked() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.raise_signal(signal.SIGTERM)

    command = [sys.executable, "-m", "serving", "--no-ui", "--port", "0"]
    done = subprocess.run(
        command, cwd=ROOT, preexec_fn=send_blocked, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_slim_deletes_only_what_it_names(tmp_path):
    for name in ("keep/tests.py", "gone/tests/a.py", "gone/tests/more/tests/b.py", "lib.so.1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1234")
    assert slim(tmp_path, {"**/tests": "", "lib.so.*": ""}) == {"**/tests": 8, "lib.so.*": 4}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["tests.py"]
    with pytest.raises(MissingError, match="has no tests"):
        slim(tmp_path, {"tests": ""})


def test_slim_knows_packages_that_are_installed():
    packages = Path(np.__file__).parent.parent
    for name, unused in UNUSED.items():
        assert all(any((packages / name).glob(pattern)) for pattern in unused), name
