"""An exported network as a Python object: arrays in, arrays out, nothing about HTTP."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime as ort

from model import signature
from serving.verdict import Thresholds

RELEASE = Path(__file__).resolve().parent.parent / "model" / "release"


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
        path: the ``.onnx`` file; a ``card.json`` beside it is read as `card`, else that
            is an empty dict. Its thresholds become `thresholds` (`serving.verdict`).
        threads: threads of one inference. One is best for single images (measured:
            a second thread never helps at batch 1, see ``benchmarks/README.md``).

    Raises:
        ModelError: no such file, not an ONNX network, not with that signature, or a card
            that is not a JSON object or has unusable thresholds.
    """

    def __init__(self, path: Path | str = RELEASE / "scanline.onnx", threads: int = 1):
        self.path = Path(path)
        if not self.path.is_file():
            raise ModelError(
                f"no model at {self.path}: give --model an .onnx file made by `make export`"
            )
        if self.path.suffix in (".keras", ".h5"):
            raise ModelError(
                f"{self.path} is a Keras file: export it first with `python -m model.export`"
            )
        options = ort.SessionOptions()
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
        self._check_signature()
        self.card = self._read_card()
        self.thresholds = self._read_thresholds()

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

    @property
    def _card_path(self) -> Path:
        return self.path.with_name("card.json")

    def _read_thresholds(self) -> Thresholds:
        try:
            return Thresholds.from_card(self.card)
        except ValueError as error:
            raise ModelError(f"{self._card_path}: {error}") from error

    def _read_card(self) -> dict:
        path = self._card_path
        if not path.is_file():
            return {}
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:  # not JSON, or not UTF-8
            raise ModelError(f"{path} is not JSON: {error}") from error
        if not isinstance(card, dict):
            raise ModelError(f"{path} must hold a JSON object")
        return card

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
