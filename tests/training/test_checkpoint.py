"""Checkpoints: everything comes back, and a half-written file never takes the old one's place."""

import keras
import numpy as np
import pytest

from training import checkpoint
from training.errors import TrainingError
from training.run_dir import CHECKPOINT


def make_variables(value: float) -> list[keras.Variable]:
    return [keras.Variable(np.full((2, 3), value, np.float32)), keras.Variable(np.int32(value))]


def test_round_trip(tmp_path):
    checkpoint.save(tmp_path, make_variables(7), {"history": [{"epoch": 1}]})
    variables = make_variables(0)
    assert checkpoint.load(tmp_path, variables) == {"history": [{"epoch": 1}]}
    np.testing.assert_array_equal(variables[0], np.full((2, 3), 7))
    assert int(variables[1]) == 7


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, make_variables(1), {"epoch": 1})

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, make_variables(2), {"epoch": 2})
    assert checkpoint.load(tmp_path, make_variables(0)) == {"epoch": 1}


def test_what_cannot_be_resumed_from(tmp_path):
    with pytest.raises(TrainingError, match="nothing to resume"):
        checkpoint.load(tmp_path, make_variables(0))
    checkpoint.save(tmp_path, make_variables(1), {})
    with pytest.raises(TrainingError, match="another network"):
        checkpoint.load(tmp_path, make_variables(0)[::-1])
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="damaged"):
        checkpoint.load(tmp_path, make_variables(0))
