"""The command that trains a convolutional teacher."""

import json

import keras
import numpy as np
import pytest

from tests.support.digits import save_digits
from training import cnn, mixture, provenance
from training.data import Digits


def test_writes_a_network_and_the_command_that_made_it(tmp_path, monkeypatch, capsys):
    data = save_digits(tmp_path / "mnist.npz", training=10_400, test=20)

    def few(training: Digits, *_) -> list[mixture.Part]:
        return mixture.digits_only(Digits(training.images[:256], training.labels[:256]))

    monkeypatch.setattr(mixture, "everything", few)
    out = tmp_path / "runs" / "cnn.keras"
    arguments = ["--data", str(data), "--out", str(out), "--epochs", "2"]
    assert cnn.main(arguments) == 0
    assert capsys.readouterr().out.count("validation error") == 2
    outputs = keras.saving.load_model(out, compile=False)(np.zeros((3, 28, 28), np.float32))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "logits": (3, 10),
        "score_logits": (3, 1),
    }
    told = json.loads(out.with_suffix(".lineage.json").read_text())
    assert provenance.commands(told) == [f"python -m training.cnn {' '.join(arguments)}"]


@pytest.mark.parametrize(
    ("flags", "backend", "message"),
    [
        (["--data", "none.npz"], None, "none.npz"),
        (["--epochs", "0"], None, "epochs must be above 0"),
        (["--spoiled", "2"], None, "spoiled"),
        ([], "torch", "give --backend tensorflow or jax"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_2(
    flags, backend, message, tmp_path, monkeypatch, capsys
):
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    data = save_digits(tmp_path / "mnist.npz", training=300, test=20)
    assert cnn.main(["--data", str(data), "--out", str(tmp_path / "a.keras"), *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "a.keras").exists()
