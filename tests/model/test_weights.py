"""Arrays out of a Keras model, and files that are none."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from model import reference, weights
from tests.support.networks import CONFIGS, random_images, random_network


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_is_taken(name):
    model = random_network(CONFIGS[name])
    network = weights.from_keras(model)
    arrays = []
    for layer in network.layers:
        for part in (layer.forward, layer.backward, layer.normalization):
            arrays += [v for v in vars(part or object).values() if isinstance(v, np.ndarray)]
    for dense in (network.readout, network.belief, *(network.score or ())):
        arrays += vars(dense).values() if dense else []
    assert sum(array.size for array in arrays) == model.count_params()
    assert network.bidirectional == CONFIGS[name].bidirectional
    assert [layer.activation for layer in network.layers] == [CONFIGS[name].activation] * len(
        network.layers
    )


def test_a_saved_network_comes_back(tmp_path):
    model = random_network(CONFIGS["stacked"])
    model.save(tmp_path / "network.keras")
    first, second = weights.from_keras(model), weights.load(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        first.layers[1].backward.recurrent_kernel, second.layers[1].backward.recurrent_kernel
    )
    assert first.layers[0].normalization.epsilon == second.layers[0].normalization.epsilon


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        weights.load(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.keras is not a \.keras file"):
        weights.load(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ValueError, match=r"not a readable \.keras file: .*"):
        weights.load(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="is a folder"):
        weights.load(tmp_path)


def test_another_keras_model_is_named_as_such():
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.SimpleRNN(4)])
    with pytest.raises(ValueError, match=r"not a network of model/network\.py"):
        weights.from_keras(model)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_of_arrays_is_the_same_network(name, tmp_path):
    network = weights.from_keras(random_network(CONFIGS[name]))
    path = tmp_path / "a.npz"
    weights.save_arrays(network, path)
    expected = reference.forward(network, random_images(3))
    actual = reference.forward(weights.load_arrays(path), random_images(3))
    assert expected.keys() == actual.keys()
    for output, array in expected.items():
        np.testing.assert_array_equal(actual[output], array)
    before = path.read_bytes()
    weights.save_arrays(weights.load_arrays(path), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.fixture
def arrays(tmp_path):
    """The path of a file of arrays, and what is in it."""
    path = tmp_path / "a.npz"
    weights.save_arrays(weights.from_keras(random_network(CONFIGS["window and score"])), path)
    with np.load(path) as file:
        return path, dict(file)


@pytest.mark.parametrize(
    "change",
    [
        {"structure": np.array("{")},
        {"structure": np.array("[]")},
        {"structure": np.array(json.dumps({"layers": [{}]}))},
        {"readout.bias": np.zeros(10)},
        {"score_hidden.bias": np.array([None], object)},
        {"layer_2.backward.kernel": None},
        {"structure": None},
    ],
)
def test_arrays_that_are_no_network_are_refused(arrays, change):
    path, content = arrays
    np.savez(path, **{key: array for key, array in (content | change).items() if array is not None})
    with pytest.raises(ValueError, match=r"a\.npz is not a readable file of weights"):
        weights.load_arrays(path)


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda b: b[: len(b) // 2], lambda _: b"x"])
def test_damaged_files_of_arrays_are_refused(arrays, spoil):
    path, _ = arrays
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"a\.npz"):
        weights.load_arrays(path)
    with pytest.raises(ValueError, match="no such file"):
        weights.load_arrays(path.with_name("none.npz"))


def test_a_flipped_bit_is_found(arrays):
    path, content = arrays
    file = bytearray(path.read_bytes())
    file[file.index(content["readout.bias"].tobytes())] ^= 1
    path.write_bytes(file)
    with pytest.raises(ValueError, match=r"a\.npz is not a readable file of weights"):
        weights.load_arrays(path)


def test_arrays_are_read_without_keras(arrays):
    path, _ = arrays
    code = (
        "import sys; from pathlib import Path; from model import weights;"
        "print(weights.load_arrays(Path(sys.argv[1])).window, 'keras' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "3 False\n"
