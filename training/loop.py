"""The training loop: epoch after epoch, each followed by a look at the validation digits."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from model.network import NetworkConfig, build
from training import augment, data, distribute, mixture, recurrent
from training.config import TrainingConfig
from training.data import Digits
from training.errors import Diverged
from training.evaluation.metrics import Evaluation, evaluate
from training.step import Trainer
from training.teacher import Teacher, start


@dataclass
class Progress:
    """How far a run has come; goes into the checkpoint."""

    history: list[dict[str, Any]]
    gradient_norm: list[float]
    largest_variable_norm: list[float]
    best: list[float] | None = None
    """Validation error and loss of ``best.keras``."""


class Loop:
    """A network in training on the digits it learns from. It never sees the test set.

    Attributes:
        progress: what the epochs so far have brought.
        averaged: the network that an epoch is judged by; a plain one, with averaged weights.
        trainer: the weights in training, and all that a checkpoint must hold.
        batch: digits a step.
    """

    def __init__(
        self,
        config: TrainingConfig,
        shape: NetworkConfig,
        data_path: Path | None,
        digits: tuple[Digits, Digits],
        distribution: keras.distribution.DataParallel | None = None,
        is_resumed: bool = False,
    ):
        """Make everything anew from the seed, which it sets for all of Keras.

        Args:
            config: settings of the run.
            shape: of the network.
            data_path: where MNIST lies; the files of `config.mix` lie beside it.
            digits: to train on and to validate on, as from `training.data.load_training`.
            distribution: devices that share each batch, from `training.distribute`.
            is_resumed: whether a checkpoint will bring the weights; none are then started from.

        Raises:
            TrainingError: the data of `config.mix` are missing, a batch cannot be shared, or
                the networks that the settings name cannot be used.
        """
        self.config, (training, self.validation) = config, digits
        self.batch = min(config.batch_size, len(training))
        if distribution is not None:
            distribute.check(distribution, self.batch)
        keras.utils.set_random_seed(config.seed)
        _make_deterministic()
        self._parts = mixture.digits_only(training)
        if config.mix:
            self._parts = mixture.everything(
                training, data.find(data_path).parent, config.seed, config.spoiled
            )
        self._steps = mixture.steps_an_epoch(self._parts, self.batch)
        with distribution.scope() if distribution is not None else nullcontext():
            network = build(shape, recurrent.reader(config))
            teachers = self._teachers(network, is_resumed)
            steps = config.epochs * self._steps
            self.trainer = Trainer(network, config, steps, teachers, distribution)
        self.averaged = build(shape)
        self.progress = Progress([], [], [])

    def _teachers(self, network: keras.Model, is_resumed: bool) -> list[Teacher]:
        """Those that the settings name; `network` gets the weights to start from."""
        config, count = self.config, mixture.first_count(self._parts, self.batch)
        teachers = [Teacher(Path(path), count) for path in config.teacher]
        recurrent = [teacher.path for teacher in teachers if teacher.is_recurrent]
        first = config.start or next(iter(recurrent), None)
        if first and not is_resumed:
            start(network, Path(first), has_score=config.start is not None)
        return teachers

    def epochs(self) -> Iterator[tuple[dict[str, Any], Evaluation]]:
        """Go on to the last epoch; yields each one's row of figures, and how `averaged` does.

        Raises:
            Diverged: the loss is not a number any more.
        """
        for epoch in range(len(self.progress.history) + 1, self.config.epochs + 1):
            row = self._epoch(epoch)
            for variable, value in zip(
                self.averaged.trainable_variables, self.trainer.evaluated_weights(), strict=True
            ):
                variable.assign(value)
            result = evaluate(self.averaged, self.validation)
            row |= {
                "validation_loss": result.loss,
                "validation_error_percent": 100 * result.error,
                "validation_belief_error_percent": 100 * float(result.belief_error[-1]),
            }
            self.progress.history.append(row)
            yield row, result

    def _epoch(self, epoch: int) -> dict[str, Any]:
        """See each digit of MNIST once; extends the norms in `progress`."""
        start = time.perf_counter()
        # Seeded by epoch, so that a resumed run draws what the first would have drawn.
        rng = np.random.default_rng([self.config.seed, epoch])
        losses, norms, largest = [], [], []
        bar = tqdm(
            mixture.batches(self._parts, self.batch, rng),
            f"epoch {epoch}",
            self._steps,
            leave=False,
            unit="step",
            disable=None if distribute.writes() else True,  # None: unless nobody watches
        )
        for images, labels in bar:
            warp = augment.draw(rng, self.batch) if self.config.augment else None
            metrics = self.trainer.step(images, labels, warp)
            losses.append(float(metrics["loss"]))
            norms.append(float(metrics["gradient_norm"]))
            largest.append(float(metrics["largest_variable_norm"]))
            if not np.isfinite(losses[-1]):
                raise Diverged(
                    f"the loss is {losses[-1]} in epoch {epoch}: "
                    "lower --learning-rate or --clipnorm"
                )
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
        self.trainer.sync()
        self.progress.gradient_norm += norms
        self.progress.largest_variable_norm += largest
        seconds = time.perf_counter() - start
        return {
            "epoch": epoch,
            "loss": float(np.mean(losses)),
            "gradient_norm": float(np.mean(norms)),
            "learning_rate": float(ops.convert_to_numpy(self.trainer.optimizer.learning_rate)),
            "seconds": round(seconds, 2),
            "images_per_second": round(self.batch * self._steps / seconds, 1),
        }


def _make_deterministic() -> None:
    """Same seed, same metrics; JAX needs no such switch on the CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
