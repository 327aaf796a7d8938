"""Reading MNIST, and every way in which a file can be wrong."""

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
