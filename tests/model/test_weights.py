"""Arrays out of a Keras model and into a file, and files that are none."""

import json
import zipfile
from contextlib import suppress

import keras
import numpy as np
import pytest

from model import reference, weights
from model.files import atomic
from tests.support.networks import CONFIGS, random_images, random_network


@pytest.mark.parametrize("name", CONFIGS)
def test_files_hold_every_parameter_and_compute_the_same(name, tmp_path):
    model = random_network(CONFIGS[name])
    network = weights.from_keras(model)
    path = tmp_path / "a.npz"
    weights.save_arrays(network, path)
    with np.load(path) as file:
        sizes = [file[key].size for key in file.files if key != "structure"]
    assert sum(sizes) == model.count_params()
    expected = reference.forward(network, random_images(3))
    actual = reference.forward(weights.load_arrays(path), random_images(3))
    assert expected.keys() == actual.keys()
    for output, array in expected.items():
        np.testing.assert_array_equal(actual[output], array)
    before = path.read_bytes()
    weights.save_arrays(weights.load_arrays(path), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_keras_file_is_the_same_network(tmp_path):
    model = random_network(CONFIGS["stacked"])
    model.save(tmp_path / "network.keras")
    first, second = weights.from_keras(model), weights.load(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        first.layers[1].backward.recurrent_kernel, second.layers[1].backward.recurrent_kernel
    )
    assert first.layers[0].normalization.epsilon == second.layers[0].normalization.epsilon


def test_keras_files_that_are_no_network(tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "hello")
    for name, message in (
        ("none.keras", "no such file"),
        ("text.keras", r"text\.keras is not a \.keras file"),
        ("other.keras", r"not a readable \.keras file: .*"),
        ("", "is a folder"),
    ):
        with pytest.raises(ValueError, match=message):
            weights.load(tmp_path / name)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.SimpleRNN(4)])
    with pytest.raises(ValueError, match=r"not a network of model/network\.py"):
        weights.from_keras(model)


@pytest.fixture
def arrays(tmp_path):
    """The path of a file of arrays, and what is in it."""
    path = tmp_path / "a.npz"
    weights.save_arrays(weights.from_keras(random_network(CONFIGS["window and score"])), path)
    with np.load(path) as file:
        return path, dict(file)


def test_arrays_that_are_no_network_are_refused(arrays):
    path, content = arrays
    for change in (
        {"structure": np.array("{")},
        {"structure": np.array("[]")},
        {"structure": np.array(json.dumps({"layers": [{}]}))},
        {"readout.bias": np.zeros(10)},
        {"score_hidden.bias": np.array([None], object)},
        {"layer_2.backward.kernel": None},
        {"structure": None},
    ):
        kept = {key: array for key, array in (content | change).items() if array is not None}
        np.savez(path, **kept)
        with pytest.raises(ValueError, match=r"a\.npz is not a readable file of weights"):
            weights.load_arrays(path)


def test_damaged_files_of_arrays_are_refused(arrays):
    path, content = arrays
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(content["readout.bias"].tobytes())] ^= 1
    for damaged in (b"", b"x", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.npz is not a readable file of weights"):
            weights.load_arrays(path)
    with pytest.raises(ValueError, match="no such file"):
        weights.load_arrays(path.with_name("none.npz"))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for keep, left in ((False, ["a.txt"]), (True, ["a.txt", "a.txt.part"])):
        with suppress(RuntimeError), atomic(path, keep=keep) as part:
            part.write_text("half")
            raise RuntimeError
        assert path.read_text() == "old"
        assert sorted(file.name for file in tmp_path.iterdir()) == left
    with atomic(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
