"""A trained network as plain arrays, by layer: what `reference` and `onnx_graph` compute from.

They come out of a ``.keras`` file, or out of an ``.npz`` that needs NumPy alone: float32 arrays
named by their place (``layer_1.forward.kernel``), and a text ``structure``, JSON with the rest.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model import signature
from model.files import atomic

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Cell:
    """One reader: state = f(x @ kernel + previous state @ recurrent_kernel + bias)."""

    kernel: np.ndarray  # (inputs, units), U transposed
    recurrent_kernel: np.ndarray  # (units, units), W transposed
    bias: np.ndarray  # (units,), b

    @property
    def units(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Normalization:
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, over the last axis."""

    gamma: np.ndarray  # (features,)
    beta: np.ndarray  # (features,)
    epsilon: float


@dataclass(frozen=True)
class Layer:
    forward: Cell
    backward: Cell | None
    activation: str  # "tanh" or "relu"
    merge_mode: str | None  # "sum" or "concat"; None without a backward cell
    normalization: Normalization | None


@dataclass(frozen=True)
class Dense:
    kernel: np.ndarray  # (inputs, digits)
    bias: np.ndarray  # (digits,)


@dataclass(frozen=True)
class Network:
    """All numbers of a network; see `model.network` for the equations."""

    scale: float  # raw pixels are multiplied by it
    layers: tuple[Layer, ...]
    readout: Dense
    belief: Dense | None  # None: the belief is the read-out's own y_t
    score: tuple[Dense, Dense] | None = None  # hidden layer (relu) and read-out (sigmoid)
    window: int = 1  # rows that the first layer reads at each step

    @property
    def bidirectional(self) -> bool:
        return self.layers[0].backward is not None


def from_keras(model: "keras.Model") -> Network:
    """Take the arrays (float32) out of a model that `model.network.build` made.

    Raises:
        ValueError: the model has other layers than `build` makes.
    """
    by_name = {layer.name: layer for layer in model.layers}
    try:
        depth = sum(f"rnn_{n}" in by_name or f"rnn_{n}_forward" in by_name for n in range(1, 100))
        return Network(
            scale=float(by_name["scale"].scale),
            layers=tuple(_layer(by_name, number) for number in range(1, depth + 1)),
            readout=_dense(by_name["readout"]),
            belief=_dense(by_name["belief"]) if "belief" in by_name else None,
            score=(_dense(by_name["score_hidden"]), _dense(by_name["score_readout"]))
            if "score_readout" in by_name
            else None,
            window=_window(by_name),
        )
    except (KeyError, IndexError, AttributeError) as error:
        raise ValueError(
            f"not a network of model/network.py (layers: {', '.join(by_name)}): {error!r}"
        ) from error


def load(path: Path | str) -> Network:
    """Read a ``.keras`` file; see `load_keras` for the errors."""
    return from_keras(load_keras(path))


def load_keras(path: Path | str) -> "keras.Model":
    """Load a ``.keras`` file, or raise ValueError with a line that says what is wrong."""
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder: give the file in it, for example best.keras")
    if not Path(path).is_file():
        raise ValueError(f"no such file: {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a .keras file")
    import keras  # slow; not needed by those who only use the dataclasses

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever the broken part of the file led to
        first_line = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} is not a readable .keras file: {first_line}") from error


def save_arrays(network: Network, path: Path) -> None:
    """Write the ``.npz`` file, in one move; the same network gives the same bytes.

    Raises:
        OSError: `path` is not writable.
    """
    structure = {
        "scale": network.scale,
        "window": network.window,
        "layers": [
            {
                "activation": layer.activation,
                "merge_mode": layer.merge_mode,
                "backward": layer.backward is not None,
                "epsilon": layer.normalization and layer.normalization.epsilon,
            }
            for layer in network.layers
        ],
        "belief": network.belief is not None,
        "score": network.score is not None,
    }
    hidden, readout = network.score or (None, None)
    parts = {"readout": network.readout, "belief": network.belief}
    parts |= {"score_hidden": hidden, "score_readout": readout}
    for number, layer in enumerate(network.layers, start=1):
        for name in ("forward", "backward", "normalization"):
            parts[f"layer_{number}.{name}"] = getattr(layer, name)
    arrays = {
        f"{name}.{field}": value
        for name, of in parts.items()
        for field, value in (vars(of) if of else {}).items()
        if isinstance(value, np.ndarray)
    }
    with atomic(path) as part, part.open("wb") as file:
        np.savez(file, structure=np.array(json.dumps(structure)), **arrays)


def load_arrays(path: Path) -> Network:
    """Read what `save_arrays` wrote, or raise ValueError with a line that says what is wrong."""
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return _from_arrays(json.loads(str(file["structure"])), file)
    except Exception as error:  # zip file, array and JSON each raise their own when broken
        raise ValueError(f"{path} is not a readable file of weights: {error!r}") from error


def _from_arrays(structure: dict[str, Any], file: Mapping[str, np.ndarray]) -> Network:
    def part(kind: type, name: str, **others: float) -> Any:
        names = [field.name for field in fields(kind) if field.name not in others]
        arrays = {field: file[f"{name}.{field}"] for field in names}
        if any(array.dtype != np.float32 for array in arrays.values()):
            raise ValueError(f"{name} is not float32")
        return kind(**arrays, **others)

    def layer(number: int, described: dict[str, Any]) -> Layer:
        name, epsilon = f"layer_{number}", described["epsilon"]
        return Layer(
            forward=part(Cell, f"{name}.forward"),
            backward=part(Cell, f"{name}.backward") if described["backward"] else None,
            activation=described["activation"],
            merge_mode=described["merge_mode"],
            normalization=None
            if epsilon is None
            else part(Normalization, f"{name}.normalization", epsilon=epsilon),
        )

    return Network(
        scale=structure["scale"],
        layers=tuple(layer(n, each) for n, each in enumerate(structure["layers"], start=1)),
        readout=part(Dense, "readout"),
        belief=part(Dense, "belief") if structure["belief"] else None,
        score=(part(Dense, "score_hidden"), part(Dense, "score_readout"))
        if structure["score"]
        else None,
        window=structure["window"],
    )


def _layer(by_name: dict, number: int) -> Layer:
    normalization = by_name.get(f"normalization_{number}")
    merge = by_name.get(f"merge_{number}")
    if f"rnn_{number}_forward" in by_name:
        forward, backward = by_name[f"rnn_{number}_forward"], by_name[f"rnn_{number}_backward"]
    else:
        rnn = by_name[f"rnn_{number}"]
        forward, backward = getattr(rnn, "forward_layer", rnn), getattr(rnn, "backward_layer", None)
    return Layer(
        forward=_cell(forward),
        backward=backward and _cell(backward),
        activation=forward.activation.__name__,
        merge_mode={"Add": "sum", "Concatenate": "concat"}[type(merge).__name__] if merge else None,
        normalization=normalization
        and Normalization(
            gamma=_array(normalization.gamma),
            beta=_array(normalization.beta),
            epsilon=normalization.epsilon,
        ),
    )


def _window(by_name: dict) -> int:
    first = by_name.get("rnn_1_forward") or by_name["rnn_1"]
    cell = getattr(first, "forward_layer", first).cell
    return cell.kernel.shape[0] // signature.PIXELS


def _cell(rnn: "keras.layers.SimpleRNN") -> Cell:
    cell = rnn.cell
    return Cell(_array(cell.kernel), _array(cell.recurrent_kernel), _array(cell.bias))


def _dense(layer: "keras.layers.Dense") -> Dense:
    return Dense(_array(layer.kernel), _array(layer.bias))


def _array(variable: "keras.Variable") -> np.ndarray:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable), dtype=np.float32)
