"""Several networks: which count, in which order, when they are loaded, and who is refused."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.predictor import RELEASE, ModelError, find
from serving.inference import models
from serving.inference.models import Models, UnknownModelError
from serving.settings import Settings
from tests.conftest import save_tiny_model


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "nets").mkdir()
    for name in ("b", "scanline", "a"):
        save_tiny_model(tmp_path / "nets" / f"{name}.onnx")
    (tmp_path / "nets" / "notes.txt").write_text("no network")
    return tmp_path / "nets"


@pytest.fixture
def loads(monkeypatch):
    """The names of the networks in the order in which they are loaded."""
    names, load = [], models.Predictor
    monkeypatch.setattr(models, "Predictor", lambda path: names.append(path.stem) or load(path))
    return names


def test_a_folder_begins_with_scanline(folder):
    assert list(Models([folder])) == ["scanline", "a", "b"]
    (folder / "scanline.onnx").unlink()
    assert Models([folder]).default.name == "a"


def test_the_first_that_is_given_is_the_default(folder, tiny_model):
    given = Models([folder / "b.onnx", tiny_model, folder])
    assert list(given) == ["b", "tiny", "scanline", "a"]
    assert given.default is given["b"] is given.choose(None) is given.choose("b")
    assert len(given) == 4
    assert {name: predictor.name for name, predictor in given.items()} == {n: n for n in given}


def test_the_release_is_there_when_nothing_is_given():
    released = find(Settings().model)
    assert next(iter(released)) == "scanline"
    assert released.keys() == {path.stem for path in RELEASE.glob("*.onnx")}


def test_a_folders_networks_are_loaded_on_first_use(folder, tiny_model, loads):
    given = Models([folder, tiny_model])
    assert loads == ["scanline", "tiny"]  # the default, and what was named by its file
    assert "a" in given
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(given.__getitem__, ["a"] * 8))) == 1
    assert loads == ["scanline", "tiny", "a"]


def test_a_broken_network_of_a_folder_is_told_when_it_is_wanted(folder):
    (folder / "a.onnx").write_bytes(b"not a network")
    given = Models([folder])
    for _ in range(2):
        with pytest.raises(ModelError, match=r"a\.onnx is not a readable"):
            given.choose("a")
    assert given.choose("b").name == "b"


def test_what_is_named_by_its_file_must_work_at_once(folder):
    (folder / "a.onnx").write_bytes(b"not a network")
    for paths in ([folder, folder / "a.onnx"], [folder / "a.onnx"]):
        with pytest.raises(ModelError, match=r"a\.onnx is not a readable"):
            Models(paths)


def test_cards_are_read_before_their_networks(folder, loads):
    (folder / "a.card.json").write_text(json.dumps({"preset": "elman"}))
    given = Models([folder])
    assert given.cards == {"scanline": {}, "a": {"preset": "elman"}, "b": {}}
    assert loads == ["scanline"]
    (folder / "a.card.json").write_text("{")
    with pytest.raises(ModelError, match=r"a\.card\.json"):
        Models([folder])


def test_an_unknown_name_is_told_with_those_there_are(folder):
    given = Models([folder])
    with pytest.raises(UnknownModelError, match="no model 'c' here: choose one of 'scanline', 'a'"):
        given.choose("c")
    with pytest.raises(UnknownModelError, match="no model ''"):
        given.choose("")
    with pytest.raises(KeyError):
        given["c"]


def test_two_of_one_name_are_refused(folder, tmp_path):
    other = save_tiny_model(tmp_path / "a.onnx")
    for paths in ([folder, other], [other, folder]):
        with pytest.raises(ModelError, match=r"two networks are called 'a': .*; rename one"):
            find(paths)


@pytest.mark.parametrize("paths", [[], ["empty"], ["none.onnx"]])
def test_no_network_at_all_is_refused(tmp_path, paths):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="no model"):
        Models([tmp_path / path for path in paths])
