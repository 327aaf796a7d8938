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


def test_flags():
    assert parse("--clipnorm", "0.5").clipnorm == 0.5
    textbook = parse("--global-clipnorm", "5")
    assert (textbook.clipnorm, textbook.global_clipnorm) == (None, 5)
    none = parse("--no-clip")
    assert (none.clipnorm, none.global_clipnorm) == (None, None)
    values = parse("--clipvalue", "0.1")
    assert (values.clipnorm, values.clipvalue) == (None, 0.1)
    assert parse("--optimizer", "sgd").optimizer == "sgd"
    pieces = parse("--preset", "elman", "--truncate", "7", "--reset", "--input-gain", "3")
    assert (pieces.truncate, pieces.reset, pieces.input_gain) == (7, True, 3)
    assert (pieces.step_loss, pieces.belief_loss) == (0, 0)
    assert parse("--truncate", "7").step_loss == 0.5
    assert parse("--precision", "bfloat16").precision == "bfloat16"


def test_values_out_of_range_are_named(capsys):
    with pytest.raises(SystemExit):
        parse("--clipnorm", "1", "--global-clipnorm", "1")
    assert "not allowed with" in capsys.readouterr().err
    for values, message in (
        ({"epochs": 0}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"clipnorm": 0}, "clipnorm"),
        ({"clipnorm": 1, "global_clipnorm": 1}, "exclude each other"),
        ({"clipvalue": 1, "global_clipnorm": 1}, "exclude each other"),
        ({"clipvalue": -1}, "clipvalue"),
        ({"truncate": 0}, "truncate"),
        ({"input_gain": 0}, "input_gain"),
        ({"preset": "elman", "reset": True}, "--truncate 7"),
        ({"preset": "elman", "reset": True, "truncate": 28}, "below 28"),
        ({"input_gain": float("inf")}, "finite"),
        ({"input_gain": 3, "start": "a.keras"}, "fresh weights"),
        ({"preset": "bidirectional", "reset": True, "truncate": 7}, "one downward reader"),
        ({"preset": "stacked", "reset": True, "truncate": 7}, "one downward reader"),
        ({"preset": "elman", "reset": True, "truncate": 7}, "last step alone"),
        ({"ema": 1}, "ema"),
        ({"seed": -1}, "seed"),
        ({"optimizer": "adam"}, "optimizer must be adamw or sgd"),
        ({"precision": "float16"}, "float32 or bfloat16"),
        ({"mix": True, "spoiled": 0.75}, "at most"),
        ({"teacher": ("",)}, "teacher need"),
    ):
        with pytest.raises(TrainingError, match=message):
            TrainingConfig(**values)


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


def test_a_teacher_of_an_older_run_is_one_of_several():
    assert TrainingConfig.from_json({"teacher": "a.keras"}).teacher == ("a.keras",)
    assert TrainingConfig.from_json({"teacher": None}).teacher == ()
    assert TrainingConfig.from_json({"teacher": ["a", "b"]}).teacher == ("a", "b")
