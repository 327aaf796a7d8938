"""Reading MNIST, and every way in which a file can be wrong."""

import gzip

import numpy as np
import pytest

from tests.support.digits import save_digits
from training import data
from training.errors import TrainingError


@pytest.fixture
def path(tmp_path):
    return save_digits(tmp_path / "mnist.npz")


def test_the_last_digits_are_held_out(path):
    training, validation = data.load_training(path, validation=100)
    with np.load(path) as file:
        np.testing.assert_array_equal(training.images, file["x_train"][:500])
        np.testing.assert_array_equal(validation.labels, file["y_train"][500:])
        test = data.load_test(path)
        np.testing.assert_array_equal(test.images, file["x_test"])
    assert len(training) == 500


def test_a_folder_or_the_environment_names_the_file(path, monkeypatch):
    assert data.find(path.parent) == path
    monkeypatch.setenv("SCANLINE_DATA", str(path.parent))
    assert data.find(None) == path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((600, 28, 27), np.uint8)}, r"must be \(count, 28, 28\)"),
        ({"x_train": np.zeros((0, 28, 28), np.uint8)}, r"must be \(count, 28, 28\)"),
        ({"y_train": np.zeros(599, np.uint8)}, "one label an image"),
        ({"y_train": np.full(600, 10)}, r"labels must be in 0\.\.9, found 10"),
        ({"y_train": np.full(600, -1)}, r"labels must be in 0\.\.9, found -1"),
        ({"y_train": np.zeros(600)}, "whole numbers"),
        ({"x_train": np.full((600, 28, 28), np.nan)}, r"pixels must be in 0\.\.255"),
        ({"x_train": np.full((600, 28, 28), 256)}, r"pixels must be in 0\.\.255"),
        ({"x_train": np.array(["a"] * 600)}, r"must be \(count, 28, 28\)"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, changes, message):
    path = save_digits(tmp_path / "mnist.npz", **changes)
    with pytest.raises(TrainingError, match=message):
        data.load_training(path, validation=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: 255 - x, "255 - x"),
        (lambda x: (x > 127).astype(np.uint8), "multiply them by 255"),
        (lambda x: x * (np.arange(len(x)) % 2)[:, None, None].astype(np.uint8), "50 % .* blank"),
    ],
)
def test_images_that_cannot_be_learnt_from_are_refused(tmp_path, change, message):
    with np.load(save_digits(tmp_path / "mnist.npz")) as file:
        images = change(file["x_train"])
    path = save_digits(tmp_path / "mnist.npz", x_train=images)
    with pytest.raises(TrainingError, match=message):
        data.load_training(path, 100)


def test_floats_from_0_to_1_are_scaled(path, tmp_path):
    with np.load(path) as file:
        images = file["x_train"]
    scaled = save_digits(tmp_path / "scaled.npz", x_train=(images / 255).astype(np.float32))
    for one, other in zip(
        data.load_training(path, 100), data.load_training(scaled, 100), strict=True
    ):
        np.testing.assert_array_equal(one.images, other.images)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["idx", "csv"])
def test_the_same_digits_from_other_files(path, tmp_path, kind, packed):
    folder = tmp_path / "others"
    folder.mkdir()
    with np.load(path) as file:
        arrays = dict(file)
    (write_idx if kind == "idx" else write_csv)(folder, arrays, packed)
    data.require_test(folder)
    for one, other in zip(
        data.load_training(path, 100), data.load_training(folder, 100), strict=True
    ):
        assert one.sha256() == other.sha256()
    assert data.load_test(path).sha256() == data.load_test(folder).sha256()


def store(file, content: bytes, packed: bool) -> None:
    name = file.with_name(f"{file.name}.gz") if packed else file
    name.write_bytes(gzip.compress(content) if packed else content)


def write_idx(folder, arrays, packed) -> None:
    for part, name in (("train", "train"), ("test", "t10k")):
        for of, what in (("x", "images-idx3"), ("y", "labels-idx1")):
            array = arrays[f"{of}_{part}"].astype(">u1")
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            store(folder / f"{name}-{what}-ubyte", head + array.tobytes(), packed)


def write_csv(folder, arrays, packed) -> None:
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        table = np.column_stack([labels, images.reshape(len(images), -1)])
        lines = ["label," + ",".join(f"p{i}" for i in range(784))] if packed else []
        lines += [",".join(map(str, row)) for row in table]
        store(folder / f"mnist_{part}.csv", "\n".join(lines).encode(), packed)


def test_test_digits_that_are_missing_are_told_before_the_first_epoch(path, tmp_path):
    with np.load(path) as file:
        np.savez(tmp_path / "half.npz", x_train=file["x_train"], y_train=file["y_train"])
    with pytest.raises(TrainingError, match="no test digits"):
        data.require_test(tmp_path / "half.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x08\x03\0\0\0\x02", "cut short"),
        (b"\0\0\x08\x01\0\0\0\x02\1", "not those of"),
        (b"hello", "not an IDX file"),
        (gzip.compress(b"hello", mtime=0)[:-9], "cannot be read"),
    ],
)
def test_broken_idx_files_are_told(tmp_path, content, message):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\0")
    with pytest.raises(TrainingError, match=message):
        data.load_training(tmp_path, 100)


@pytest.mark.parametrize("text", ["7,1,2\n", "7,a,b\n", "\xff"])
def test_tables_of_something_else_are_told(tmp_path, text):
    (tmp_path / "mnist_train.csv").write_text(text)
    with pytest.raises(TrainingError, match=r"mnist_train.csv"):
        data.load_training(tmp_path, 100)


def test_other_files_and_numbers_are_refused(path, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name, message in (
        ("none.npz", "give --data"),
        ("other.npz", "x_train, y_train, x_test and y_test are needed"),
    ):
        with pytest.raises(TrainingError, match=message):
            data.load_training(tmp_path / name, 100)
    with pytest.raises(TrainingError, match="smaller --validation"):
        data.load_training(path, validation=600)
    for content in (b"", b"hello", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="not a readable"):
            data.load_training(tmp_path, 100)


def test_no_file_and_no_network_says_what_to_do(monkeypatch):
    import keras

    def unreachable():
        raise OSError("no route to host")

    monkeypatch.delenv("SCANLINE_DATA", raising=False)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", unreachable)
    with pytest.raises(TrainingError, match=r"no route to host.*give --data"):
        data.load_training(None, 100)
