"""The documents: short enough, no link or file that is gone, and what they say about the code."""

import re
from pathlib import Path

import pytest

from docs import generate
from tests.support.running import ROOT

FOLDERS = "model|training|serving|tests|deploy|benchmarks|docs"
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "deploy/README.md", "benchmarks/README.md"]
DOCUMENTS += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 1200


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    path = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_folders_are_there(name):
    text = (ROOT / name).read_text()
    named = set(re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows the files")
@pytest.mark.parametrize("name", generate.PARTS)
def test_what_make_docs_writes_is_current(name):
    assert Path(ROOT / name).read_text() == generate.generated(name), "run `make docs`"
