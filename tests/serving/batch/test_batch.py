"""`python -m serving.batch`: the table, its errors, its exit codes, stopped and in processes."""

import csv
import gzip
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from model import signature
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.prediction import prepare
from model.predictor import Predictor
from serving.batch.__main__ import main
from serving.batch.formats import IMAGES
from serving.batch.output import CHUNKS, PARTS
from serving.batch.report import Report
from serving.batch.table import Reader
from tests.conftest import TINY_UNITS, save_tiny_model
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
        inputs = path if isinstance(path, list) else [path]
        arguments = [*inputs, "--output", output, "--model", model, "--processes", processes]
        code = main([str(argument) for argument in (*arguments, "--probabilities", *flags)])
        assert not (tmp_path / "out.csv.parts").exists()
        with output.open(encoding="utf-8", newline="") as file:
            return code, list(csv.DictReader(file))

    return run


@pytest.fixture
def drawings() -> np.ndarray:
    """(4, 60, 60), black on white."""
    return np.stack([255 - render(strokes, 60) for strokes in DRAWINGS.values()]).astype(np.uint8)


def save(path, images):
    np.savez(path, **{IMAGES: images})
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
    assert code == 0
    assert_read(rows[:2], [image, image], tiny_model)
    assert "no transparency" in rows[2]["error"]
    assert "28 x 28 pixels, not uint8 of 20 x 30" in rows[3]["error"]


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
    os.mkfifo(tmp_path / "in/h.png")
    (tmp_path / "in/i.png").symlink_to("nowhere")
    code, rows = table(tmp_path / "in")
    assert code == 0
    failed = [bool(row["error"]) for row in rows]
    assert failed == [False, True, False, True, False, True, True, True]
    for row in rows:
        filled = {name for name, value in row.items() if value}
        if row["error"]:
            assert filled == {"source", "index", "error"}
        else:
            assert row["digit"]
    [summary] = capsys.readouterr().err.splitlines()
    assert "8 images, 0 rejected, 5 with an error; 1 other files skipped" in summary
    assert table(tmp_path / "in", "--strict") == (1, rows)


def test_names_that_csv_must_quote(table, tmp_path, drawings):
    names = sorted(['a,"b".png', "line\nbreak.png", "return\rhere.png", "sieben ⑦.png"])
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
        (["x*.png", "--output", "out.csv"], "no file is called like"),
        (["words.txt", "--output", "out.csv"], "not an image, or a broken one"),
        (["d.npz", "--output", "none/out.csv"], "cannot write"),
        (["d.npz", "--output", "empty"], "end it in .csv"),
        (["d.npz", "--output", "folder.csv"], "it is a folder"),
        (["d.npz", "--output", "shut.csv"], "read-only"),
        (["d.npz", "--output", "/dev/full"], "cannot write /dev/full: No space left on device"),
        (["d.npz", "--output", "-", "--resume"], "cannot --resume into -"),
        (["-", "--output", "out.csv", "--resume"], "read only once"),
        (["d.npz", "--output", "d.npz", "--format", "csv"], "overwrite the input"),
        (["d.npz", "--output", "d.xlsx"], "end it in .csv, .csv.gz, .jsonl"),
        (["d.npz", "--output", "out.csv", "--key", "x"], "no array 'x', only images"),
        (["d.npz", "--output", "out.csv", "--model", "none.onnx"], "no model at none.onnx"),
        (["d.npz", "--output", "out.csv", "--processes", "0"], "--processes"),
        (["d.npz", "--output", "out.csv", "--batch", "many"], "--batch"),
        (["d.npz"], "--output"),
        (["d.npz", "--output", "out.csv", "--report", "r.png"], "--label-column"),
        (["d.npz", "--output", "-", "--label-column", "y", "--report", "r.png"], "is a file"),
        (
            ["d.npz", "--output", "s3://b/o.csv", "--label-column", "y", "--report", "r.png"],
            "is a file",
        ),
        (["-", "--output", "out.csv", "--label-column", "y", "--report", "r.png"], "reads twice"),
        (["d.npz", "--output", "out", "--engine", "ray", "--provider", "cuda"], "leave --provider"),
        (["d.npz", "--output", "out.csv", "--label-column", "y", "--report", "r"], "name a .png"),
        *(
            []
            if "CUDAExecutionProvider" in onnxruntime.get_available_providers()
            else [(["d.npz", "--output", "out.csv", "--provider", "cuda"], "onnxruntime-gpu")]
        ),
    ],
)
def test_one_line_and_2(tmp_path, monkeypatch, capsys, tiny_model, drawings, flags, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANLINE_MODEL", str(tiny_model))
    Path("empty").mkdir()
    Path("folder.csv").mkdir()
    Path("words.txt").write_text("words")
    Path("shut.csv").touch(0o400)
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
    assert not list(Path().glob(f"*{PARTS}"))


def test_archive_that_breaks_on_the_way_has_all_rows_before_and_an_error(table, tmp_path, capsys):
    path = save(tmp_path / "d.npz", np.full((500, 28, 28), 9, np.uint8))
    path.write_bytes(path.read_bytes().replace(b"\x09" * 28, b"\x08" * 28, 1))
    for processes in (1, 2):
        code, rows = table([path, path], "--raw", processes=processes)
        assert code == 1
        assert [(rows[i]["index"], bool(rows[i]["error"])) for i in (0, -1)] == [
            ("0", False),
            (str(len(rows) // 2 - 1), True),
        ]
        assert "save it anew" in rows[-1]["error"]
        assert "2 files ended too early" in capsys.readouterr().err


def test_labels_are_in_the_table_and_counted(table, tmp_path, drawings, capsys):
    np.savez(tmp_path / "d.npz", images=drawings, y=np.zeros(4, int))
    answers = [row["digit"] for row in table(tmp_path / "d.npz")[1]]
    capsys.readouterr()
    for kind in (int, float):  # numbers with gaps are floats
        np.savez(tmp_path / "d.npz", images=drawings, y=[*map(kind, answers[:3]), 10])
        _, rows = table(tmp_path / "d.npz", "--label-column", "y", "--key", "images")
        assert [row["label"] for row in rows] == [*answers[:3], "10"]
        assert "3 of 4 labels met" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "jsonl.gz", "parquet"])
def test_a_report_counts_the_answers_to_each_label_and_shows_the_errors(
    tmp_path, tiny_model, drawings, capsys, ending
):
    images = np.concatenate([drawings, np.zeros_like(drawings[:1])])
    np.savez(tmp_path / "d.npz", images=images, y=["a", "a", "b", "b", "b"])
    flags = "--key", "images", "--label-column", "y", "--report", tmp_path / "report.png"
    output = tmp_path / f"out.{ending}"
    assert run_on(tmp_path / "d.npz", output, *flags, model=tiny_model) == 0
    head, *lines = (line.split() for line in capsys.readouterr().err.splitlines()[:-1])
    assert head == ["label", *"0123456789", "none"]
    counts = {label: [*map(int, row)] for label, *row in lines}
    answers = [answer.digit for answer in Predictor(tiny_model).predict([*map(prepare, drawings)])]
    for label, given in (("a", answers[:2]), ("b", answers[2:])):
        assert counts[label] == [*(given.count(digit) for digit in range(10)), int(label == "b")]
    bare = Image.open(tmp_path / "report.png")
    assert np.asarray(bare).min() == 0

    report = Report(output, ending)
    assert [error[2] for error in sorted(report.worst, key=lambda e: e[2])] == [0, 1, 2, 3]
    assert [error[0] for error in report.worst] == sorted(
        (e[0] for e in report.worst), reverse=True
    )


# Where the table goes


def run_on(path, output, *flags, model):
    arguments = [path, "--output", output, "--model", model, "--processes", 1, *flags]
    return main([str(argument) for argument in arguments])


def test_a_link_is_followed_and_a_file_keeps_its_mode(tmp_path, tiny_model, drawings):
    path = save(tmp_path / "d.npz", drawings)
    real = tmp_path / "real.csv"
    real.touch(0o640)
    if os.geteuid() == 0:
        os.chown(real, 1234, 1234)
    (tmp_path / "link.csv").symlink_to(real)
    assert run_on(path, tmp_path / "link.csv", model=tiny_model) == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert len(real.read_text().splitlines()) == 5
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.stat().st_uid == (1234 if os.geteuid() == 0 else os.geteuid())


def test_pipes_and_standard_output_get_the_rows_and_stay(tmp_path, tiny_model, drawings):
    path = save(tmp_path / "d.npz", drawings)
    assert run_on(path, tmp_path / "out.csv", model=tiny_model) == 0
    expected = (tmp_path / "out.csv").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "serving.batch", path, "--model", tiny_model]
    for output, shell in (
        ("-", "| cat"),
        ("/dev/stdout", "| cat"),
        ("/dev/stdout", ">> $0; cat $0"),
        (pipe, "& cat < $1"),
    ):
        file = tmp_path / "log"
        file.write_bytes(b"")
        words = " ".join(f"'{word}'" for word in [*command, "--output", output])
        shown = subprocess.run(
            ["sh", "-c", f"{words} {shell}", file, pipe], cwd=ROOT, capture_output=True, timeout=60
        )
        assert shown.stdout == expected, (output, shell, shown.stderr)
    assert pipe.is_fifo()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_stays_one(tmp_path, tiny_model, drawings):
    device = tmp_path / "null.csv"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        device.open("wb").close()
    except PermissionError:
        pytest.skip("not in this container")
    assert run_on(save(tmp_path / "d.npz", drawings), device, model=tiny_model) == 0
    assert device.is_char_device()


def test_json_lines_and_gzip_say_the_same(tmp_path, tiny_model, drawings):
    path = save(tmp_path / "d.npz", np.concatenate([drawings, drawings[:1] * 0]))
    flags = ("--step-probabilities", "--hidden-states")
    for ending in ("csv", "csv.gz", "jsonl", "jsonl.gz"):
        assert run_on(path, tmp_path / f"out.{ending}", *flags, model=tiny_model) == 0
    for ending in ("csv", "jsonl"):
        packed = gzip.decompress((tmp_path / f"out.{ending}.gz").read_bytes())
        assert packed == (tmp_path / f"out.{ending}").read_bytes()
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for row, line in zip(rows, lines, strict=True):
        for name, value in line.items():
            assert row[name] == ("" if value is None else row[name])
            if isinstance(value, int | float | bool | list):
                assert json.loads(row[name]) == value
    states = [np.array(lines[0][name]).shape for name in lines[0]]
    assert states[-2:] == [(28, 10), (28, TINY_UNITS)]
    assert (lines[-1]["digit"], lines[-1]["reason"]) == (None, "no ink")


def test_parquet_says_the_same(tmp_path, tiny_model, drawings):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = save(tmp_path / "d.npz", drawings)
    flags = ("--probabilities", "--step-probabilities")
    for ending in ("jsonl", "parquet"):
        assert run_on(path, tmp_path / f"out.{ending}", *flags, model=tiny_model) == 0
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for row, line in zip(rows, lines, strict=True):
        assert row.keys() == line.keys()
        for name, value in row.items():
            if isinstance(value, float | list):
                np.testing.assert_allclose(value, line[name], rtol=1e-6)
            else:
                assert value == line[name]


# Stopped, and gone on with


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_killed_runs_go_on_to_the_same_bytes(tmp_path, tiny_model, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = save(tmp_path / "d.npz", RANDOM.integers(0, 256, (6_000, 28, 28), np.uint8))
    flags = ["--model", tiny_model, "--raw", "--batch", 8]
    whole, output = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    assert run_on(path, whole, *flags[2:], model=tiny_model) == 0
    parts = output.with_name(output.name + PARTS)
    for kills in range(3):
        with started(path, "--output", output, *flags, "--processes", 2, "--resume") as process:
            before = len(list(parts.glob("[0-9]*"))) if kills else 0
            while len(list(parts.glob("[0-9]*"))) < before + 3 and not output.exists():
                assert process.poll() in (None, 0)
                time.sleep(0.01)
            workers = children_of(process)
            process.kill()
            process.wait(30)
            deadline = time.monotonic() + 30
            while any(map(is_alive, workers)):
                assert time.monotonic() < deadline
    assert main([*map(str, [path, "--output", output, *flags, "--resume"])]) == 0
    assert output.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_full_disk_is_one_line_and_2_and_loses_nothing(tmp_path, tiny_model):
    path = save(tmp_path / "d.npz", RANDOM.integers(0, 256, (1_000, 28, 28), np.uint8))
    output, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    flags = ["--raw", "--batch", 4]
    assert run_on(path, whole, *flags, model=tiny_model) == 0
    most = whole.stat().st_size // 2  # bytes in a file, which stands for the disk's end

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    command = [sys.executable, "-B", "-m", "serving.batch", path, "--output", output]
    command += ["--model", tiny_model, *flags]
    shown = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, preexec_fn=limit
    )
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].endswith("make room, then go on with --resume")
    assert shown.stderr.count("\n") == 1
    assert not output.exists()
    assert run_on(path, output, *flags, "--resume", model=tiny_model) == 0
    assert output.read_bytes() == whole.read_bytes()


def test_resume_refuses_what_has_changed_and_a_new_start_what_is_there(
    tmp_path, capsys, tiny_model, doubting_model
):
    path = save(tmp_path / "d.npz", np.ones((300, 28, 28), np.uint8))
    output = tmp_path / "out.csv"
    flags = ["--raw", "--batch", "4"]

    def stop(*_):
        raise KeyboardInterrupt

    reads = Reader.read
    with pytest.MonkeyPatch.context() as patch:
        calls = iter(range(3 * CHUNKS))
        patch.setattr(Reader, "read", lambda *a: reads(*a) if next(calls, None) else stop())
        next(calls)
        assert run_on(path, output, *flags, model=tiny_model) == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
    for change, message in (
        (flags, "go on with --resume, or delete it"),
        ([*flags, "--resume", "--probabilities"], "--probabilities changed"),
        (["--raw", "--resume"], "--batch changed"),
    ):
        assert run_on(path, output, *change, model=tiny_model) == 2
        assert message in capsys.readouterr().err
    assert run_on(path, output, *flags, "--resume", model=doubting_model) == 2
    assert "the network and its card changed" in capsys.readouterr().err
    os.utime(path, (1, 1))
    assert run_on(path, output, *flags, "--resume", model=tiny_model) == 2
    assert "the input changed" in capsys.readouterr().err


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


def children_of(process):
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


def is_alive(process: str) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_rows(process, output):
    """Returns the worker started last, if any."""
    parts = output.with_name(output.name + PARTS)
    while not list(parts.glob("[0-9]*")):
        assert process.poll() is None
        time.sleep(0.01)
    return max(map(int, children_of(process)), default=None)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_leaves_no_table_and_no_process(tmp_path, tiny_model, number, processes):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    output = tmp_path / "out.csv"
    flags = ["--model", tiny_model, "--raw", "--processes", processes]
    with started(path, "--output", output, *flags) as process:
        worker = wait_for_rows(process, output)
        if worker:  # stuck
            os.kill(worker, signal.SIGSTOP)
        process.send_signal(number)
        text = process.stderr.read()  # until the last worker has closed it
        assert process.wait(30) == 130
    assert text == "python -m serving.batch: stopped; the same command with --resume goes on\n"
    assert not output.exists()


def test_ctrl_c_is_for_the_parent_alone(tmp_path, tiny_model):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    flags = ["--model", tiny_model, "--raw", "--processes", 2]
    with started(path, "--output", tmp_path / "out.csv", *flags) as process:
        worker = wait_for_rows(process, tmp_path / "out.csv")
        status = Path(f"/proc/{worker}/status").read_text()
        [blocked] = [line for line in status.splitlines() if line.startswith("SigBlk")]
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        assert process.wait(30) == 130
    assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)


def test_dead_worker_is_one_line_and_2(tmp_path, tiny_model):
    path = save(tmp_path / "d.npz", np.ones((300_000, 28, 28), np.uint8))
    flags = ["--model", tiny_model, "--raw", "--processes", 2]
    with started(path, "--output", tmp_path / "out.csv", *flags) as process:
        worker = wait_for_rows(process, tmp_path / "out.csv")
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
    command.append("--probabilities")
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


def test_a_column_may_name_files_and_a_label_of_none_is_no_label(table, tmp_path, drawings):
    picture = tmp_path / "a.png"
    Image.fromarray(drawings[0]).save(picture)
    cells = [
        {"image": {"bytes": None, "path": str(picture)}, "y": None},
        {"image": {"bytes": None, "path": str(tmp_path / "none.png")}, "y": "None"},
    ]
    lines = tmp_path / "d.jsonl"
    lines.write_text("".join(json.dumps(cell) + "\n" for cell in cells))
    code, rows = table(lines, "--label-column", "y")
    assert code == 0
    assert rows[0]["digit"]
    assert "cannot be read" in rows[1]["error"]
    assert [row["label"] for row in rows] == ["", "None"]
