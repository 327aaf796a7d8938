"""A convolutional network, which reads digits better than a recurrent one of our size: a teacher.

python -m training.cnn --data ../shared/data --out runs/cnn.keras
python -m training --preset scanline --teacher runs/cnn.keras ...

It learns from the same batches under the same warps, so that it has an opinion of all that its
student is shown. It is never exported or served: what ships reads row by row.
"""

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from training import data, provenance
from training.config import BACKENDS, DEFAULTS, TrainingConfig, check_backend
from training.errors import TrainingError


def build():
    """A `keras.Model` from ``images`` (batch, 28, 28) 0..255 to a dict of ``logits`` (batch, 10)
    and ``score_logits`` (batch, 1), as `model.network.logits_model` names them."""
    from keras import Model, layers

    from model import signature

    images = layers.Input((signature.STEPS, signature.PIXELS), name="images")
    x = layers.Rescaling(1 / signature.WHITE)(images)
    x = layers.Reshape((signature.STEPS, signature.PIXELS, 1))(x)
    for channels, kernel, stride in ((32, 5, 2), (64, 3, 1), (64, 3, 2), (96, 3, 1)):
        x = layers.Conv2D(channels, kernel, stride, "same", use_bias=False)(x)
        x = layers.LayerNormalization()(
            x
        )  # of each pixel's channels: the same in use as in training
        x = layers.Activation("relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(192, "relu")(x)
    outputs = {
        "logits": layers.Dense(signature.DIGITS, name="logits")(x),
        "score_logits": layers.Dense(1, name="score_logits")(x),
    }
    return Model(images, outputs, name="cnn")


def train(config: TrainingConfig, data_path: Path | None, out: Path, command: str) -> None:
    """Train on everything (`training.mixture`), and write `out` after each epoch.

    Raises:
        TrainingError: a source is missing or damaged.
        OSError: `out` is not writable.
    """
    # Before Keras is loaded, which takes seconds.
    training, validation = data.load_training(data_path, config.validation)
    import keras
    import numpy as np

    from training import augment, mixture, run_dir
    from training.step import Trainer

    keras.utils.set_random_seed(config.seed)
    folder = data.find(data_path).parent
    parts = mixture.everything(training, folder, config.seed, config.spoiled)
    steps = mixture.steps_an_epoch(parts, config.batch_size)
    model, averaged = build(), build()
    trainer = Trainer(model, config, config.epochs * steps)
    provenance.note(out, [], command)
    for epoch in range(1, config.epochs + 1):
        rng = np.random.default_rng([config.seed, epoch])
        for images, labels in mixture.batches(parts, config.batch_size, rng):
            trainer.step(images, labels, augment.draw(rng, config.batch_size))
        trainer.sync()
        for variable, value in zip(
            averaged.trainable_variables, trainer.evaluated_weights(), strict=True
        ):
            variable.assign(value)
        run_dir.save_keras(averaged, out)
        logits = averaged.predict(validation.images.astype(np.float32), 500, verbose=0)["logits"]
        error = 100 * float((logits.argmax(axis=-1) != validation.labels).mean())
        print(f"epoch {epoch:3}/{config.epochs}  validation error {error:.2f} %")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m training.cnn", description="Train a convolutional teacher for `--teacher`."
    )
    parser.add_argument("--data", type=Path, help="as for python -m training")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    parser.add_argument("--epochs", type=int, default=24, help="(24)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and warps (0)")
    parser.add_argument("--spoiled", type=float, default=0.2, help="of degraded digits (0.2)")
    parser.add_argument("--backend", choices=BACKENDS, help="else KERAS_BACKEND")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix != ".keras" or arguments.out.exists():
        parser.error("--out must be a new .keras file")
    if arguments.backend:
        os.environ["KERAS_BACKEND"] = arguments.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        check_backend()
        given = {name: getattr(arguments, name) for name in ("epochs", "seed", "spoiled")}
        config = replace(DEFAULTS["scanline"], **given)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        command = shlex.join(["python", "-m", "training.cnn", *argv])
        train(config, arguments.data, arguments.out, command)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: cannot write {arguments.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the last epoch's network is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
