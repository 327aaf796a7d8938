"""Small networks of every kind, with weights that make every part count."""

from dataclasses import replace

import keras
import numpy as np

from model import signature
from model.network import PRESETS, NetworkConfig, build

CONFIGS: dict[str, NetworkConfig] = {
    **{name: replace(config, units=(8,) * len(config.units)) for name, config in PRESETS.items()},
    "window and score": NetworkConfig(
        units=(6, 4), merge_mode="concat", activation="relu", window=3, score_units=5
    ),
    "window downward": NetworkConfig(units=(6,), bidirectional=False, window=4, score_units=3),
    "deep downward": NetworkConfig(units=(6, 4), bidirectional=False, normalization=True),
    "relu sum": NetworkConfig(units=(5, 5, 5), activation="relu", merge_mode="sum"),
    "uneven concat": NetworkConfig(units=(7, 3), merge_mode="concat"),
}


def random_network(config: NetworkConfig, seed: int = 0) -> keras.Model:
    """Fresh biases and gammas are constants that would hide a mistake: make them random."""
    keras.utils.set_random_seed(seed)
    model = build(config)
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if variable.name in ("bias", "beta", "gamma"):
            shift = rng.normal(0, 0.3, variable.shape)
            variable.assign(np.asarray(variable) + shift.astype(np.float32))
    return model


def random_images(count: int, seed: int = 0) -> np.ndarray:
    """(count, 28, 28) float32, raw pixels 0..255."""
    shape = (count, signature.STEPS, signature.PIXELS)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)
