"""README.md's list of files: it has every file, and no file that is gone."""

import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.support.running import ROOT

# Their own READMEs, docstrings and `make` targets say what is in them: the folder is named.
WHOLE = {"browser", "competitors", "container", "fuzz", "proto", "ray"}

pytestmark = pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()), reason="git knows the files"
)


def listed() -> dict[str, set[str]]:
    """What is named for each folder of the project."""
    text = (ROOT / "README.md").read_text()
    names: dict[str, set[str]] = {}
    folder = ""
    for row in text[text.index("\n## Files\n") : text.index("\n## Licence\n")].splitlines():
        if found := re.match(r"\| \*\*`(\w+)/`\*\*", row):
            folder = found[1]
        names.setdefault(folder, set()).update(re.findall(r"`([\w./-]+)`", row))
    return names


def tracked(*folders: str) -> list[PurePosixPath]:
    command = ["git", "ls-files", "-z", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [PurePosixPath(path) for path in done.stdout.split("\0") if path]


def is_listed(path: PurePosixPath, names: set[str]) -> bool:
    """Whether `path`, within a folder of the project, is in the list, as the list does it."""
    if path.name in names or path.name in ("__init__.py", "README.md"):
        return True
    if path.suffix in (".py", ".js", ".html") and not WHOLE & set(path.parts):
        return False  # a module stands for itself
    return any(f"{folder.name}/" in names for folder in path.parents)


@pytest.mark.parametrize("folder", ["model", "training", "serving", "benchmarks", "tests"])
def test_every_file_is_listed(folder):
    names = listed()[folder]
    files = [path.relative_to(folder) for path in tracked(folder)]
    assert len(files) > 5
    if folder == "tests":  # "one file for each file above, named after it"
        files = [path for path in files if not path.match("test_*.py")]
    assert [str(path) for path in files if not is_listed(path, names)] == []


def test_every_file_of_deploy_is_in_a_folder_that_its_row_names():
    text = (ROOT / "README.md").read_text()
    [row] = [line.lower() for line in text.splitlines() if line.startswith("| **`deploy/`**")]
    for path in tracked("deploy"):
        within = path.relative_to("deploy")
        assert within.name == "README.md" or within.parts[0].partition(".")[0] in row, path


def test_every_listed_file_is_there():
    for folder, names in listed().items():
        known = {path.name for path in Path(ROOT / folder).rglob("*")}
        files = {name for name in names if re.search(r"\.(py|js|html|css|json|png)$", name)}
        assert files <= known, folder
