"""A run on two devices, of one process and of two, is the run on one device."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import weights
from tests.support.digits import save_digits
from tests.support.running import ROOT

TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
SMALL = ["--preset", "bidirectional", "--validation", "100", "--epochs", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return save_digits(tmp_path_factory.mktemp("data") / "mnist.npz", test=80)


def start(*arguments: str | Path, batch: int = 50, backend: str = "jax", **variables: str):
    command = [sys.executable, "-m", "training", *SMALL, "--batch-size", str(batch)]
    return subprocess.Popen(
        [*command, "--backend", backend, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | variables,
    )


def finish(process: subprocess.Popen, code: int = 0) -> str:
    with process:
        printed = process.communicate(timeout=240)[0]
    assert process.returncode == code, printed
    assert "Traceback" not in printed
    return printed


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(start("--data", data, "--out", out))
    return out


def assert_same(out: Path, alone: Path) -> None:
    rows, expected = (json.loads((o / "metrics.json").read_text())["history"] for o in (out, alone))
    assert len(rows) == len(expected) == 2
    for name in ("loss", "gradient_norm", "validation_loss", "validation_error_percent"):
        values = [[row[name] for row in history] for history in (rows, expected)]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-6, err_msg=name)
    first, second = (weights.load(o / "best.keras").layers[0].forward for o in (out, alone))
    np.testing.assert_allclose(first.kernel, second.kernel, atol=1e-4)


def test_two_devices_give_what_one_gives(data, alone, tmp_path):
    out = tmp_path / "run"
    printed = finish(start("--distribute", "--data", data, "--out", out, **TWO_DEVICES))
    assert "dealt out to 2 devices" in printed
    assert_same(out, alone)


def test_two_processes_give_what_one_gives_and_one_writes(data, alone, tmp_path):
    out = tmp_path / "run"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hosts = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    options = "--distribute", "--data", data, "--out", out
    processes = [start(*options, KERAS_DISTRIBUTION_PROCESS_ID=i, **hosts) for i in "01"]
    printed = [finish(process) for process in processes]
    assert ["epoch   2/2" in text for text in printed] == [True, False]
    assert_same(out, alone)


def test_each_device_holds_its_part_of_the_batch():
    code = """
import jax, numpy as np
from training import distribute
distribution = distribute.start()
batch = np.arange(12.0).reshape(6, 2)
shared = distribute.share(distribution, batch)
parts = {shard.device.id: np.asarray(shard.data).tolist() for shard in shared.addressable_shards}
assert parts == {0: batch[:3].tolist(), 1: batch[3:].tolist()}, parts
"""
    environment = os.environ | TWO_DEVICES | {"KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"backend": "tensorflow"}, "give --backend jax"),
        ({"batch": 25} | TWO_DEVICES, "that is a multiple of 2"),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": "127.0.0.1:1"}, "_NUM_PROCESSES"),
    ],
)
def test_clear_lines_for_what_cannot_be(options, line, data, tmp_path):
    arguments = "--distribute", "--data", data, "--out", tmp_path / "run"
    last = finish(start(*arguments, **options), code=2).splitlines()[-1]
    assert last.startswith("error: ")
    assert line in last


def test_one_device_is_no_error(data, tmp_path):
    out = tmp_path / "run"
    printed = finish(start("--distribute", "--data", data, "--out", out, "--no-augment"))
    assert "note: --distribute found one device only" in printed
