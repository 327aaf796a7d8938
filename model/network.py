"""The network as a Keras 3 functional model: a small dataclass in, a model out.

All networks read the 28 rows of an image from top to bottom, one row a step. With
x_t the pixels of row t scaled to 0..1, and f = tanh or relu:

    h_t = f(W h_{t-1} + U x_t + b)        the downward reader   (Elman 1990)
    k_t = f(W' k_{t+1} + U' x_t + b')     the upward reader     (Schuster & Paliwal 1997)
    y_t = V (h_t + k_t) + c               what the network says at step t

With a window of w rows x_t is rows t - w + 1 to t, those that the reader has read last,
side by side: the downward reader still knows nothing below row t, the upward reader
nothing above it.

Without an upward reader the answer is the last step's y. With one, every step knows
the whole image, and the answer is the mean of all y_t (before the softmax).

Try one, untrained:  python -m model.network stacked
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras
from keras import layers, ops

from model import signature


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that determines the network's shape and its first weights."""

    units: tuple[int, ...] = (128,)
    """Width of each recurrent layer; its length is the depth."""
    bidirectional: bool = True
    """Whether an upward reader stands beside each downward reader."""
    merge_mode: Literal["sum", "concat"] = "sum"
    """How the two readers' states meet: h_t + k_t, or both side by side."""
    activation: Literal["tanh", "relu"] = "tanh"
    recurrent_initializer: str = "orthogonal"
    """A Keras initializer; `identity` with relu is the IRNN of Le et al. 2015."""
    input_gain: float = 1.0
    """Factor of the first input weights (Glorot's); far above 1, ink saturates tanh."""
    normalization: bool = False
    """LayerNormalization of each layer's merged states (Ba et al. 2016)."""
    window: int = 1
    """Rows that the first layer reads at each step: the present one and those just read."""
    score_units: int = 0
    """Width of the hidden layer behind the score for "this is no digit"; 0: no score."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(self.units))  # JSON gives lists
        if not self.units or any(not isinstance(u, int) or u < 1 for u in self.units):
            raise ValueError(f"units must be one positive integer for each layer, not {self.units}")
        if not 1 <= self.window <= signature.STEPS:
            raise ValueError(f"window must be in 1..28 rows, not {self.window}")
        if not 0 < self.input_gain < float("inf"):
            raise ValueError(f"input_gain must be a number above 0, not {self.input_gain}")
        if self.score_units < 0:
            raise ValueError(f"score_units must not be negative, not {self.score_units}")
        for name, allowed in (("merge_mode", ("sum", "concat")), ("activation", ("tanh", "relu"))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}"
                )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "units": list(self.units)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "NetworkConfig":
        return cls(**fields)


PRESETS: dict[str, NetworkConfig] = {
    # The textbook's network, and nothing else.
    "elman": NetworkConfig(bidirectional=False),
    # The same with a bad start: to be seen beside `elman`, not to be used.
    "saturated": NetworkConfig(bidirectional=False, input_gain=10.0),
    # A second reader from below; y_t from h_t + k_t.
    "bidirectional": NetworkConfig(),
    # Two layers of two readers. relu with an identity start remembers over 28 steps
    # without saturating; normalization keeps its unbounded states in range.
    "stacked": NetworkConfig(
        units=(128, 128),
        merge_mode="concat",
        activation="relu",
        recurrent_initializer="identity",
        normalization=True,
    ),
    # The network that we ship: stacked, with three rows in view at each step and a score
    # for what is no digit.
    "scanline": NetworkConfig(
        units=(160, 160),
        merge_mode="concat",
        activation="relu",
        recurrent_initializer="identity",
        normalization=True,
        window=3,
        score_units=24,
    ),
}


def build(
    config: NetworkConfig, recurrent: type[layers.SimpleRNN] = layers.SimpleRNN
) -> keras.Model:
    """Build a network with fresh weights (seed them with `keras.utils.set_random_seed`).

    Args:
        config: what to build.
        recurrent: the layer to build it from; training has a faster one with equal weights.

    Returns:
        A model from ``images`` (batch, 28, 28), raw pixels 0..255, to a dict with the
        names and shapes of `model.signature`. The scaling to 0..1 is its first layer,
        so training and serving cannot differ.
    """
    images = keras.Input((signature.STEPS, signature.PIXELS), name=signature.IMAGES)
    x = layers.Rescaling(1 / signature.WHITE, name="scale")(images)  # (batch, steps, pixels)
    outputs = {}
    for number, units in enumerate(config.units, start=1):
        window = config.window if number == 1 else 1
        if config.bidirectional:
            forward, backward = _two_readers(config, recurrent, x, number, units, window)
            outputs[signature.hidden_forward(number)] = forward
            outputs[signature.hidden_backward(number)] = backward
            merge = layers.Add if config.merge_mode == "sum" else layers.Concatenate
            x = merge(name=f"merge_{number}")([forward, backward])
        else:
            x = _reader(config, recurrent, f"rnn_{number}", units)(_window(x, window))
            outputs[signature.hidden_forward(number)] = x
        if config.normalization:
            x = layers.LayerNormalization(name=f"normalization_{number}")(x)

    steps = layers.Dense(signature.DIGITS, name="readout")(x)  # y_t, (batch, steps, digits)
    if config.bidirectional:
        logits = layers.GlobalAveragePooling1D(name="logits")(steps)  # (batch, digits)
        # The first layer's downward reader alone knows rows 1..t and no more.
        belief = layers.Dense(signature.DIGITS, name="belief")(outputs[signature.hidden_forward(1)])
    else:
        logits = layers.Cropping1D((signature.STEPS - 1, 0), name="last_step")(steps)
        logits = layers.Flatten(name="logits")(logits)
        belief = steps
    outputs[signature.PROBABILITIES] = layers.Softmax(name="answer")(logits)
    outputs[signature.STEP_PROBABILITIES] = layers.Softmax(name="step_answer")(belief)
    if config.score_units:
        pooled = layers.GlobalAveragePooling1D(name="pooled")(x)  # (batch, features)
        hidden = layers.Dense(config.score_units, activation="relu", name="score_hidden")(pooled)
        no_digit = layers.Dense(1, name="score_readout")(hidden)
        outputs[signature.SCORE] = layers.Activation("sigmoid", name="score_answer")(no_digit)
    names = signature.output_names(
        len(config.units), config.bidirectional, bool(config.score_units)
    )
    return keras.Model(images, {name: outputs[name] for name in names}, name="scanline")


def _reader(
    config: NetworkConfig, recurrent: type, name: str, units: int, **options
) -> layers.SimpleRNN:
    glorot = {"scale": config.input_gain**2, "mode": "fan_avg", "distribution": "uniform"}
    return recurrent(
        units,
        activation=config.activation,
        kernel_initializer={"class_name": "VarianceScaling", "config": glorot},
        recurrent_initializer=config.recurrent_initializer,
        return_sequences=True,
        name=name,
        **options,
    )


def _two_readers(
    config: NetworkConfig, recurrent: type, x, number: int, units: int, window: int
) -> tuple:
    """Downward and upward states, each (batch, steps, units), both in row order."""
    name = f"rnn_{number}"
    if window == 1:
        # merge_mode=None gives both readers, the upward one already turned to row order.
        both = layers.Bidirectional(
            _reader(config, recurrent, name, units), merge_mode=None, name=name
        )
        return tuple(both(x))
    # Bidirectional shows both readers the same input; these two see different rows.
    forward = _reader(config, recurrent, f"{name}_forward", units)(_window(x, window))
    backward = _reader(config, recurrent, f"{name}_backward", units, go_backwards=True)
    return forward, ops.flip(backward(_window(x, window, upwards=True)), axis=1)


def _window(x, rows: int, upwards: bool = False):
    """(batch, steps, pixels) to (batch, steps, rows * pixels): the rows last read, oldest first."""
    if rows == 1:
        return x
    older = rows - 1
    padded = layers.ZeroPadding1D((0, older) if upwards else (older, 0))(x)
    ages = range(older, -1, -1)
    crops = [(age, older - age) if upwards else (older - age, age) for age in ages]
    return layers.Concatenate()([layers.Cropping1D(crop)(padded) for crop in crops])


def logits_model(model: keras.Model) -> keras.Model:
    """The same layers with what the loss needs, before any softmax.

    Returns:
        A model from ``images`` to a dict: ``logits`` (batch, 10), the answer;
        ``step_logits`` (batch, 28, 10), y_t; ``belief_logits`` (batch, 28, 10), what
        the downward reader says (the same tensor as y_t without an upward reader);
        and ``score_logits`` (batch, 1) where the network has a score.
    """
    by_name = {layer.name: layer.output for layer in model.layers}
    outputs = {
        "logits": by_name["logits"],
        "step_logits": by_name["readout"],
        "belief_logits": by_name.get("belief", by_name["readout"]),
    }
    if "score_readout" in by_name:
        outputs["score_logits"] = by_name["score_readout"]
    return keras.Model(model.input, outputs)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PRESETS:
        sys.exit(f"usage: python -m model.network {{{','.join(PRESETS)}}}")
    build(PRESETS[sys.argv[1]]).summary()
