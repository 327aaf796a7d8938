"""The example of a search: it tries settings, and never opens the test set."""

import numpy as np
import pytest

from tests.support.digits import save_digits
from training import search
from training.config import DEFAULTS


def test_it_tries_settings_and_prints_the_best(tmp_path, capsys):
    path = save_digits(tmp_path / "mnist.npz", training=200)
    with np.load(path) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train")}
    np.savez(path, **arrays)  # no test set at all
    options = ["--preset", "elman", "--trials", "2", "--epochs", "1", "--validation", "50"]
    assert search.main(["--data", str(path), *options]) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed.startswith("best validation error ")
    assert "learning_rate" in printed


def test_settings_differ_within_the_bounds():
    study = search.optuna.create_study(sampler=search.optuna.samplers.RandomSampler(0))
    configs = [search.suggest(study.ask(), DEFAULTS["elman"]) for _ in range(5)]
    assert len({config.learning_rate for config in configs}) == 5
    assert all(3e-4 <= config.learning_rate <= 3e-3 for config in configs)


@pytest.mark.parametrize("flags", [["--epochs", "0"], ["--data", "none.npz"]])
def test_wrong_values_are_one_line(flags, capsys):
    assert search.main(flags) == 2
    assert capsys.readouterr().err.startswith("error: ")
