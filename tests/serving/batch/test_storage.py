"""Inputs and outputs by URL: the same rows as from files of this machine."""

import itertools

import numpy as np
import pytest
from PIL import Image

from serving.batch.__main__ import main

pytest.importorskip("pyarrow")
import pyarrow.parquet
from pyarrow import fs

BUCKETS = (f"scans-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def s3_server():
    """Its URL; moto is in Ray's environment (`make test-ray`)."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["file", "s3"])
def bucket(request, tmp_path, monkeypatch):
    """The URL of an empty one."""
    name = next(BUCKETS)
    if request.param == "file":
        (tmp_path / name).mkdir()
        return f"file://{tmp_path}/{name}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_server"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fs.FileSystem.from_uri(f"s3://{name}?allow_bucket_creation=true")[0].create_dir(name)
    return f"s3://{name}"


@pytest.fixture
def folder(tmp_path):
    """What people have: pictures, folders in folders, a broken one, and other files."""
    random = np.random.default_rng(0)
    top = tmp_path / "folder"
    for name in ("b.png", "a/z.png", "a b/y.PNG", "a-b/c.bmp", "_x.png", ".hidden.png"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (28, 28), np.uint8)).save(top / name)
    (top / "broken.png").write_bytes(b"no picture")
    (top / "empty.png").write_bytes(b"")
    (top / "notes.txt").write_text("notes")
    return top


def upload(path, url):
    system, target = fs.FileSystem.from_uri(url)
    fs.copy_files(str(path), target, fs.LocalFileSystem(), system)


def exists(url):
    system, path = fs.FileSystem.from_uri(url)
    return system.get_file_info(path).is_file


@pytest.fixture
def run(tmp_path, tiny_model, capsys):
    """Run the command; gives its exit code, the table's bytes and what it told."""

    def run(*arguments, output=tmp_path / "out.csv"):
        common = ["--output", str(output), "--model", str(tiny_model), "--processes", "1"]
        code = main([*map(str, arguments), *common])
        is_there = str(output).startswith("/") and output.exists()
        return code, output.read_bytes() if is_there else None, capsys.readouterr().err

    return run


def test_a_folder_in_storage_has_the_rows_of_the_same_folder_here(run, folder, bucket):
    here = run(folder)
    upload(folder, f"{bucket}/pictures")
    assert run(f"{bucket}/pictures") == here
    assert run(f"{bucket}/pictures/") == here
    assert len(here[1].splitlines()) == 8


def test_of_several_inputs_a_source_is_the_url(run, folder, bucket):
    upload(folder, f"{bucket}/pictures")
    code, table, _ = run(folder / "b.png", f"{bucket}/pictures")
    assert code == 0
    sources = [line.split(b",")[0].decode() for line in table.splitlines()[1:]]
    assert sources[0] == str(folder / "b.png")
    assert sources[1:3] == [f"{bucket}/pictures/_x.png", f"{bucket}/pictures/a b/y.PNG"]


@pytest.mark.parametrize("ending", ["npz", "csv.gz", "parquet", "png"])
def test_a_file_with_many_images_is_read_where_it_lies(run, tmp_path, bucket, ending):
    images = np.random.default_rng(0).integers(0, 256, (70, 28, 28), np.uint8)
    path = tmp_path / f"digits.{ending}"
    if ending == "npz":
        np.savez_compressed(path, images=images, other=images[:3])
    elif ending == "csv.gz":
        pixels = np.column_stack([np.arange(70) % 10, images.reshape(70, -1)])
        np.savetxt(path, pixels, "%d", ",")
    elif ending == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"image": images.tolist()}), path)
    else:
        Image.fromarray(images[0]).save(path)
    upload(path, f"{bucket}/digits.{ending}")
    assert run(f"{bucket}/digits.{ending}") == run(path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_in_storage_is_the_one_that_is_written_here(run, tmp_path, folder, bucket, ending):
    _, here, _ = run(folder, output=tmp_path / f"out.{ending}")
    code, _, told = run(folder, output=f"{bucket}/out.{ending}")
    assert (code, told.count("7 images")) == (0, 1), told
    system, path = fs.FileSystem.from_uri(f"{bucket}/out.{ending}")
    with system.open_input_stream(path) as stream:
        assert stream.read() == here


def test_what_cannot_be_read_leaves_no_table(run, tmp_path, bucket):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04")
    code, _, told = run(broken, output=f"{bucket}/out.csv")
    assert code == 2, told
    assert not exists(f"{bucket}/out.csv")


def test_an_object_that_is_not_there_is_told(run, bucket):
    for name in ("none.png", "none", "*.png"):
        code, table, told = run(f"{bucket}/{name}")
        assert (code, table) == (2, None)
        assert "no file or folder" in told or "no pictures in" in told, told


@pytest.mark.parametrize("url", ["thing://a/b", "s3:///a", "fsspec+thing://a/b"])
def test_a_url_that_nothing_opens_is_told(run, tmp_path, url):
    code, table, told = run(url)
    assert (code, table) == (2, None)
    assert f"cannot open {url}" in told
    (tmp_path / "x.png").write_bytes(b"")
    code, _, told = run(tmp_path, output=f"{url}.csv")
    assert code == 2
    assert f"cannot open {url}.csv" in told


def test_fsspec_opens_what_pyarrow_does_not(run, folder):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/scans/b.png", (folder / "b.png").read_bytes())
    code, table, _ = run("fsspec+memory://scans")
    assert code == 0
    assert table.splitlines()[1].startswith(b"b.png,0,")


def test_a_table_in_storage_cannot_be_resumed_nor_overwrite_its_input(run, bucket):
    for flags in (["--resume"], []):
        code, _, told = run(f"{bucket}/a.csv", *flags, output=f"{bucket}/a.csv")
        assert code == 2
        assert ("cannot --resume" if flags else "would overwrite the input") in told
