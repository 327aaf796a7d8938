"""The released network is what its card says, and a run can be released."""

import hashlib
import json
from pathlib import Path

import pytest

from model import export, reference, weights
from serving.predictor import RELEASE, Predictor
from tests.digits import save_digits
from tests.networks import random_images
from training import card, release
from training.config import TrainingConfig
from training.errors import TrainingError

CARD = json.loads((RELEASE / "card.json").read_text())


def test_files_are_those_of_the_card():
    assert set(CARD["sha256"]) == {"scanline.keras", "scanline.onnx"}
    for name, expected in CARD["sha256"].items():
        assert hashlib.sha256((RELEASE / name).read_bytes()).hexdigest() == expected
    assert sum(path.stat().st_size for path in RELEASE.iterdir()) < 8_000_000


def test_onnx_equals_the_reference():
    predictor = Predictor(RELEASE / "scanline.onnx")
    network = weights.load(RELEASE / "scanline.keras")
    for seed in range(8):
        images = random_images(256, seed)
        export.verify(reference.forward(network, images), predictor.run(images), "the release")
    assert predictor.metadata["version"] == CARD["version"]


def test_card_meets_the_bar():
    assert CARD["test"]["count"] == 10_000
    assert CARD["test"]["error_percent"] <= 1.5
    low, high = CARD["test"]["interval_95_percent"]
    assert low < CARD["test"]["error_percent"] < high
    assert CARD["parameters"] <= 250_000
    assert f"{CARD['test']['error_percent']:.2f} %" in (RELEASE / "README.md").read_text()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    from training import train

    folder = tmp_path_factory.mktemp("run")
    path = save_digits(folder / "mnist.npz")
    config = TrainingConfig("elman", epochs=1, validation=100)
    train.run(config, path, folder / "run", command="python -m training")
    return folder / "run"


def test_a_run_becomes_a_release(run_folder, tmp_path, capsys):
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 0
    assert "released into" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["README.md", "card.json", "scanline.keras", "scanline.onnx"]
    content = json.loads((tmp_path / "new" / card.NAME).read_text())
    predictor = Predictor(tmp_path / "new" / "scanline.onnx")
    assert predictor.metadata["preset"] == content["preset"] == "elman"
    assert json.loads(predictor.metadata["test"]) == content["test"]


def test_a_refused_export_leaves_the_old_release_as_it_was(run_folder, tmp_path, monkeypatch):
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    assert release.main([str(run_folder), "--to", str(tmp_path / "new")]) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == before


def test_an_unfinished_run_is_refused(tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(TrainingError, match="not finished"):
        release.release(tmp_path, tmp_path / "new", data=None)
    assert not (tmp_path / "new").exists()
