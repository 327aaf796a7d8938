"""An exported network as a Python object: arrays in, arrays out, nothing about HTTP."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from model import cards, reference, signature
from model.cards import RELEASE
from model.verdict import Thresholds
from model.weights import Network, load_arrays

ONNXRUNTIME_VERSION = ort.__version__
DEFAULT = "scanline"  # the network that answers where nobody chooses
VERSION = "1"  # of a network whose file names none
_SAME = 1e-3  # far above rounding (1e-5), far below what other weights would give


class ModelError(Exception):
    """The model file cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Reading:
    """What the network made of one image.

    `hidden_states` maps an output's name (`signature.hidden_forward(1)` ...) to an array
    (28, units); `step_probabilities` is (28, 10), `probabilities` (10,). `score`, 0..1, is
    how sure it is that this is no digit; None where the network does not say.
    """

    probabilities: np.ndarray
    step_probabilities: np.ndarray
    hidden_states: dict[str, np.ndarray]
    score: float | None = None

    @cached_property
    def digit(self) -> int:
        return int(self.probabilities.argmax())

    @property
    def confidence(self) -> float:
        """Probability of the winning digit, 0..1."""
        return float(self.probabilities[self.digit])


class Predictor:
    """An ONNX network with the signature of `model.signature`.

    Args:
        path: the ``.onnx`` file; its card (`model.cards`) is read as `card`, an empty dict
            where there is none. Its thresholds become `thresholds` (`model.verdict`).
        threads: threads of one inference. One is best for single images (measured:
            a second thread never helps at batch 1, see ``benchmarks/README.md``).

    Raises:
        ModelError: no such file, not an ONNX network, not with that signature, not the file
            whose SHA-256 is in its card, or a card that is not a JSON object or has unusable
            thresholds.
    """

    def __init__(self, path: Path | str = RELEASE / f"{DEFAULT}.onnx", threads: int = 1):
        self.path = Path(path)
        if not self.path.is_file():
            raise ModelError(
                f"no model at {self.path}: give --model an .onnx file made by `make export`"
            )
        if self.path.suffix in (".keras", ".h5"):
            raise ModelError(
                f"{self.path} is a Keras file: export it first with `python -m model.export`"
            )
        self.name = self.path.stem
        self.card = read_card(self.path)
        self.thresholds = self._read_thresholds()
        self.sha256 = self._check_hash(self.path)
        options = ort.SessionOptions()
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads fight over shared cores: the rate then jumps by a factor of two.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no narrower base class
            raise ModelError(f"{self.path} is not a readable ONNX network: {error}") from error
        self.inputs = self._session.get_inputs()
        self.outputs = self._session.get_outputs()
        self.output_names = [output.name for output in self.outputs]
        self.metadata = self._session.get_modelmeta().custom_metadata_map
        self.version = self.metadata.get("version", VERSION)
        self._check_signature()

    def _check_signature(self) -> None:
        if [i.name for i in self.inputs] != [signature.IMAGES]:
            names = ", ".join(i.name for i in self.inputs)
            raise ModelError(
                f"{self.path}: one input named {signature.IMAGES!r} is needed, found {names}"
            )
        required = signature.output_names(layers=1, bidirectional=False)
        missing = [name for name in required if name not in self.output_names]
        if missing:
            raise ModelError(
                f"{self.path} lacks the outputs {', '.join(missing)}: "
                "export it with `python -m model.export`"
            )
        shapes = {
            signature.IMAGES: [signature.STEPS, signature.PIXELS],
            signature.PROBABILITIES: [signature.DIGITS],
            signature.STEP_PROBABILITIES: [signature.STEPS, signature.DIGITS],
            signature.SCORE: [1],
        }
        for node in [*self.inputs, *self.outputs]:
            batch, *shape = node.shape or [None]
            if isinstance(batch, int) or shape != shapes.get(node.name, shape):
                expected = ", ".join(map(str, shapes.get(node.name, ["..."])))
                raise ModelError(
                    f"{self.path}: {node.name} must have the shape (batch, {expected}) with "
                    f"any batch, found {node.shape}"
                )
            if node.type != "tensor(float)":
                raise ModelError(f"{self.path}: {node.name} must be float32, found {node.type}")

    def _read_thresholds(self) -> Thresholds:
        try:
            return Thresholds.from_card(self.card)
        except ValueError as error:
            raise ModelError(f"{cards.card_path(self.path)}: {error}") from error

    def _check_hash(self, path: Path) -> str:
        expected = self.card.get("sha256", {}).get(path.name)
        try:
            found = cards.sha256(path)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}") from error
        if expected is not None and expected != found:
            raise ModelError(
                f"{path} is not the file that {cards.card_path(path)} describes (its SHA-256 is "
                "another): fetch both anew, or export it again with `python -m model.export`"
            )
        return found

    @cached_property
    def weights(self) -> Network | None:
        """The network's numbers, from the ``.npz`` beside it; None where there is none.

        Raises:
            ModelError: it is damaged, or of another network.
        """
        path = self.path.with_suffix(".npz")
        if not path.is_file():
            return None
        self._check_hash(path)
        again = "export the network again with `python -m model.export`"
        try:
            network = load_arrays(path)
        except ValueError as error:
            raise ModelError(f"{error}: {again}") from error
        if not self._computes(network):
            raise ModelError(f"{path} holds other weights than {self.path}: {again}")
        return network

    def _computes(self, network: Network) -> bool:
        """Whether the weights give what the session gives, for one random image."""
        shape = (1, signature.STEPS, signature.PIXELS)
        image = np.random.default_rng(0).uniform(0, signature.WHITE, shape).astype(np.float32)
        actual = self.run(image)
        try:
            expected = reference.forward(network, image)
            return expected.keys() == actual.keys() and all(
                reference.relative_error(expected[name], actual[name]) < _SAME for name in actual
            )
        except (ValueError, LookupError, TypeError):  # shapes that do not fit, unknown words
            return False

    def run(self, images: np.ndarray, outputs: list[str] | None = None) -> dict[str, np.ndarray]:
        """Run the network on a batch.

        Args:
            images: (batch, 28, 28), raw pixels 0..255, white ink on black.
            outputs: names to compute; all when None. Asking for
                `probabilities` alone is the fastest.

        Returns:
            Arrays by name, float32, shapes as in `model.signature`.
        """
        names = self.output_names if outputs is None else outputs
        images = np.ascontiguousarray(images, dtype=np.float32)
        return dict(zip(names, self._session.run(names, {signature.IMAGES: images}), strict=True))

    def read(self, image: np.ndarray) -> Reading:
        """Read one image (28, 28) and keep everything that the network thought on the way."""
        result = {name: array[0] for name, array in self.run(image[None]).items()}
        score = result.get(signature.SCORE)
        return Reading(
            probabilities=result.pop(signature.PROBABILITIES),
            step_probabilities=result.pop(signature.STEP_PROBABILITIES),
            hidden_states={k: v for k, v in result.items() if signature.layer_of(k)},
            score=None if score is None else float(score[0]),
        )


def read_card(path: Path) -> dict[str, Any]:
    """The card of the network `path`; an empty dict where there is none.

    Raises:
        ModelError: it is not a JSON object.
    """
    try:
        return cards.read(cards.card_path(path))
    except ValueError as error:
        raise ModelError(str(error)) from error
