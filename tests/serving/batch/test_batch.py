"""`python -m serving.batch`: the table, its errors, its exit codes, stopped and in processes."""

import csv
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.predictor import Predictor
from serving.batch.__main__ import main
from serving.batch.inputs import KEY
from tests.conftest import save_tiny_model
from tests.support.drawings import DRAWINGS
from tests.support.running import ROOT


@pytest.fixture(autouse=True)
def _sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def table(tmp_path, tiny_model):
    """Run the command on an input and flags; gives its exit code and its rows."""

    def run(path, *flags, model=tiny_model, processes=1):
        output = tmp_path / "out.csv"
        arguments = [path, "--output", output, "--model", model, "--processes", processes, *flags]
        code = main([str(argument) for argument in arguments])
        assert not (tmp_path / "out.csv.part").exists()
        with output.open(encoding="utf-8", newline="") as file:
            return code, list(csv.DictReader(file))

    return run


@pytest.fixture
def drawings() -> np.ndarray:
    """(4, 60, 60), black on white."""
    return np.stack([255 - render(strokes, 60) for strokes in DRAWINGS.values()]).astype(np.uint8)


def save(path, images):
    np.savez(path, **{KEY: images})
    return path


def probabilities_of(row):
    return [float(row[f"p{digit}"]) for digit in range(signature.DIGITS)]


def assert_read(rows, prepared, model):
    expected = Predictor(model).run(np.stack(prepared))[signature.PROBABILITIES]
    np.testing.assert_allclose([probabilities_of(row) for row in rows], expected, rtol=1e-6)
    assert [int(row["digit"]) for row in rows] == expected.argmax(axis=1).tolist()
    for row in rows:
        assert float(row["confidence"]) == max(probabilities_of(row))
        assert (row["rejected"], row["reason"], row["error"]) == ("false", "", "")


# What is read, and how


def test_archives_and_pictures_are_prepared_as_in_the_app(table, tmp_path, drawings, tiny_model):
    code, expected = table(save(tmp_path / "d.npz", drawings))
    assert code == 0
    digits = [f"p{digit}" for digit in range(10)]
    head = [
        "source",
        "index",
        "digit",
        "confidence",
        "score",
        *digits,
        "rejected",
        "reason",
        "error",
    ]
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == ",".join(head)
    named = [(row["source"], row["index"]) for row in expected]
    assert named == [("d.npz", str(i)) for i in range(4)]
    assert_read(expected, [preprocess(drawing).image for drawing in drawings], tiny_model)
    for i, drawing in enumerate(drawings):
        (tmp_path / f"in/{i}").mkdir(parents=True)
        Image.fromarray(drawing).save(tmp_path / f"in/{i}/d.png")
    code, rows = table(tmp_path / "in")
    assert code == 0
    assert [row["source"] for row in rows] == [f"{i}/d.png" for i in range(4)]
    assert [probabilities_of(row) for row in rows] == [probabilities_of(row) for row in expected]
    _, [row] = table(tmp_path / "in/2/d.png")
    assert row == rows[2] | {"source": "d.png"}


def test_raw_pictures(table, tmp_path, tiny_model):
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in/a.png")
    Image.fromarray(image).convert("RGB").save(tmp_path / "in/b.png")
    Image.fromarray(image).convert("RGBA").save(tmp_path / "in/c.png")
    Image.new("L", (20, 30)).save(tmp_path / "in/d.png")
    code, rows = table(tmp_path / "in", "--raw")
    assert code == 1
    assert_read(rows[:2], [image, image], tiny_model)
    assert "no transparency" in rows[2]["error"]
    assert "28 x 28 pixels, not 20 x 30" in rows[3]["error"]


def test_each_verdict(table, tmp_path, doubting_model):
    images = np.zeros((4, 28, 28), np.uint8)
    for image, rows in zip(images, (0, 2, 4, 20), strict=True):
        image[4 : 4 + rows] = 255
    code, rows = table(save(tmp_path / "d.npz", images), "--raw", model=doubting_model)
    assert code == 0
    reasons = ["no ink", "not sure: 4 or 9", "", "not a digit"]
    assert [row["reason"] for row in rows] == reasons
    assert [row["rejected"] for row in rows] == ["true", "true", "false", "true"]
    assert [row["digit"] for row in rows] == ["", "4", "7", "7"]
    assert {rows[0][name] for name in ("confidence", "p0", "p9", "error")} == {""}


def test_several_digits_in_a_picture_are_told_but_raw_ones_are_not_counted(table, tmp_path):
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 3:11, 10:18] = images[0, 17:25, 10:18] = 255
    archive = save(tmp_path / "d.npz", images)
    assert [row["reason"] for row in table(archive)[1]] == ["more than one digit"]
    assert [row["reason"] for row in table(archive, "--raw")[1]] == [""]


def test_a_bad_file_has_its_error_and_the_others_their_answers(table, tmp_path, drawings, capsys):
    (tmp_path / "in").mkdir()
    for name, drawing in zip("ace", drawings, strict=False):
        Image.fromarray(drawing).save(tmp_path / f"in/{name}.png")
    (tmp_path / "in/b.png").write_bytes(b"not a picture")
    whole = (tmp_path / "in/a.png").read_bytes()
    (tmp_path / "in/d.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in/f.png").write_bytes(b"")
    (tmp_path / "in/g.txt").write_text("other")
    code, rows = table(tmp_path / "in")
    assert code == 1
    failed = [bool(row["error"]) for row in rows]
    assert failed == [False, True, False, True, False, True]
    for row in rows:
        filled = {name for name, value in row.items() if value}
        if row["error"]:
            assert filled == {"source", "index", "error"}
        else:
            assert row["digit"]
    [summary] = capsys.readouterr().err.splitlines()
    assert "6 images, 0 rejected, 3 with an error; 1 other files skipped" in summary


def test_names_that_csv_must_quote(table, tmp_path, drawings):
    names = sorted(['a,"b".png', "line\nbreak.png", "sieben ⑦.png"])
    (tmp_path / "in").mkdir()
    for name in names:
        Image.fromarray(drawings[0]).save(tmp_path / "in" / name)
    odd = os.fsencode(tmp_path / "in") + b"/z\xff.png"
    Path(os.fsdecode(odd)).write_bytes((tmp_path / "in" / names[0]).read_bytes())
    code, rows = table(tmp_path / "in")
    assert code == 0
    assert [row["source"] for row in rows] == [*names, r"z\udcff.png"]


def test_batch_and_processes_change_nothing(table, tmp_path, tiny_model):
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    path = save(tmp_path / "d.npz", images)
    table(path, "--raw", "--batch", 4)
    expected = (tmp_path / "out.csv").read_bytes()
    code, rows = table(path, "--raw", "--batch", 4, processes=3)
    assert code == 0
    assert (tmp_path / "out.csv").read_bytes() == expected
    _, whole = table(path, "--raw")
    assert_read(whole, images, tiny_model)
    assert [row["index"] for row in whole] == [row["index"] for row in rows]


# What cannot be done


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none", "--output", "out.csv"], "no file or folder none"),
        (["empty", "--output", "out.csv"], "no pictures"),
        (["d.npz", "--output", "out.csv", "--raw"], "without --raw"),
        (["d.npz", "--output", "none/out.csv"], "cannot write"),
        (["d.npz", "--output", "empty"], "it is a folder"),
        (["d.npz", "--output", "d.npz"], "overwrite the input"),
        (["d.npz", "--output", "d.parquet"], "the table is CSV"),
        (["d.npz", "--output", "out.csv", "--model", "none.onnx"], "no model at none.onnx"),
        (["d.npz", "--output", "out.csv", "--processes", "0"], "--processes"),
        (["d.npz", "--output", "out.csv", "--batch", "many"], "--batch"),
        (["d.npz"], "--output"),
    ],
)
def test_one_line_and_2(tmp_path, monkeypatch, capsys, tiny_model, drawings, flags, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANLINE_MODEL", str(tiny_model))
    Path("empty").mkdir()
    save("d.npz", drawings)
    before = Path("d.npz").read_bytes()
    try:
        code = main(flags)
    except SystemExit as error:
        code = error.code
    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert line.startswith("python -m serving.batch: ")
    assert Path("d.npz").read_bytes() == before
    assert not Path("out.csv").exists()


def test_archive_that_breaks_on_the_way_leaves_the_old_table(tmp_path, capsys, tiny_model):
    path = save(tmp_path / "d.npz", np.full((500, 28, 28), 9, np.uint8))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    output = tmp_path / "out.csv"
    output.write_text("old")
    for processes in ("1", "2"):
        flags = ["--model", str(tiny_model), "--raw", "--processes", processes]
        assert main([str(path), "--output", str(output), *flags]) == 2
        assert "save it anew" in capsys.readouterr().err
        assert output.read_text() == "old"


def test_full_disk_is_one_line_and_2(tmp_path, capsys, tiny_model, drawings):
    path = save(tmp_path / "d.npz", drawings)
    (tmp_path / "out.csv.part").symlink_to("/dev/full")
    assert main([str(path), "--output", str(tmp_path / "out.csv"), "--model", str(tiny_model)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


# As a process


@contextmanager
def started(*flags):
    command = [sys.executable, "-m", "serving.batch", *map(str, flags)]
    streams = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **streams) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # it has ended, and its workers, too
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_rows(process, output):
    """Returns the name under which the table grows, and the worker started last, if any."""
    part = output.with_name(output.name + ".part")
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return part, max(map(int, children), default=None)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_leaves_no_table_and_no_process(tmp_path, tiny_model, number, processes):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    output = tmp_path / "out.csv"
    flags = ["--model", tiny_model, "--raw", "--processes", processes]
    with started(path, "--output", output, *flags) as process:
        part, worker = wait_for_rows(process, output)
        if worker:  # stuck
            os.kill(worker, signal.SIGSTOP)
        process.send_signal(number)
        text = process.stderr.read()  # until the last worker has closed it
        assert process.wait(30) == 130
    assert text == f"python -m serving.batch: stopped; what was read is in {part}\n"
    assert not output.exists()


def test_ctrl_c_is_for_the_parent_alone(tmp_path, tiny_model):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    flags = ["--model", tiny_model, "--raw", "--processes", 2]
    with started(path, "--output", tmp_path / "out.csv", *flags) as process:
        _, worker = wait_for_rows(process, tmp_path / "out.csv")
        status = Path(f"/proc/{worker}/status").read_text()
        [blocked] = [line for line in status.splitlines() if line.startswith("SigBlk")]
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert process.wait(30) == 130
    assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)


def test_dead_worker_is_one_line_and_2(tmp_path, tiny_model):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    flags = ["--model", tiny_model, "--raw", "--processes", 2]
    with started(path, "--output", tmp_path / "out.csv", *flags) as process:
        _, worker = wait_for_rows(process, tmp_path / "out.csv")
        os.kill(worker, signal.SIGKILL)
        text = process.stderr.read()
        assert process.wait(30) == 2
    assert "fewer --processes" in text
    assert text.count("\n") == 1


def test_numpy_finds_one_thread_set_when_it_is_imported():
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy':\n"
        "            print(os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "sys.meta_path.insert(0, Watch())\nimport serving.batch.__main__"
    )
    environ = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )
    assert result.stdout.split() == ["1"]


def test_model_is_taken_from_the_environment(tmp_path, monkeypatch, drawings, capsys):
    model = save_tiny_model(tmp_path / "m.onnx", doubts=True)
    command = [str(save(tmp_path / "d.npz", drawings)), "--output", str(tmp_path / "out.csv")]
    for others in ("", f"{os.pathsep}other.onnx"):
        monkeypatch.setenv("SCANLINE_MODEL", f"{model}{others}")
        assert main(command) == 0
        with (tmp_path / "out.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert_read(rows, [preprocess(drawing).image for drawing in drawings], model)
    capsys.readouterr()
    monkeypatch.setenv("SCANLINE_MODEL", " ")
    with pytest.raises(SystemExit, match="2"):
        main(command)
    assert "SCANLINE_MODEL: a file or folder is needed" in capsys.readouterr().err
