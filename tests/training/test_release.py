"""The released network is what its card says, and a run can be released."""

import json
from pathlib import Path

import pytest

from model import cards, reference, weights
from model.export import command as export
from model.export import verify
from model.predictor import RELEASE, Predictor
from tests.support.digits import save_digits
from tests.support.networks import random_images
from training import card, release
from training.config import TrainingConfig
from training.errors import TrainingError

CARDS = {
    path.name.removesuffix(f".{cards.NAME}"): json.loads(path.read_text())
    for path in sorted(RELEASE.glob(f"*.{cards.NAME}"))
}


@pytest.mark.parametrize("name", CARDS)
def test_files_are_those_of_the_card_and_people_read_the_same(name):
    assert CARDS[name]["name"] == name
    hashes = CARDS[name]["sha256"]
    assert set(hashes) == {f"{name}.{suffix}" for suffix in ("keras", "onnx", "npz")}
    for file, expected in hashes.items():
        assert cards.sha256(RELEASE / file) == expected
    assert sum((RELEASE / file).stat().st_size for file in hashes) < 8_000_000
    assert (RELEASE / f"{name}.md").read_text() == card.to_markdown(CARDS[name])
    assert f"{CARDS[name]['test']['error_percent']:.2f} %" in card.to_markdown(CARDS[name])


def test_every_network_has_a_card_and_a_row_in_the_table():
    for suffix in ("keras", "onnx", "npz"):
        assert {path.stem for path in RELEASE.glob(f"*.{suffix}")} == CARDS.keys()
    index = card.to_index([CARDS[name] for name in sorted(CARDS)])
    assert (RELEASE / release.INDEX).read_text() == index


@pytest.mark.parametrize("name", CARDS)
def test_onnx_and_arrays_equal_the_reference(name):
    predictor = Predictor(RELEASE / f"{name}.onnx")
    network = weights.load(RELEASE / f"{name}.keras")
    # Random images carry rounding errors furthest; the default network has room for unlucky ones.
    for seed in range(8 if name == "scanline" else 1):
        images = random_images(256, seed)
        export.verify(reference.forward(network, images), predictor.run(images), "the release")
    export.verify(reference.forward(predictor.weights, images), predictor.run(images), "the arrays")
    assert predictor.metadata["version"] == CARDS[name]["version"]


def test_card_meets_the_bar():
    scanline = CARDS["scanline"]
    assert scanline["test"]["count"] == 10_000
    assert scanline["test"]["error_percent"] <= 1.5
    low, high = scanline["test"]["interval_95_percent"]
    assert low < scanline["test"]["error_percent"] < high
    assert scanline["parameters"] <= 250_000


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    from training import train

    folder = tmp_path_factory.mktemp("run")
    path = save_digits(folder / "mnist.npz")
    config = TrainingConfig("elman", epochs=1, validation=100)
    train.run(config, path, folder / "run", command="python -m training")
    return folder / "run"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files(name: str) -> list[str]:
    return [f"{name}.{suffix}" for suffix in ("card.json", "keras", "md", "npz", "onnx")]


def test_a_run_becomes_a_release_named_after_its_preset(run_folder, tmp_path, capsys):
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 0
    assert "released elman into" in capsys.readouterr().out
    assert names(tmp_path / "new") == ["README.md", *files("elman")]
    content = json.loads((tmp_path / "new" / "elman.card.json").read_text())
    assert content["name"] == content["preset"] == "elman"
    predictor = Predictor(tmp_path / "new" / "elman.onnx")
    assert predictor.weights is not None
    assert predictor.metadata["preset"] == "elman"
    assert json.loads(predictor.metadata["test"]) == content["test"]
    assert "from top to bottom, and says" in (tmp_path / "new" / "elman.md").read_text()


def test_several_stand_side_by_side_with_a_table(run_folder, tmp_path):
    for flags in ([], ["--name", "b-2", "--description", "To compare."], []):
        assert release.main([str(run_folder), "--to", str(tmp_path), *flags]) == 0
    assert names(tmp_path) == ["README.md", *files("b-2"), *files("elman")]
    content = cards.read(tmp_path / "b-2.card.json")
    assert (content["name"], content["preset"]) == ("b-2", "elman")
    assert content["description"] == "To compare."
    predictor = Predictor(tmp_path / "b-2.onnx")
    assert predictor.metadata["name"] == "b-2"
    assert predictor.card == content
    assert (tmp_path / "b-2.md").read_text().startswith("# Model card: b-2, version 1")
    assert "To compare." in (tmp_path / "b-2.md").read_text()
    rows = [line for line in (tmp_path / "README.md").read_text().splitlines() if ".md)" in line]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| [b-2](b-2.md)", "`elman`", f"{content['parameters']:,}"],
        ["| [elman](elman.md)", "`elman`", f"{content['parameters']:,}"],
    ]


def test_unsafe_names_and_damaged_neighbours_are_told_first(run_folder, tmp_path, capsys):
    for name in ("", "../a", "a/b", "A", ".a", "a.b", "readme", "-a", "a" * 65):
        assert release.main([str(run_folder), "--to", str(tmp_path / "new"), f"--name={name}"]) == 2
        assert "--name" in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
    for text in ("{", "{}", '{"name": 3}'):
        (tmp_path / "a.card.json").write_text(text)
        assert release.main([str(run_folder), "--to", str(tmp_path)]) == 2
        assert "a.card.json is damaged" in capsys.readouterr().err
        assert names(tmp_path) == ["a.card.json"]


def test_a_refused_export_leaves_the_old_release_as_it_was(run_folder, tmp_path, monkeypatch):
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    monkeypatch.setattr(verify, "TOLERANCE", 0.0)
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == before


def test_an_unfinished_run_is_refused(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(TrainingError, match="not finished"):
        release.release(tmp_path, tmp_path / "new", data=None)
    assert not (tmp_path / "new").exists()


def test_the_evaluation_is_of_the_released_network():
    evaluation = json.loads((RELEASE / "scanline.evaluation.json").read_text())
    assert evaluation["sha256"] == CARDS["scanline"]["sha256"]["scanline.onnx"]
    assert evaluation["split"] == "test"
