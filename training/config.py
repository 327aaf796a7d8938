"""What a training run can be told, with a default for each preset and the reason for it."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from model import signature
from training.errors import TrainingError

BACKENDS = ("tensorflow", "jax")
PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adamw", "sgd")


ONE_READER = ("elman", "saturated")
MOST_SPOILED = 0.5  # the rest is for MNIST and the other sources


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one run; together with the data and the backend they determine it."""

    preset: str = "stacked"
    epochs: int = 30
    batch_size: int = 128
    optimizer: str = "adamw"
    """AdamW, or the textbook's: sgd with momentum, where clipping decides (Pascanu et al. 2013);
    AdamW bounds each step by itself."""
    learning_rate: float = 1e-3
    """Peak of a cosine that starts with a linear warm-up and ends at 0."""
    warmup: float = 0.08
    """Share of all steps over which the rate rises."""
    weight_decay: float = 0.02
    """AdamW, on kernels only (Loshchilov & Hutter 2019)."""
    clipnorm: float | None = 1.0
    """Largest norm of each variable's gradient: what Keras calls `clipnorm`."""
    global_clipnorm: float | None = None
    """Largest norm of the whole gradient (Pascanu et al. 2013)."""
    clipvalue: float | None = None
    """Largest magnitude of each number of the gradient. The three exclude each other."""
    truncate: int | None = None
    """Steps of a piece, over whose end no gradient goes back (truncated back-propagation through
    time); the state does."""
    reset: bool = False
    """Start each piece from the state 0, as if it were a sequence of its own. The answer's loss
    alone is learnt from, so nothing before the last piece."""
    input_gain: float | None = None
    """Factor on the first input weights of the recurrent layers, instead of the preset's."""
    ema: float = 0.998
    """Evaluate and keep an average of the weights with this memory; 0 keeps the last ones."""
    step_loss: float = 0.5
    """Weight of the mean cross-entropy of y_t, the read-out at each step."""
    belief_loss: float = 0.1
    """Weight of the mean cross-entropy of the downward reader's own read-out."""
    score_loss: float = 0.5
    """Weight of the cross-entropy of the score for "this is no digit"."""
    no_digit_weight: float = 0.5
    """Weight of drawings that are no digit; their target is every digit alike
    (Hendrycks et al. 2019, outlier exposure)."""
    spoiled: float = 0.1
    """Share of each batch that is degraded digits (`training.degrade`), where `mix`."""
    start: str | None = None
    """A ``.keras`` file to take the first weights from."""
    teacher: tuple[str, ...] = ()
    """``.keras`` files whose opinions are learnt: of MNIST's digits; by `training.cnn`, of all."""
    teacher_loss: float = 1.0
    """Weight of the cross-entropy with that opinion."""
    augment: bool = True
    mix: bool = False
    """Train on pen digits, degraded digits and non-digits too, not on MNIST alone; and keep the
    last epoch's network, because the best on MNIST's validation digits knows the others less."""
    precision: str = "float32"
    """Of the factors in the recurrent readers' products, float32 or bfloat16; weights, sums,
    states and losses are float32."""
    validation: int = 10_000
    """Digits held out from the end of the training set."""
    seed: int = 0

    def __post_init__(self) -> None:
        clipping = ("clipnorm", "global_clipnorm", "clipvalue")
        if sum(getattr(self, name) is not None for name in clipping) > 1:
            raise TrainingError(
                "clipnorm (each variable), global_clipnorm (all together) and clipvalue (each "
                "number) exclude each other: give one"
            )
        positive = ("epochs", "batch_size", "learning_rate", "validation")
        for name in (*positive, *clipping, "truncate", "input_gain"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:  # also refuses NaN
                raise TrainingError(f"{name} must be above 0 and finite, not {value}")
        if self.reset and not (self.truncate and self.truncate < signature.STEPS):
            raise TrainingError(
                f"reset needs truncate below {signature.STEPS}: the steps of a piece, such as "
                "--truncate 7"
            )
        if self.input_gain is not None and (self.start or self.teacher):
            raise TrainingError(
                "input_gain is of fresh weights: leave it out with start or teacher, whose weights "
                "take their place"
            )
        if self.reset and self.preset not in ONE_READER:
            raise TrainingError(
                f"reset is for one downward reader ({' or '.join(ONE_READER)}): in {self.preset} "
                "other layers or the upward reader would carry states over the cuts"
            )
        if self.reset and (self.step_loss or self.belief_loss):
            raise TrainingError(
                "reset learns from the last step alone: step_loss and belief_loss 0"
            )
        losses = ("step_loss", "belief_loss", "score_loss", "teacher_loss")
        for name in ("weight_decay", "no_digit_weight", *losses):
            if not getattr(self, name) >= 0:
                raise TrainingError(f"{name} must not be below 0, not {getattr(self, name)}")
        if self.mix and self.spoiled > MOST_SPOILED:
            raise TrainingError(f"spoiled must be at most {MOST_SPOILED}, not {self.spoiled}")
        if self.start == "" or "" in self.teacher:
            raise TrainingError("start and teacher need a file's name, not an empty text")
        if self.optimizer not in OPTIMIZERS:
            raise TrainingError(
                f"optimizer must be {' or '.join(OPTIMIZERS)}, not {self.optimizer}"
            )
        if self.precision not in PRECISIONS:
            raise TrainingError(
                f"precision must be {' or '.join(PRECISIONS)}, not {self.precision}"
            )
        if not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed must be in 0..{2**32 - 1}, not {self.seed}")
        for name in ("warmup", "ema", "spoiled"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(
                    f"{name} must be in 0..1 (1 excluded), not {getattr(self, name)}"
                )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainingConfig":
        known = {field.name for field in fields(cls)}
        settings = {name: value for name, value in values.items() if name in known}
        return cls(**settings | {"teacher": several(settings.get("teacher"))})


def several(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """A setting that was one text, or none, until version 0.2.0."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def check_backend() -> None:
    """Refuse a KERAS_BACKEND that cannot train.

    Raises:
        TrainingError: it is none of `BACKENDS`.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in BACKENDS:
        raise TrainingError(
            f"KERAS_BACKEND={backend} cannot train here: give --backend {' or '.join(BACKENDS)}"
        )


# tanh saturates where relu does not, and stands a larger rate.
DEFAULTS: dict[str, TrainingConfig] = {
    "elman": TrainingConfig("elman", learning_rate=1.5e-3),
    "saturated": TrainingConfig("saturated", learning_rate=1.5e-3),
    "bidirectional": TrainingConfig("bidirectional", learning_rate=1.5e-3),
    "stacked": TrainingConfig("stacked"),
    "scanline": TrainingConfig("scanline", epochs=60, mix=True),
}
