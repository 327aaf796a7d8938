"""The image holds all that the server imports, without an engine to build it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_copied_files_are_enough_to_start(tmp_path):
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    copies = re.findall(r"^COPY (?!--from)(.+) /app/(\S+)$", lines, re.MULTILINE)
    assert len(copies) >= 3
    for sources, target in copies:
        for source in sources.split():
            path = ROOT / source
            if path.is_dir():
                shutil.copytree(path, tmp_path / target, dirs_exist_ok=True)
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, tmp_path / target)
    program = "import serving.__main__, serving.app, serving.batch"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
