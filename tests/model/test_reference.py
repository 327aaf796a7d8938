"""The oracle: against sums done by hand, and Keras against the oracle."""

import csv
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from model import reference, signature, weights
from model.cards import RELEASE
from model.images.preprocess import preprocess
from model.weights import Cell, Dense, Layer, Network
from tests.support.networks import CONFIGS, random_images, random_network
from tests.support.running import ROOT


def test_two_steps_by_hand():
    cell = Cell(kernel=np.array([[0.5]]), recurrent_kernel=np.array([[-2.0]]), bias=np.array([0.1]))
    x = np.array([[[1.0], [3.0]]])
    h1 = np.tanh(0.5 * 1 + 0.1)
    h2 = np.tanh(0.5 * 3 - 2 * h1 + 0.1)
    np.testing.assert_allclose(reference.read(cell, "tanh", x), [[[h1], [h2]]])
    k2 = np.tanh(0.5 * 3 + 0.1)
    k1 = np.tanh(0.5 * 1 - 2 * k2 + 0.1)
    np.testing.assert_allclose(reference.read_upward(cell, "tanh", x), [[[k1], [k2]]])


def test_answer_by_hand_for_a_network_that_counts_ink():
    """One relu unit adds up all ink; the read-out turns the sum into the logit of digit 3."""
    cell = Cell(np.ones((28, 1)), np.ones((1, 1)), np.zeros(1))
    readout = Dense(np.eye(10)[3:4], np.zeros(10))
    network = Network(1 / 255, (Layer(cell, None, "relu", None, None),), readout, None)
    image = np.zeros((1, 28, 28))
    image[0, 5, :2] = 255
    outputs = reference.forward(network, image)
    np.testing.assert_allclose(outputs[signature.hidden_forward(1)][0, :, 0], [0] * 5 + [2] * 23)
    assert outputs[signature.PROBABILITIES][0, 3] == pytest.approx(np.e**2 / (np.e**2 + 9))
    np.testing.assert_allclose(outputs[signature.STEP_PROBABILITIES][0, 0], 0.1)


@pytest.mark.parametrize("name", CONFIGS)
def test_keras_agrees_on_every_output(name):
    model = random_network(CONFIGS[name])
    images = random_images(256)
    expected = reference.forward(weights.from_keras(model), images)
    actual = model(images)
    assert list(actual) == list(expected)
    for key, value in expected.items():
        assert reference.relative_error(value, np.asarray(actual[key])) < 1e-5, key


@pytest.mark.parametrize("name", CONFIGS)
def test_a_state_is_f_of_the_sum_of_its_terms(name):
    network = weights.from_keras(random_network(CONFIGS[name]))
    [image] = random_images(1)
    outputs = reference.forward(network, image[None])
    rng = np.random.default_rng(0)
    for output in filter(signature.layer_of, outputs):
        layer = network.layers[signature.layer_of(output)[1] - 1]
        for step in (1, 2, 28, *rng.integers(3, 28, 3)):
            unit = rng.integers(outputs[output].shape[-1])
            terms = reference.state_terms(network, image, output, int(step), int(unit))
            total = terms.inputs.sum() + terms.recurrent.sum() + terms.bias
            assert terms.total == pytest.approx(total, abs=1e-12)
            state = outputs[output][0, step - 1, unit]
            assert reference.ACTIVATIONS[layer.activation](total) == pytest.approx(state, abs=1e-9)
            assert terms.state == state
    with pytest.raises(IndexError):
        reference.state_terms(network, image, signature.hidden_forward(1), 29, 0)


def test_relative_error():
    one, shift = np.array([1.0, 0.0]), np.array([0, 0.5])
    assert reference.relative_error(one, one + shift) == 0.5
    assert reference.relative_error(100 * one, 100 * one + shift) == 0.005
    assert reference.relative_error(0.01 * one, 0.01 * one + shift) == 0.5
    assert reference.relative_error(one, one * np.nan) == np.inf
    with pytest.raises(ValueError, match="shapes differ"):
        reference.relative_error(one, one[:1])


SEVEN = ROOT / "tests" / "seven.png"
PRINTED = {
    "text": lambda out: [float(n) for n in re.findall(r"-?\d\.\d+", out.decode())],
    "csv": lambda out: [float(row["value"]) for row in csv.DictReader(out.decode().splitlines())],
    "npz": lambda out: np.load(io.BytesIO(out))[signature.hidden_forward(1)].ravel(),
}


@pytest.mark.parametrize("form", PRINTED)
def test_the_command_prints_states(form, capfdbinary):
    assert reference.main([str(SEVEN), "--steps", "1,14,28", "--format", form]) == 0
    sys.stdout.flush()
    image = preprocess(Image.open(SEVEN)).image
    network = weights.load_arrays(RELEASE / "elman.npz")
    expected = reference.forward(network, image[None])[signature.hidden_forward(1)][0]
    found = PRINTED[form](capfdbinary.readouterr().out)
    np.testing.assert_allclose(found, expected[[0, 13, 27]].ravel(), atol=6e-9)


def test_the_command_reads_rows_as_they_are_and_other_networks(tmp_path, capsys):
    image = random_images(1)[0]
    np.save(tmp_path / "rows.npy", image)
    network = RELEASE / "bidirectional.npz"
    words = ["--steps", "28", "--network", str(network), "--format", "csv"]
    assert reference.main([str(tmp_path / "rows.npy"), *words]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    states = reference.forward(weights.load_arrays(network), image[None])
    for name in (signature.hidden_forward(1), signature.hidden_backward(1)):
        found = [float(row["value"]) for row in rows if row["state"] == name]
        np.testing.assert_array_equal(found, states[name][0, -1])
    assert {row["step"] for row in rows} == {"28"}


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    np.save(tmp_path / "small.npy", np.zeros((2, 2)))
    np.save(tmp_path / "bright.npy", np.full((28, 28), np.nan))
    (tmp_path / "broken.npy").write_bytes(b"no array")
    Image.new("L", (40, 40)).save(tmp_path / "blank.png")
    for words, said in (
        ([tmp_path / "none.png"], "no such file"),
        ([__file__], "not an image"),
        ([tmp_path / "small.npy"], "28 x 28"),
        ([tmp_path / "bright.npy"], "0..255"),
        ([tmp_path / "broken.npy"], "not a readable .npy"),
        ([tmp_path / "blank.png"], "no ink"),
        ([SEVEN, "--steps", "0,28"], "from 1 to 28"),
        ([SEVEN, "--steps", "1,,2"], "from 1 to 28"),
        ([SEVEN, "--network", SEVEN], "not a readable file of weights"),
    ):
        assert reference.main([str(word) for word in words]) == 2, words
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1), words
        assert said in err
