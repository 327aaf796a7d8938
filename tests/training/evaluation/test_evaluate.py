"""The command: what it prints and writes, on which digits, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import weights
from model.export import onnx_graph
from tests.support.digits import save_digits
from tests.support.networks import CONFIGS, random_network
from tests.support.running import ROOT
from tests.support.sources import save_characters, save_fonts, save_pens, save_scanned
from training import evaluate
from training.evaluation import figures as evaluation
from training.evaluation import sets
from training.evaluation.corruptions import CORRUPTIONS

PICTURES = ("belief", "calibration", "confusion", "corruptions", "curves", "worst")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(evaluation, "CORRUPTED", 20)
    monkeypatch.setattr(evaluation, "CURVED", 10)
    monkeypatch.setattr(evaluation, "FORMED", 2)
    quick = {name: CORRUPTIONS[name] for name in ("shot_noise", "translate")}
    monkeypatch.setattr(evaluation, "CORRUPTIONS", quick)
    monkeypatch.setattr(sets, "SCRIBBLES", 10)
    monkeypatch.delenv("SCANLINE_DATA", raising=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The sources, and a random network with a score and a card."""
    save_digits(tmp_path / "mnist.npz", training=300, test=70)
    save_pens(tmp_path)
    save_characters(tmp_path)
    save_fonts(tmp_path, "kalam")
    save_scanned(tmp_path)
    model = random_network(CONFIGS["window and score"])
    model.save(tmp_path / "a.keras")
    graph = onnx_graph.build(weights.from_keras(model))
    (tmp_path / "a.onnx").write_bytes(graph.SerializeToString())
    (tmp_path / "card.json").write_text('{"thresholds": {"score": 0.5, "confidence": 0.1}}')
    return tmp_path


def run(folder: Path, *arguments: str, model: str = "a.onnx", out: str = "out") -> dict:
    command = [str(folder / model), "--data", str(folder), "--out", str(folder / out)]
    assert evaluate.main([*command, *arguments]) == 0
    return json.loads((folder / out / evaluate.NAME).read_text())


def test_writes_everything_and_the_same_each_time(folder, capsys):
    figures = run(folder, "--validation", "100")
    printed = capsys.readouterr().out
    assert "MNIST, 100 digits" in printed
    assert "The test set was read" not in printed
    assert figures["split"] == "validation"
    assert figures["left_out"] == []
    assert figures["thresholds"] == {"score": 0.5, "confidence": 0.1}
    for name in PICTURES:
        assert (folder / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    again = run(folder, "--validation", "100", out="again")
    assert again == figures
    from_keras = run(folder, "--validation", "100", model="a.keras")
    assert from_keras["mnist"] == figures["mnist"]
    other = run(folder, "--validation", "100", "--seed", "1")
    assert other["mnist"] == figures["mnist"]
    assert other["corruptions"] != figures["corruptions"]


def test_the_test_set_is_read_only_when_told(folder, capsys):
    path = folder / "mnist.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if "test" not in name}
        everything = dict(file)
    np.savez(path, **arrays)
    run(folder, "--validation", "50")  # without any test digits
    np.savez(path, **everything)
    capsys.readouterr()
    figures = run(folder, "--test")
    assert (figures["split"], figures["mnist"]["count"]) == ("test", 70)
    assert "The test set was read" in capsys.readouterr().out


def test_mnist_alone_works(folder, capsys):
    for name in ("pendigits-orig.tra", "omniglot-small1.zip", "optdigits.tes", "card.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "fonts")
    figures = run(folder, "--validation", "50")
    assert len(figures["left_out"]) == 5
    assert figures["left_out"][0] in capsys.readouterr().out
    assert "pens" not in figures


@pytest.mark.parametrize(
    ("name", "content", "arguments", "message"),
    [
        ("mnist.npz", None, [], "no data at"),
        ("mnist.npz", b"nonsense", [], "not a readable .npz"),
        ("pendigits-orig.tra", b"nonsense", [], "no .SEGMENT"),
        ("omniglot-small1.zip", b"nonsense", [], "cannot be read"),
        ("card.json", b"nonsense", [], "card.json"),
        ("card.json", b'{"thresholds": {"score": true}}', [], "card.json: thresholds: score"),
        ("a.onnx", None, [], "no model at"),
        ("a.onnx", b"nonsense", [], "not a readable ONNX"),
        ("a.keras", b"nonsense", ["a.keras"], "not a .keras file"),
        ("a.txt", b"nonsense", ["a.txt"], "neither a .keras nor an .onnx file"),
        ("x", None, ["a.onnx", "--validation", "1000"], "smaller --validation"),
        ("x", None, ["a.onnx", "--validation", "0"], "smaller --validation"),
        ("out", b"in the way", [], "cannot write"),
    ],
)
def test_bad_files_are_one_line_and_2(
    folder, capfd, monkeypatch, name, content, arguments, message
):
    monkeypatch.chdir(folder)
    if content is None:
        (folder / name).unlink(missing_ok=True)
    else:
        (folder / name).write_bytes(content)
    command = [*(arguments or ["a.onnx", "--validation", "50"]), "--data", ".", "--out", "out"]
    assert evaluate.main(command) == 2
    printed = capfd.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.onnx", "--test", "--validation", "5"], ["a.onnx", "--seed", "-1"], ["a.onnx", "--x"]],
)
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(arguments)
    assert stop.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_command_keeps_blas_to_one_thread():
    code = (
        "import os, sys; from training import evaluate; assert 'numpy' not in sys.modules;"
        "print(evaluate.main(['none.onnx']), os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.stdout.split() == ["2", "1"]
