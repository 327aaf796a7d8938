"""A network that reads MNIST well shows another one how, while that learns other drawings too.

A network trained on everything at once reads MNIST worse than one trained on MNIST alone
(measured: see the README). So it starts as that specialist, and on MNIST's digits, warped
anew each time, it is held to what the specialist says of the same image: learning without
forgetting (Li & Hoiem 2016), by distillation (Hinton et al. 2015). Networks that grew from one
can be averaged, weight by weight, into a better one (Wortsman et al. 2022, model soups):

python -m training.teacher runs/a/best.keras runs/b/best.keras --out runs/soup.keras
"""

import argparse
import shlex
import sys
from pathlib import Path

import keras
from keras import ops

from model import network
from model.weights import load_keras
from training import provenance
from training.config import TrainingConfig
from training.errors import TrainingError
from training.run_dir import save_keras


class Teacher:
    """A trained network, frozen.

    Args:
        path: its ``.keras`` file.
        count: images at the beginning of each batch that a specialist has an opinion of; a
            network of `training.cnn` has one of all.

    Raises:
        TrainingError: no such file, or not a network of `model.network` or `training.cnn`.
    """

    def __init__(self, path: Path, count: int):
        self.path, self.model = path, _load(path)
        self.model.trainable = False
        self._logits = logits_model(self.model)
        self.is_recurrent = self._logits is not self.model
        self.count = count if self.is_recurrent else None

    def loss(self, outputs: dict, images, config: TrainingConfig):
        """teacher_loss · (CE(answer) + step_loss · mean CE(y_t) + belief_loss · mean
        CE(downward reader)), with the teacher's probabilities as targets.

        One of `training.cnn` has no steps; its score is a target, with score_loss.

        Args:
            outputs: of the student's `logits_model`, for the whole batch.
            images: (batch, 28, 28), as the student saw them.
        """
        said = self._logits(images[: self.count], training=False)
        weights = {"logits": 1.0}
        if self.is_recurrent:
            weights |= {"step_logits": config.step_loss, "belief_logits": config.belief_loss}
        total = 0.0
        for name, weight in weights.items():
            answers = ops.log_softmax(outputs[name][: self.count])
            surprise = -ops.sum(ops.softmax(said[name]) * answers, axis=-1)
            total += weight * ops.mean(surprise)
        if not self.is_recurrent and "score_logits" in outputs:
            scores = ops.sigmoid(said["score_logits"])
            total += config.score_loss * ops.mean(
                ops.binary_crossentropy(scores, outputs["score_logits"], from_logits=True)
            )
        return config.teacher_loss * total


def logits_model(model: keras.Model) -> keras.Model:
    """What a loss needs: `model.network.logits_model`'s, or a network of `training.cnn` itself.

    Raises:
        KeyError: it is neither.
    """
    is_own = isinstance(model.output, dict) and "logits" in model.output
    return model if is_own else network.logits_model(model)


def start(student: keras.Model, path: Path, has_score: bool) -> None:
    """Give `student` the weights of another network.

    Args:
        student: to be trained.
        path: the other's ``.keras`` file.
        has_score: whether the other has learnt what is no digit; else the score starts anew.

    Raises:
        TrainingError: no such file, or a network of other layers or shapes.
    """
    layers = {layer.name: layer for layer in _load(path).layers}
    try:
        for layer in student.layers:
            if layer.weights and (has_score or not layer.name.startswith("score")):
                layer.set_weights(layers[layer.name].get_weights())
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f"{path} is a network of another shape: train it with the same --preset"
        ) from error


def average(paths: list[Path]) -> keras.Model:
    """The network whose weights are the mean of those of several of one shape.

    Raises:
        TrainingError: a file cannot be read, or the shapes differ.
    """
    models = [_load(path) for path in paths]
    try:
        columns = list(zip(*(model.get_weights() for model in models), strict=True))
        models[0].set_weights([sum(column) / len(column) for column in columns])
    except ValueError as error:
        raise TrainingError("only networks of one shape can be averaged") from error
    return models[0]


def _load(path: Path) -> keras.Model:
    try:
        model = load_keras(path)
        logits_model(model)
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{path}: {error}") from error
    return model


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m training.teacher", description="Average networks that grew from one."
    )
    parser.add_argument("networks", type=Path, nargs="+", help=".keras files of one shape")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix != ".keras" or arguments.out in arguments.networks:
        parser.error("--out must be a new .keras file")
    try:
        save_keras(average(arguments.networks), arguments.out)
        command = shlex.join(["python", "-m", "training.teacher", *argv])
        provenance.note(arguments.out, arguments.networks, command)
    except (TrainingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
