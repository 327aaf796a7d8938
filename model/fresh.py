"""Fresh weights of the textbook's network in NumPy, distributed as Keras draws them."""

import numpy as np

from model import signature
from model.weights import Cell, Dense, Layer, Network

UNITS = 128


def fresh(input_gain: float = 1.0, seed: int = 1, units: int = UNITS) -> Network:
    """Draw the weights with which training of the preset `elman` begins.

    U is uniform in ±input_gain √(6 / (inputs + units)), and V the same without the gain (Glorot &
    Bengio 2010, eq. 16); W is a random orthogonal matrix (Saxe et al. 2014); biases are 0. Same
    distributions as `model.network.build` has, other numbers: Keras draws by another generator.
    """
    rng = np.random.default_rng(seed)

    def uniform(inputs: int, outputs: int, gain: float = 1.0) -> np.ndarray:
        most = gain * np.sqrt(6 / (inputs + outputs))
        return rng.uniform(-most, most, (inputs, outputs)).astype(np.float32)

    q, r = np.linalg.qr(rng.normal(size=(units, units)))
    cell = Cell(
        kernel=uniform(signature.PIXELS, units, input_gain),
        recurrent_kernel=(q * np.sign(np.diag(r))).astype(np.float32),  # else not uniform
        bias=np.zeros(units, np.float32),
    )
    readout = Dense(uniform(units, signature.DIGITS), np.zeros(signature.DIGITS, np.float32))
    return Network(1 / signature.WHITE, (Layer(cell, None, "tanh", None, None),), readout, None)
