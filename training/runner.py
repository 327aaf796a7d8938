"""A network file as a function of images, through onnxruntime: ten times faster than Keras."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from model import signature
from training.errors import TrainingError

BATCH = 64
_NEEDED = {
    signature.PROBABILITIES: (signature.DIGITS,),
    signature.STEP_PROBABILITIES: (signature.STEPS, signature.DIGITS),
}


class Runner:
    """A ``.keras`` file of `model.network`, or an exported ``.onnx`` file.

    Attributes:
        has_score: whether it says how sure it is that there is no digit.
        answer: names of the outputs with its answer, and its score if any.

    Raises:
        TrainingError: no such file, not readable, or not a network with the names and shapes
            of `model.signature`.
    """

    def __init__(self, path: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more gain nothing at such sizes
        options.log_severity_level = 4  # what goes wrong becomes our own line
        try:
            self._session = onnxruntime.InferenceSession(
                _graph(path), options, providers=["CPUExecutionProvider"]
            )
        except TrainingError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no narrower base class
            raise TrainingError(f"{path} is not a readable ONNX network: {error}") from error
        outputs = {output.name for output in self._session.get_outputs()}
        missing = [name for name in _NEEDED if name not in outputs]
        if missing:
            raise TrainingError(
                f"{path} lacks the outputs {', '.join(missing)}: "
                "export it with `python -m model.export`"
            )
        self.has_score = signature.SCORE in outputs
        self.answer = [signature.PROBABILITIES] + [signature.SCORE] * self.has_score
        self._try(path)

    def run(
        self, images: np.ndarray, names: Sequence[str] = (signature.PROBABILITIES,)
    ) -> dict[str, np.ndarray]:
        """Run the network over images (count, 28, 28), raw pixels 0..255, of any number type.

        Returns:
            float32 arrays by name, shapes as in `model.signature`.
        """
        starts = range(0, len(images), BATCH)
        batches = (images[start : start + BATCH].astype(np.float32) for start in starts)
        results = [self._session.run(list(names), {signature.IMAGES: batch}) for batch in batches]
        return {
            name: np.concatenate(arrays)
            for name, arrays in zip(names, zip(*results, strict=True), strict=True)
        }

    def _try(self, path: Path) -> None:
        """Two blank images tell whether input, batch and shapes are right."""
        shapes = _NEEDED | ({signature.SCORE: (1,)} if self.has_score else {})
        blank = np.zeros((2, signature.STEPS, signature.PIXELS))
        try:
            outputs = self.run(blank, list(shapes))
        except Exception as error:  # see above; and ValueError, for a wrong input's name
            raise TrainingError(
                f"{path} does not take {signature.IMAGES} (batch, 28, 28): {error}"
            ) from error
        for name, shape in shapes.items():
            if outputs[name].shape != (2, *shape):
                raise TrainingError(
                    f"{path}: {name} of two images must have the shape {(2, *shape)}, "
                    f"found {outputs[name].shape}"
                )


def _graph(path: Path) -> bytes:
    """The ONNX graph of the file, serialized."""
    if not path.is_file():
        raise TrainingError(f"no model at {path}: give a .keras or an .onnx file")
    if path.suffix == ".onnx":
        try:
            return path.read_bytes()
        except OSError as error:
            raise TrainingError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix != ".keras":
        raise TrainingError(f"{path} is neither a .keras nor an .onnx file")
    from model import weights
    from model.export import onnx_graph

    try:
        return onnx_graph.build(weights.load(path)).SerializeToString()
    except ValueError as error:
        raise TrainingError(f"{path} cannot be used: {error}") from error
