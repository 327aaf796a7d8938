"""Settings: what excludes what, and the command line."""

import json
from pathlib import Path

import pytest

from training.__main__ import make_config, make_parser
from training.config import DEFAULTS, TrainingConfig
from training.errors import TrainingError


def parse(*arguments: str) -> TrainingConfig:
    return make_config(vars(make_parser().parse_args([*arguments, "--out", "x"])))


def test_defaults():
    assert parse() == DEFAULTS["stacked"]
    assert parse("--preset", "elman") == DEFAULTS["elman"]
    assert parse().clipnorm == 1.0


def test_kinds_of_clipping():
    assert parse("--clipnorm", "0.5").clipnorm == 0.5
    textbook = parse("--global-clipnorm", "5")
    assert (textbook.clipnorm, textbook.global_clipnorm) == (None, 5)
    none = parse("--no-clip")
    assert (none.clipnorm, none.global_clipnorm) == (None, None)


def test_the_optimizer_is_chosen_by_name():
    assert parse("--optimizer", "sgd").optimizer == "sgd"
    with pytest.raises(TrainingError, match="optimizer must be adamw or sgd"):
        TrainingConfig(optimizer="adam")


def test_both_kinds_of_clipping_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--clipnorm", "1", "--global-clipnorm", "1")
    assert "not allowed with" in capsys.readouterr().err
    with pytest.raises(TrainingError, match="exclude each other"):
        TrainingConfig(clipnorm=1, global_clipnorm=1)


@pytest.mark.parametrize(
    "flags",
    [
        ["--epochs", "0"],
        ["--batch-size", "-1"],
        ["--clipnorm", "0"],
        ["--ema", "1"],
        ["--seed", "-1"],
    ],
)
def test_values_out_of_range_are_named(flags):
    with pytest.raises(TrainingError, match=flags[0][2:].replace("-", "_")):
        parse(*flags)


def test_precision():
    assert parse().precision == "float32"
    assert parse("--precision", "bfloat16").precision == "bfloat16"
    with pytest.raises(TrainingError, match="float32 or bfloat16"):
        TrainingConfig(precision="float16")


def test_a_resumed_run_keeps_its_settings(tmp_path: Path):
    stored = TrainingConfig(epochs=7, seed=3)
    earlier = {k: v for k, v in stored.to_json().items() if k != "precision"}  # of older runs
    settings = {"training": earlier, "network": {"units": [8]}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    arguments = {"resume": True, "out": tmp_path}
    assert make_config(arguments) == make_config(arguments | {"distribute": True}) == stored
    with pytest.raises(TrainingError, match="leave out --epochs"):
        make_config(arguments | {"epochs": 9})
    with pytest.raises(TrainingError, match="nothing to resume"):
        make_config({"resume": True, "out": tmp_path / "none"})


def test_spoiled_digits_leave_room_for_the_others():
    assert TrainingConfig(mix=True, spoiled=0.7).spoiled == 0.7
    with pytest.raises(TrainingError, match="at most"):
        TrainingConfig(mix=True, spoiled=0.75)
    with pytest.raises(TrainingError, match="teacher needs"):
        TrainingConfig(teacher="")
