"""Whole runs of the command on both backends, on a small data set made here."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from model import weights
from model.weights import load_keras
from tests.support.digits import save_digits
from tests.support.running import ROOT

SMALL = ["--preset", "bidirectional", "--validation", "100", "--batch-size", "50"]
NOT_TIMED = ("seconds", "images_per_second")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    # The test set differs in size from the validation digits: neither can pass for the other.
    return save_digits(tmp_path_factory.mktemp("data") / "mnist.npz", test=80)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "training", *map(str, arguments)]


def train(*arguments: str | Path, backend: str = "jax", code: int = 0) -> str:
    """Run the command, on the backend that starts sooner; returns what it printed."""
    result = subprocess.run(
        command(*arguments, "--backend", backend),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def history(out: Path) -> list[dict]:
    rows = json.loads((out / "metrics.json").read_text())["history"]
    return [{k: v for k, v in row.items() if k not in NOT_TIMED} for row in rows]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_run_learns_and_writes_everything(backend, data, tmp_path):
    out = tmp_path / "run"
    printed = train(*SMALL, "--data", data, "--out", out, "--epochs", "12", backend=backend)
    assert f"{backend} " in printed.splitlines()[0]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"]["error_percent"] <= 5, metrics["test"]
    assert (metrics["test"]["count"], metrics["validation"]["count"]) == (80, 100)
    rates = [row["learning_rate"] for row in metrics["history"]]
    assert rates[0] == max(rates) == pytest.approx(1.5e-3, rel=0.02)
    assert rates[-1] < 0.02 * max(rates)
    for name in ("learning_curves", "gradient_norm", "confusion"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with (out / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(i) for i in range(1, 13)]
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))
    card = json.loads((out / "card.json").read_text())
    assert card["preset"] == "bidirectional"
    assert card["parameters"] == 42_772
    assert card["test"] == metrics["test"]
    assert card["training_data"].startswith("500 digits that are not the usual part of MNIST")
    assert set(card["thresholds"]) == {"confidence"}
    assert weights.load(out / "best.keras").bidirectional


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_one_seed_gives_one_result_and_a_killed_run_goes_on_exactly(backend, data, tmp_path):
    options = [*SMALL, "--data", data, "--epochs", "4"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(*options, "--out", whole, backend=backend)

    process = subprocess.Popen(
        command(*options, "--out", killed, "--backend", backend),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 200
    while not (killed / "checkpoint.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL, "the run ended before it was killed"
    assert not (killed / "metrics.json").exists()

    train("--resume", "--out", killed, backend=backend)  # it knows where its data is
    assert history(killed) == history(whole)
    first, second = (weights.load(out / "best.keras") for out in (whole, killed))
    np.testing.assert_array_equal(first.layers[0].forward.kernel, second.layers[0].forward.kernel)
    assert len(history(killed)) == 4


def test_bfloat16_saves_a_plain_network_and_a_lone_reader_is_not_told_twice(data, tmp_path):
    out = tmp_path / "run"
    options = ["--preset", "elman", "--validation", "100", "--data", data, "--epochs", "1"]
    printed = train(*options, "--precision", "bfloat16", "--out", out)
    assert "validation error" in printed
    assert "downward reader" not in printed
    assert "0.6 x that of every step's answer\n" in printed
    network = load_keras(out / "best.keras")
    recurrent = network.get_layer("rnn_1")
    assert type(recurrent) is keras.layers.SimpleRNN
    assert recurrent.dtype_policy.name == "float32"
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    settings = json.loads((out / "config.json").read_text())
    assert settings["training"]["precision"] == "bfloat16"


def test_jax_trains_without_tensorflow(data, tmp_path):
    """All installed packages but TensorFlow's are linked into a folder of their own."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(np.__file__).parent.parent.iterdir():
        if not path.name.startswith("tensorflow"):
            (packages / path.name).symlink_to(path)
    arguments = [*SMALL, "--data", data, "--out", tmp_path / "run", "--epochs", "1"]
    result = subprocess.run(
        [sys.executable, "-S", *command(*arguments)[1:]],  # -S: no other packages
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(packages)},
    )
    assert result.returncode == 0, result.stderr


def test_a_resumed_run_keeps_command_and_data(data, tmp_path):
    out = tmp_path / "run"
    train(*SMALL, "--data", data, "--out", out, "--epochs", "1")
    (out / "metrics.json").unlink()  # as if it was killed while it finished
    before = json.loads((out / "config.json").read_text())
    other = save_digits(tmp_path / "other.npz", training=700)
    assert "give the same --data" in train("--resume", "--data", other, "--out", out, code=2)
    train("--resume", "--out", out)
    after = json.loads((out / "config.json").read_text())
    assert len(after.pop("resumed")) == 1
    assert after == before
    assert json.loads((out / "card.json").read_text())["command"] == before["command"]
    (out / "metrics.json").unlink()
    (out / "config.json").write_text("{}")
    assert "is damaged" in train("--resume", "--out", out, code=2)


def test_clear_lines_for_what_cannot_be(data, tmp_path):
    out = ["--out", tmp_path / "run"]
    assert "give --data" in train(*SMALL, "--data", tmp_path / "none.npz", *out, code=2)
    assert "smaller --validation" in train("--data", data, *out, code=2)
    no_backend = os.environ | {"KERAS_BACKEND": "torch"}
    result = subprocess.run(
        command("--data", data, *out), cwd=ROOT, capture_output=True, text=True, env=no_backend
    )
    assert "give --backend tensorflow or jax" in result.stderr
    assert "Traceback" not in result.stderr
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    used = train(*SMALL, "--data", data, "--out", tmp_path / "used", code=2)
    assert "exists: give another --out, or --resume" in used
    assert (tmp_path / "used" / "notes.txt").read_text() == "mine"
    assert "nothing to resume" in train("--resume", *out, code=2)


def test_a_run_stopped_in_its_first_epoch_can_be_resumed_or_started_again(data, tmp_path):
    options = [*SMALL, "--data", data, "--epochs", "1"]
    for again in (["--resume"], options):
        out = tmp_path / f"run-{len(again)}"
        process = subprocess.Popen(
            command(*options, "--out", out, "--backend", "jax"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 100
        while not (out / "config.json").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        process.wait(10)
        assert not (out / "checkpoint.npz").exists()
        train(*again, "--out", out)
        assert len(history(out)) == 1
    assert "is a finished run" in train("--resume", "--out", out, code=2)


def test_a_full_disk_ends_in_one_line(data, tmp_path):
    """A limit on the size of files stands in for the disk: the system refuses the write."""
    arguments = [*SMALL, "--data", str(data), "--out", str(tmp_path / "run"), "--epochs", "1"]
    code = (
        "import resource, sys; from training.__main__ import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        f"sys.exit(main({arguments!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: cannot write")
    assert "Traceback" not in result.stderr


def test_a_run_starts_from_another_and_is_held_to_its_teacher(data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    options = ["--epochs", "1", "--validation", "50", "--data", data]
    train("--preset", "bidirectional", *options, "--out", first)
    teacher = first / "best.keras"
    grown = ["--preset", "bidirectional", "--teacher", teacher, *options, "--out", second]
    train(*grown)
    card = json.loads((second / "card.json").read_text())
    assert len(card["commands"]) == 2
    assert card["commands"][0] == json.loads((first / "card.json").read_text())["command"]

    # As if stopped before its end; meanwhile the teacher has changed.
    (second / "metrics.json").unlink()
    with teacher.open("ab") as file:
        file.write(b"x")
    assert "has changed since the run began" in train("--resume", "--out", second, code=2)
    (first / "config.json").write_text("{")
    other = tmp_path / "other"
    assert "config.json cannot be read" in train(*grown[:-1], other, code=2)
    (first / "config.json").unlink()
    unlike = ["--preset", "elman", "--start", teacher, *grown[4:-1], other]
    assert "another shape" in train(*unlike, code=2)
