"""`serving.batch --engine ray`: the local engine's rows, also of a worker that is killed.

Those that need Ray run by `make test-ray`.
"""

import importlib.util
import io
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from PIL import Image

from serving.batch.__main__ import main
from tests.support.running import ROOT, free_port, wait_for

pytest.importorskip("pyarrow")
import pyarrow.parquet
from pyarrow import fs

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray has an environment of its own: make test-ray",
)
MANY = 20_000


def start(*arguments, model, **options):
    command = [sys.executable, "-m", "serving.batch", *arguments, "--model", model]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=pipe, stderr=pipe, text=True, **options
    )


def finish(process):
    """The exit code, and what is told in the end, without the output's name."""
    _, told = process.communicate(timeout=240)
    assert "Traceback" not in told, told
    return process.returncode, told.splitlines()[-1].partition(": ")[2]


def rows(path, system=None):
    """Sorted, for Ray's come in no order."""
    table = pyarrow.parquet.read_table(path, filesystem=system)
    return table.sort_by([("source", "ascending"), ("index", "ascending")])


@pytest.fixture
def local(tmp_path, doubting_model):
    """What the local engine tells and writes."""

    def run(*arguments):
        output = tmp_path / "local.parquet"
        process = start(*arguments, "--output", output, "--processes", 1, model=doubting_model)
        return *finish(process), rows(output)

    return run


@pytest.fixture
def digits():
    """(20,000, 28, 28): strokes of all lengths, so that the network doubts some."""
    images = np.zeros((MANY, 28, 28), np.uint8)
    for i, image in enumerate(images):
        image[4 : 5 + i % 20, 8 : 9 + i % 12] = 255
    return images


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster's address, and the endpoint of the storage that all its machines reach."""
    ray = pytest.importorskip("ray")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    variables = {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": str(ROOT),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()
    server.stop()


@needs_ray
def test_every_input_has_the_local_engines_rows_and_summary(tmp_path, doubting_model, local):
    """Ray is started here. Among them are broken ones: pictures, a member, a file that ends."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (200, 28, 28), np.uint8)
    scans = tmp_path / "scans"
    (scans / "more").mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(scans / ("more" if i % 2 else "") / f"_{i}.png")
    (scans / "broken.png").write_bytes(b"no picture")
    (scans / "nowhere.png").symlink_to("gone.png")
    (scans / "notes.txt").write_text("notes")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("x.png", "y.png"):
            content = (scans / "_0.png").read_bytes() if name == "x.png" else b"broken"
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    cells = [(scans / f"_{i}.png").read_bytes() for i in range(0, 200, 2)]
    pyarrow.parquet.write_table(
        pyarrow.table({"image": cells}), tmp_path / "b.parquet", row_group_size=30
    )
    np.save(tmp_path / "whole.npy", images)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:100_000])
    inputs = [scans, *(tmp_path / name for name in ("a.tar", "b.parquet", "whole.npy", "cut.npy"))]
    flags = ["--probabilities", "--step-probabilities", "--hidden-states", "--batch", 16]
    output = tmp_path / "out"
    with start(
        *inputs, *flags, "--engine", "ray", "--output", output, model=doubting_model
    ) as process:
        code, told = finish(process)
    assert (code, told, rows(output)) == local(*inputs, *flags)
    assert code == 1
    assert "4 with an error; 1 other files skipped; 1 files ended too early" in told


@needs_ray
def test_a_killed_worker_costs_no_row(tmp_path, doubting_model, cluster, digits, local):
    import psutil

    def workers():
        for child in psutil.Process().children(recursive=True):
            try:
                if "_Predict" in " ".join(child.cmdline()) and "submit" in child.cmdline()[0]:
                    yield child
            except psutil.NoSuchProcess:
                pass

    np.savez(tmp_path / "digits.npz", images=digits, labels=np.arange(MANY) % 10)
    inputs = [tmp_path / "digits.npz", "--raw", "--label-column", "labels", "--probabilities"]
    ray = ["--engine", "ray", "--ray-address", cluster, "--processes", 2]
    output = tmp_path / "out"
    with start(*inputs, *ray, "--output", output, model=doubting_model) as process:
        wait_for(lambda: process.poll() is not None or any(workers()), 120)
        victim = next(workers())
        victim.kill()
        time.sleep(0.5)
        assert process.poll() is None
        code, told = finish(process)
    assert (code, told, rows(output)) == local(*inputs)
    assert told.startswith(f"{MANY} images")


@needs_ray
def test_from_object_storage_to_object_storage(tmp_path, doubting_model, cluster, digits, local):
    scans = tmp_path / "scans"
    scans.mkdir()
    for i, image in enumerate(digits[:300]):
        Image.fromarray(image).save(scans / f"{i}.png")
    s3, _ = fs.FileSystem.from_uri("s3://cluster?allow_bucket_creation=true")
    s3.create_dir("cluster")
    fs.copy_files(str(scans), "cluster/scans", fs.LocalFileSystem(), s3)
    ray = ["--engine", "ray", "--ray-address", cluster, "--output", "s3://cluster/out"]
    with start("s3://cluster/scans", *ray, model=doubting_model) as process:
        code, told = finish(process)
    assert (code, told, rows("cluster/out", s3)) == local(scans)
    assert told.startswith("300 images")
    with start("s3://cluster/scans", *ray, model=doubting_model) as process:
        code, told = finish(process)
    assert (code, "name a new folder" in told) == (2, True)


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:{}", "nonsense"])
def test_a_cluster_that_does_not_answer_is_told(tmp_path, doubting_model, address):
    address = address.format(free_port())
    seven = ROOT / "tests" / "seven.png"
    ray = ["--engine", "ray", "--ray-address", address, "--output", tmp_path / "out"]
    with start(seven, *ray, model=doubting_model) as process:
        code, told = finish(process)
    assert code == 2
    assert told.startswith(f"no Ray answers at {address}")


@needs_ray
def test_it_can_be_stopped(tmp_path, doubting_model, cluster, digits):
    np.save(tmp_path / "digits.npy", digits)
    ray = ["--engine", "ray", "--ray-address", cluster, "--output", tmp_path / "out"]
    with start(tmp_path / "digits.npy", *ray, model=doubting_model) as process:
        time.sleep(6)
        process.send_signal(signal.SIGTERM)
        assert finish(process) == (130, "stopped")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--output", "out"], "pip install -r deploy/ray/requirements.txt"),
        (["--output", "out.csv"], "a folder of Parquet files"),
        (["--output", "out", "--format", "jsonl"], "a folder of Parquet files"),
        (["--output", "-"], "a folder of Parquet files"),
        (["--output", "out", "--resume"], "cannot --resume"),
        (["--output", "full"], "name a new folder"),
        (["--output", "full/file"], "name a new folder"),
        (["--output", "out", "--engine", "local", "--ray-address", "auto"], "--ray-address is for"),
    ],
)
def test_what_it_does_not_do_is_told(tmp_path, doubting_model, monkeypatch, capsys, flags, told):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    seven = str(ROOT / "tests" / "seven.png")
    arguments = [seven, "--model", str(doubting_model), "--engine", "ray", *flags]
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
