"""The commands that a network comes from, in order."""

import json
from pathlib import Path

import pytest

from training import provenance
from training.errors import TrainingError
from training.run_dir import CONFIG


def run(folder: Path, command: str, **training) -> dict:
    folder.mkdir()
    settings = {"command": command, "training": training}
    (folder / CONFIG).write_text(json.dumps(settings))
    return settings


def test_ancestors_come_first_and_once(tmp_path):
    specialist = tmp_path / "specialist" / "best.keras"
    run(specialist.parent, "train specialist")
    for name in ("a", "b"):
        run(tmp_path / name, f"train {name}", teacher=[str(specialist)])
    soup = tmp_path / "soup.keras"
    provenance.note(soup, [tmp_path / name / "best.keras" for name in ("a", "b")], "average a b")
    last = run(tmp_path / "last", "train last", start=str(soup), teacher=[str(specialist)])
    assert provenance.commands(last) == [
        "train specialist",
        "train a",
        "train b",
        "average a b",
        "train last",
    ]


def test_other_networks_bring_what_is_known_of_them(tmp_path):
    assert provenance.commands(run(tmp_path / "a", "train a", teacher=None)) == ["train a"]
    settings = {"command": "train", "training": {"start": str(tmp_path / "gone.keras")}}
    assert provenance.commands(settings) == ["train"]
    (tmp_path / "scanline.card.json").write_text(json.dumps({"commands": ["one", "two"]}))
    settings = {"command": "three", "training": {"teacher": [str(tmp_path / "scanline.keras")]}}
    assert provenance.commands(settings) == ["one", "two", "three"]


def test_no_network_is_its_own_ancestor(tmp_path):
    soup = tmp_path / "soup.keras"
    provenance.note(soup, [soup], "average")
    assert provenance.commands({"command": "train", "averaged": [str(soup)]}) == [
        "average",
        "train",
    ]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_note_is_told(tmp_path, text):
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(TrainingError, match=r"config\.json"):
        provenance.commands({"training": {"start": str(tmp_path / "best.keras")}})
