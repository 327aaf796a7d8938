"""Starting from a network, learning from one, and averaging several."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from model.network import logits_model
from tests.support.networks import CONFIGS, random_images, random_network
from training import cnn, teacher
from training.config import TrainingConfig
from training.errors import TrainingError
from training.step import Trainer

SCORED = "scanline"
LABELS = np.arange(16) % 10


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "specialist.keras"
    random_network(CONFIGS[SCORED], seed=5).save(path)
    return path


def weights(model) -> dict[str, np.ndarray]:
    return {
        f"{layer.name}/{i}": array
        for layer in model.layers
        for i, array in enumerate(layer.get_weights())
    }


def test_a_start_takes_all_weights_but_an_unlearnt_score(saved):
    specialist = weights(teacher.load_keras(saved))
    for has_score in (True, False):
        student = random_network(CONFIGS[SCORED], seed=6)
        before = weights(student)
        teacher.start(student, saved, has_score)
        for path, value in weights(student).items():
            is_new = path.startswith("score") and not has_score
            assert np.array_equal(value, before[path] if is_new else specialist[path]), path


def test_the_lesson_is_the_cross_entropy_with_the_teachers_answers(saved):
    config = TrainingConfig(teacher_loss=0.7)
    images = random_images(6)
    other = logits_model(random_network(CONFIGS[SCORED], seed=6))(images)
    said = logits_model(teacher.load_keras(saved))(images[:4])

    def cross_entropy(name):
        e = np.exp(np.asarray(said[name], np.float64))
        targets = e / e.sum(axis=-1, keepdims=True)
        answers = np.asarray(other[name], np.float64)[:4]
        answers = answers - np.log(np.exp(answers).sum(axis=-1, keepdims=True))
        return -(targets * answers).sum(axis=-1).mean()

    expected = 0.7 * (
        cross_entropy("logits")
        + config.step_loss * cross_entropy("step_logits")
        + config.belief_loss * cross_entropy("belief_logits")
    )
    lesson = teacher.Teacher(saved, 4).loss(other, images, config)
    assert float(lesson) == pytest.approx(expected, rel=1e-4)


def test_a_student_comes_to_agree_and_the_teacher_stays(saved):
    config = TrainingConfig(augment=False, epochs=1, learning_rate=3e-3, teacher_loss=20.0)
    images = random_images(16).astype(np.uint8)
    guide = teacher.Teacher(saved, 16)
    before = weights(guide.model)
    said = np.asarray(guide.model(images.astype(np.float32))["probabilities"])

    def gap(*guides):
        student = random_network(CONFIGS[SCORED], seed=6)
        trainer = Trainer(student, config, 60, guides)
        for _ in range(60):
            trainer.step(images, LABELS, None)
        trainer.sync()
        return np.abs(np.asarray(student(images.astype(np.float32))["probabilities"]) - said).mean()

    assert gap(guide) < 0.5 * gap()
    for path, value in weights(guide.model).items():
        assert np.array_equal(value, before[path])


def test_a_convolutional_teacher_has_an_opinion_of_all_and_of_the_score(tmp_path):
    keras.utils.set_random_seed(3)
    convolutional = cnn.build()
    convolutional.save(tmp_path / "cnn.keras")
    guide = teacher.Teacher(tmp_path / "cnn.keras", 4)
    images, config = random_images(6), TrainingConfig(score_loss=0.5)
    other = logits_model(random_network(CONFIGS[SCORED], seed=6))(images)
    said = {name: np.asarray(value) for name, value in convolutional(images).items()}
    targets = np.asarray(keras.ops.softmax(said["logits"]))
    answers = np.asarray(keras.ops.log_softmax(other["logits"]))
    score = 1 / (1 + np.exp(-said["score_logits"]))
    doubt = np.asarray(other["score_logits"])
    surprise = np.log1p(np.exp(-np.abs(doubt))) + np.maximum(doubt, 0) - score * doubt
    expected = -(targets * answers).sum(axis=-1).mean() + 0.5 * surprise.mean()
    assert float(guide.loss(other, images, config)) == pytest.approx(expected, rel=1e-4)


def test_a_convolutional_network_learns_in_the_same_step():
    config = TrainingConfig(preset="scanline", learning_rate=3e-3, epochs=1)
    images = random_images(16).astype(np.uint8)
    trainer = Trainer(cnn.build(), config, 40)
    losses = [float(trainer.step(images, LABELS, None)["loss"]) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_average_is_the_mean_of_all_weights(saved, tmp_path):
    other = random_network(CONFIGS[SCORED], seed=7)
    other.save(tmp_path / "other.keras")
    out = tmp_path / "soup.keras"
    assert teacher.main([str(saved), str(tmp_path / "other.keras"), "--out", str(out)]) == 0
    first, second = weights(teacher.load_keras(saved)), weights(other)
    for path, value in weights(teacher.load_keras(out)).items():
        np.testing.assert_allclose(value, (first[path] + second[path]) / 2, rtol=1e-6)


def test_other_networks_and_missing_files_are_told(saved, tmp_path, capsys):
    stranger = tmp_path / "stranger.keras"
    random_network(CONFIGS["elman"]).save(stranger)
    student = random_network(CONFIGS[SCORED])
    with pytest.raises(TrainingError, match="another shape"):
        teacher.start(student, stranger, has_score=True)
    with pytest.raises(TrainingError, match="one shape"):
        teacher.average([saved, stranger])
    with pytest.raises(TrainingError, match="no such file"):
        teacher.Teacher(tmp_path / "none.keras", 4)
    assert teacher.main([str(tmp_path / "none.keras"), "--out", str(tmp_path / "x.keras")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_all_this_on_jax_too():
    if keras.backend.backend() == "jax":
        pytest.skip("this is JAX")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:]
