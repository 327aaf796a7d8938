"""A network that reads MNIST well shows another one how, while that learns other drawings too.

A network trained on everything at once reads MNIST worse than one trained on MNIST alone
(measured: see the README). So it starts as that specialist, and on MNIST's digits, warped
anew each time, it is held to what the specialist says of the same image: learning without
forgetting (Li & Hoiem 2016), by distillation (Hinton et al. 2015).
"""

import hashlib
from pathlib import Path

import keras
from keras import ops

from model import network
from model.weights import load_keras
from training.config import TrainingConfig
from training.errors import TrainingError


class Teacher:
    """The specialist's network, frozen.

    Args:
        path: its ``.keras`` file.
        count: images at the beginning of each batch that it has an opinion of.

    Raises:
        TrainingError: no such file, or not a network of `model.network`.
    """

    def __init__(self, path: Path, count: int):
        try:
            self.model = load_keras(path)
            self._logits = network.logits_model(self.model)
        except (ValueError, KeyError) as error:
            raise TrainingError(f"--teacher: {error}") from error
        self.model.trainable = False
        self.sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self.count = count

    def start(self, student: keras.Model) -> None:
        """Give `student` the teacher's weights, but for the score, which it never learnt.

        Raises:
            TrainingError: the two networks have other layers or shapes.
        """
        layers = {layer.name: layer for layer in self.model.layers}
        try:
            for layer in student.layers:
                if layer.weights and not layer.name.startswith("score"):
                    layer.set_weights(layers[layer.name].get_weights())
        except (KeyError, ValueError) as error:
            raise TrainingError(
                "--teacher is a network of another shape: train it with the same --preset"
            ) from error

    def loss(self, outputs: dict, images, config: TrainingConfig):
        """teacher_loss · (CE(answer) + step_loss · mean CE(y_t) + belief_loss · mean
        CE(downward reader)), with the teacher's probabilities as targets.

        Args:
            outputs: of the student's `logits_model`, for the whole batch.
            images: (batch, 28, 28), as the student saw them.
        """
        said = self._logits(images[: self.count], training=False)
        weights = {"logits": 1.0, "step_logits": config.step_loss}
        total = 0.0
        for name, weight in {**weights, "belief_logits": config.belief_loss}.items():
            answers = ops.log_softmax(outputs[name][: self.count])
            surprise = -ops.sum(ops.softmax(said[name]) * answers, axis=-1)
            total += weight * ops.mean(surprise)
        return config.teacher_loss * total
