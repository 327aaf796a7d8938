"""One optimizer step: loss, gradient norms, clipping, averaging, schedule."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from model.network import build, logits_model
from tests.support.networks import CONFIGS, random_images, random_network
from training import augment
from training.config import TrainingConfig
from training.mixture import NO_DIGIT
from training.recurrent import READERS
from training.step import Schedule, Trainer, loss, make_optimizer

PLAIN = TrainingConfig(augment=False, weight_decay=0, ema=0.9)
LABELS = np.arange(16) % 10


def make_trainer(config: TrainingConfig, name: str = "stacked") -> Trainer:
    return Trainer(random_network(CONFIGS[name]), config, steps=100)


def test_loss_is_the_sum_of_its_terms():
    rng = np.random.default_rng(0)
    labels = np.array([*range(10), *[NO_DIGIT] * 6])
    outputs = {
        "logits": rng.normal(size=(16, 10)).astype(np.float32),
        "step_logits": rng.normal(size=(16, 28, 10)).astype(np.float32),
        "belief_logits": rng.normal(size=(16, 28, 10)).astype(np.float32),
        "score_logits": rng.normal(size=(16, 1)).astype(np.float32),
    }

    def cross_entropy(logits):
        log = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        digits = [log[i, ..., label] for i, label in enumerate(labels) if label < 10]
        nothing = log[labels == NO_DIGIT].mean(axis=-1)  # every digit alike
        return -(np.sum(digits) + 0.5 * np.sum(nothing)) / log[..., 0].size

    chance = 1 / (1 + np.exp(-outputs["score_logits"][:, 0]))
    right = np.where(labels == NO_DIGIT, chance, 1 - chance)
    expected = (
        cross_entropy(outputs["logits"])
        + 0.5 * cross_entropy(outputs["step_logits"])
        + 0.1 * cross_entropy(outputs["belief_logits"])
        + 0.5 * -np.log(right).mean()
    )
    assert float(loss(outputs, labels, TrainingConfig())) == pytest.approx(expected, rel=1e-4)


def test_gradient_norm_is_the_slope_of_the_loss():
    """Along the gradient the loss rises by norm² per unit: checked by central differences."""
    trainer = make_trainer(PLAIN, "bidirectional")
    model = trainer.model
    images, logits = random_images(16), logits_model(model)
    before = [np.array(v) for v in model.trainable_variables]

    def loss_at(direction, size):
        for variable, value, step in zip(model.trainable_variables, before, direction, strict=True):
            variable.assign(value + size * step)
        return float(loss(logits(images), LABELS, PLAIN))

    # Without clipping, decay and moments SGD moves by the gradient itself.
    trainer.optimizer = keras.optimizers.SGD(1.0)
    trainer.optimizer.build(model.trainable_variables)
    metrics = trainer.step(images, LABELS, None)
    trainer.sync()
    gradient = [b - np.array(v) for b, v in zip(before, model.trainable_variables, strict=True)]
    norms = [np.linalg.norm(g) for g in gradient]
    assert float(metrics["gradient_norm"]) == pytest.approx(np.linalg.norm(norms), rel=1e-3)
    assert float(metrics["largest_variable_norm"]) == pytest.approx(max(norms), rel=1e-3)
    size = 1e-3 / np.linalg.norm(norms)
    slope = (loss_at(gradient, size) - loss_at(gradient, -size)) / (2 * size)
    assert slope == pytest.approx(np.linalg.norm(norms) ** 2, rel=0.02)


def moves(config: TrainingConfig, gradient: float, steps: int) -> dict[str, float]:
    """How far each variable goes under a constant gradient, by its path."""
    model = random_network(CONFIGS["stacked"])
    optimizer = make_optimizer(config, model, steps=1000)
    variables = model.trainable_variables
    before = [np.array(variable) for variable in variables]
    for _ in range(steps):
        optimizer.apply([np.full(v.shape, gradient, np.float32) for v in variables], variables)
    lengths = [np.linalg.norm(np.array(v) - b) for v, b in zip(variables, before, strict=True)]
    return dict(zip((variable.path for variable in variables), lengths, strict=True))


def test_sgd_goes_on_in_the_clipped_direction():
    sgd = replace(PLAIN, optimizer="sgd", learning_rate=0.5, warmup=0)
    # One step of length 0.5, then one of 0.5 and 0.9 of the first; nothing decays.
    length = 0.5 * (1 + 1 + 0.9)
    each = moves(replace(sgd, clipnorm=1.0), gradient=100, steps=2).values()
    assert list(each) == pytest.approx([length] * len(each), rel=1e-3)
    textbook = replace(sgd, clipnorm=None, global_clipnorm=1.0)
    whole = np.linalg.norm(list(moves(textbook, gradient=100, steps=2).values()))
    assert whole == pytest.approx(length, rel=1e-3)


def test_only_kernels_decay():
    moved = moves(TrainingConfig(), gradient=0, steps=1)
    assert {path.split("/")[-1] for path, length in moved.items() if length} == {
        "kernel",
        "recurrent_kernel",
    }


def test_the_loss_falls():
    trainer = make_trainer(replace(PLAIN, learning_rate=1e-2))
    images, warp = random_images(16), augment.draw(np.random.default_rng(0), 16)
    losses = [float(trainer.step(images, LABELS, warp)["loss"]) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_it_trains_in_bfloat16_with_weights_in_float32():
    config = replace(PLAIN, learning_rate=1e-2, precision="bfloat16")
    trainer = Trainer(build(CONFIGS["stacked"], READERS["bfloat16"]), config, steps=100)
    images = random_images(16)
    losses = [float(trainer.step(images, LABELS, None)["loss"]) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert {variable.dtype for variable in trainer.model.trainable_variables} == {"float32"}


def test_the_first_average_is_a_mean_of_start_and_step():
    trainer = make_trainer(PLAIN)
    start = np.array(trainer.model.trainable_variables[0])
    trainer.step(random_images(16), LABELS, None)
    trainer.sync()
    now = np.array(trainer.model.trainable_variables[0])
    expected = start / 11 + now * 10 / 11
    np.testing.assert_allclose(trainer.evaluated_weights()[0], expected, atol=1e-6)


def test_averages_follow_the_weights():
    trainer = make_trainer(PLAIN)
    start = np.array(trainer.model.trainable_variables[0])
    for _ in range(20):
        trainer.step(random_images(16), LABELS, None)
    trainer.sync()
    now = np.array(trainer.model.trainable_variables[0])
    average = trainer.evaluated_weights()[0]
    assert 0 < np.abs(average - now).max() < np.abs(start - now).max()
    trainer.config = replace(PLAIN, ema=0)
    np.testing.assert_array_equal(trainer.evaluated_weights()[0], now)


def test_schedule_rises_then_falls_to_zero():
    schedule = Schedule(peak=2.0, steps=100, warmup=0.1)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(2.0)
    assert np.argmax(rates) in (9, 10)
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0, abs=1e-6)
