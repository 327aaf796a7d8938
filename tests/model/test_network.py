"""The Keras model: names, shapes, scaling, causality, and what it refuses."""

import keras
import numpy as np
import pytest

from model import signature
from model.network import PRESETS, NetworkConfig, build, logits_model
from tests.support.networks import CONFIGS, random_images, random_network


@pytest.mark.parametrize("name", CONFIGS)
def test_signature(name):
    config = CONFIGS[name]
    model = build(config)
    has_score = bool(config.score_units)
    names = signature.output_names(len(config.units), config.bidirectional, has_score)
    assert list(model.output) == names
    outputs = {key: np.asarray(value) for key, value in model(random_images(3)).items()}
    assert outputs[signature.PROBABILITIES].shape == (3, 10)
    assert outputs[signature.STEP_PROBABILITIES].shape == (3, 28, 10)
    for number, units in enumerate(config.units, start=1):
        assert outputs[signature.hidden_forward(number)].shape == (3, 28, units)
    for key in (signature.PROBABILITIES, signature.STEP_PROBABILITIES):
        np.testing.assert_allclose(outputs[key].sum(axis=-1), 1, rtol=1e-5)
    states = [key for key in outputs if signature.layer_of(key)]
    assert states == names[2 + has_score :]
    assert signature.layer_of("hidden_forward_x") is signature.layer_of("probabilities") is None


def test_presets_are_what_they_are_called():
    kinds = {
        name: [type(layer) for layer in build(config).layers] for name, config in PRESETS.items()
    }
    assert kinds["elman"].count(keras.layers.SimpleRNN) == 1
    assert kinds["bidirectional"].count(keras.layers.Bidirectional) == 1
    assert kinds["bidirectional"].count(keras.layers.Add) == 1
    assert kinds["stacked"].count(keras.layers.Bidirectional) == 2


def test_parameter_count_of_elman_by_hand():
    inputs, units, digits = 28, 128, 10
    expected = units * (inputs + units + 1) + digits * (units + 1)
    assert build(PRESETS["elman"]).count_params() == expected


def test_input_gain_multiplies_the_first_input_weights_alone():
    def cell(gain):
        keras.utils.set_random_seed(0)
        layer = build(NetworkConfig(bidirectional=False, input_gain=gain)).get_layer("rnn_1")
        return [np.asarray(weight) for weight in layer.get_weights()]

    [kernel, recurrent, bias], scaled = cell(1), cell(10)
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / (28 + 128)), rel=0.01)  # Glorot's
    for expected, actual in zip([10 * kernel, recurrent, bias], scaled, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_saturated_network_forgets():
    """Where the input saturates tanh, the states hardly depend on those before."""

    def memory(name):
        keras.utils.set_random_seed(0)
        model = build(PRESETS[name])
        images = np.repeat(random_images(1), 2, axis=0)
        images[1, 0] = 255 - images[1, 0]
        states = np.asarray(model(images)[signature.hidden_forward(1)])
        return np.linalg.norm(states[0, 20] - states[1, 20])

    assert memory("saturated") < 0.1 * memory("elman")


def changed_rows(name: str, key: str, row: int) -> np.ndarray:
    """Indices of the rows of output `key` that change when the pixels of `row` do."""
    model = random_network(CONFIGS[name])
    images = np.repeat(random_images(1), 2, axis=0)
    images[1, row] = 255 - images[1, row]
    first, second = np.asarray(model(images)[key])
    return np.flatnonzero(np.abs(first - second).max(axis=-1) > 1e-7)


def test_states_are_indexed_by_the_row_they_stand_at():
    for name in ("elman", "bidirectional", "stacked", "window and score"):
        for key in (signature.hidden_forward(1), signature.STEP_PROBABILITIES):
            assert changed_rows(name, key, row=17).min() == 17
    for name in ("bidirectional", "window and score"):
        assert changed_rows(name, signature.hidden_backward(1), row=17).max() == 17
    # Upper layers have seen the whole image.
    assert changed_rows("stacked", signature.hidden_forward(2), row=27).min() == 0


@pytest.mark.parametrize("name", ["elman", "stacked"])
def test_logits_lead_to_the_outputs(name):
    model = random_network(CONFIGS[name])
    images = random_images(4)
    logits, outputs = logits_model(model)(images), model(images)
    for key, output in (
        ("logits", signature.PROBABILITIES),
        ("belief_logits", signature.STEP_PROBABILITIES),
    ):
        np.testing.assert_allclose(keras.ops.softmax(logits[key]), outputs[output], atol=1e-6)
    assert logits["step_logits"].shape == (4, 28, 10)


def test_configs_survive_json_and_impossible_ones_are_refused_by_name():
    for config in CONFIGS.values():
        assert NetworkConfig.from_json(config.to_json()) == config
    for name, values in (
        ("units", [(), (0,), (1.5,)]),
        ("merge_mode", ["mul"]),
        ("activation", ["x"]),
        ("input_gain", [0]),
        ("window", [0, 29]),
        ("score_units", [-1]),
    ):
        for value in values:
            with pytest.raises(ValueError, match=name):
                NetworkConfig(**{name: value})
