"""Temperature and thresholds against cases whose answer is known."""

import numpy as np
import pytest

from model import signature
from model.network import NetworkConfig, logits_model
from tests.support.networks import CONFIGS, random_images, random_network
from training.calibrate import calibrate, fit_temperature
from training.data import Digits


def test_a_temperature_that_was_put_in_comes_out():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 10))
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    labels = (shares.cumsum(axis=-1) < rng.random((20_000, 1))).sum(axis=-1)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.03)
    assert fit_temperature(3.5 * logits, labels) == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("name", ["window and score", "elman"])
def test_the_network_itself_is_changed(name):
    model = random_network(CONFIGS[name])
    images = random_images(300).astype(np.uint8)
    answers = np.asarray(model(images.astype(np.float32))[signature.PROBABILITIES]).argmax(axis=-1)
    noise = np.random.default_rng(0)
    labels = np.where(noise.random(300) < 0.3, noise.integers(0, 10, 300), answers)
    digits = Digits(images, labels)
    images = digits.images.astype(np.float32)
    before = {key: np.asarray(v) for key, v in logits_model(model)(images).items()}
    found = calibrate(model, digits)
    after = {key: np.asarray(v) for key, v in logits_model(model)(images).items()}
    np.testing.assert_allclose(after["logits"], before["logits"] / found.temperature, atol=1e-3)
    np.testing.assert_allclose(
        after["belief_logits"], before["belief_logits"] / found.belief_temperature, atol=1e-3
    )
    assert found.temperature != pytest.approx(1, abs=0.01)
    assert calibrate(model, digits).temperature == pytest.approx(1, abs=0.01)


def test_thresholds_reject_few_of_the_digits_they_were_chosen_on():
    model = random_network(NetworkConfig(units=(6,), score_units=4))
    digits = Digits(random_images(2000).astype(np.uint8), np.arange(2000) % 10)
    found = calibrate(model, digits)
    outputs = {k: np.asarray(v) for k, v in model(digits.images.astype(np.float32)).items()}
    assert 2 <= (outputs[signature.SCORE] > found.thresholds["score"]).sum() <= 16
    confidence = outputs[signature.PROBABILITIES].max(axis=-1)
    assert 1 <= (confidence < found.thresholds["confidence"]).sum() <= 10


def test_degraded_digits_move_the_temperature_alone():
    model = random_network(NetworkConfig(units=(6,), score_units=4))
    images = random_images(600).astype(np.uint8)
    answers = np.asarray(model(images.astype(np.float32))[signature.PROBABILITIES]).argmax(axis=-1)
    right, wrong = Digits(images, answers), Digits(images[:300], (answers[:300] + 1) % 10)
    clean = calibrate(random_network(NetworkConfig(units=(6,), score_units=4)), right)
    found = calibrate(model, right, wrong)
    assert found.temperature > 1.2 * clean.temperature
    before = np.asarray(model(images.astype(np.float32))[signature.SCORE])
    assert 1 <= (before > found.thresholds["score"]).sum() <= 4


def test_no_score_no_threshold_for_it():
    model = random_network(CONFIGS["elman"])
    digits = Digits(random_images(50).astype(np.uint8), np.arange(50) % 10)
    assert set(calibrate(model, digits).thresholds) == {"confidence"}
