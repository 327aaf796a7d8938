"""An exported network as a Python object: arrays in, arrays out, nothing about HTTP.

The only module that opens an ONNX Runtime session.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; 1.32 reports home without it
import onnxruntime as ort

from model import cards, reference, signature
from model.cards import RELEASE
from model.prediction import Prediction, Prepared, best, predictions
from model.verdict import NO_INK, Thresholds, Verdict
from model.weights import Network, load_arrays

RUNTIME_VERSION = ort.__version__
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DEFAULT = "scanline"  # the network that answers where nobody chooses
VERSION = "1"  # of a network whose file names none
_KEPT_BATCH = 64  # images; what a larger inference took goes back to the system
_SAME = 1e-3  # far above rounding (1e-5), far below what other weights would give


class ModelError(Exception):
    """The model file cannot be used; the message says what to do."""


def open_session(
    model: Path | bytes,
    name: Path | str | None = None,
    threads: int = 1,
    arena: bool = True,
    provider: str = "cpu",
) -> ort.InferenceSession:
    """Open an ONNX file, or its bytes.

    Args:
        model: what to open.
        name: for the error's message; else `model`, a path.
        threads: threads of one inference.
        arena: keep the memory of an inference for the next one.
        provider: what computes, one of `PROVIDERS`.

    Raises:
        ModelError: ONNX Runtime cannot read it, or lacks the provider.
    """
    if PROVIDERS.get(provider) not in ort.get_available_providers():
        raise ModelError(
            f"this ONNX Runtime cannot use {provider}: pip uninstall onnxruntime, then "
            f"pip install onnxruntime-gpu=={RUNTIME_VERSION}"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    # Spinning threads fight over shared cores: the rate then jumps by a factor of two.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong becomes our own line
    try:
        # Without a fallback, which says on standard output that it takes another provider.
        session = ort.InferenceSession(
            model, options, providers=[PROVIDERS[provider]], enable_fallback=0
        )
    except Exception as error:  # onnxruntime's exceptions share no narrower base class
        if provider == "cpu":
            raise ModelError(f"{name or model} is not a readable ONNX network: {error}") from error
        raise ModelError(f"{name or model} cannot be opened with {provider}: {error}") from error
    if PROVIDERS[provider] not in session.get_providers():
        raise ModelError(f"{provider} does not work here: check its driver and libraries")
    return session


class Predictor:
    """An ONNX network with the signature of `model.signature`.

    Args:
        path: the ``.onnx`` file; its card (`model.cards`) is read as `card`, an empty dict
            where there is none. Its thresholds become `thresholds` (`model.verdict`).
        threads: threads of one inference. One is best for single images (measured:
            a second thread never helps at batch 1, see ``benchmarks/README.md``).
        graph: the ONNX graph itself, where `path` is the file that it was made from.
        provider: see `open_session`.

    Raises:
        ModelError: no such provider or file, not an ONNX network, not with that signature, not
            the file whose SHA-256 is in its card, or a card that is not a JSON object or has
            unusable thresholds.
    """

    def __init__(
        self,
        path: Path | str = RELEASE / f"{DEFAULT}.onnx",
        threads: int = 1,
        graph: bytes | None = None,
        provider: str = "cpu",
    ):
        self.path = Path(path)
        if not self.path.is_file():
            raise ModelError(
                f"no model at {self.path}: give --model an .onnx file made by "
                "`python -m model.export`"
            )
        if graph is None and self.path.suffix in (".keras", ".h5"):
            raise ModelError(
                f"{self.path} is a Keras file: export it first with `python -m model.export`"
            )
        self.name = self.path.stem
        self.card = read_card(self.path)
        self.thresholds = self._read_thresholds()
        self.sha256 = self._check_hash(self.path)
        source = self.path if graph is None else graph
        self._session = open_session(source, self.path, threads, provider=provider)
        # Both at once: the file may be another one later.
        self._large_session = open_session(source, self.path, threads, False, provider)
        self.inputs = self._session.get_inputs()
        self.outputs = self._session.get_outputs()
        self.output_names = [output.name for output in self.outputs]
        self.answer_names = [
            name for name in self.output_names if name in (signature.PROBABILITIES, signature.SCORE)
        ]
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
        session = self._large_session if len(images) > _KEPT_BATCH else self._session
        return dict(zip(names, session.run(names, {signature.IMAGES: images}), strict=True))

    def predict(
        self, prepared: Sequence[Prepared], outputs: list[str] | None = None
    ) -> list[Prediction]:
        """Read pictures in one inference; the network is not asked about those without ink.

        Where a picture may be meant in several ways, the most credible answer is taken
        (`model.prediction.best`). `outputs` are the names to compute, with belief and states
        where they are wanted; `answer_names` when None.
        """
        answers = [Prediction(Verdict(NO_INK))] * len(prepared)
        ways = [(i, way) for i, each in enumerate(prepared) for way in (each, *each.others)]
        ways = [(i, way) for i, way in ways if way.digits]
        if ways:
            inked = [way for _, way in ways]
            rows = np.stack([way.rows for way in inked])
            digits = np.array([way.digits for way in inked])
            found = predictions(
                self.run(rows, outputs or self.answer_names), self.thresholds, digits, inked
            )
            of_each: dict[int, list[Prediction]] = {}
            for (index, _), answer in zip(ways, found, strict=True):
                of_each.setdefault(index, []).append(answer)
            for index, each in of_each.items():
                answers[index] = best(each)
        return answers

    def read(self, rows: np.ndarray, digits: int = 1) -> Prediction:
        """Read one picture and keep everything that the network thought on the way.

        Args:
            rows, digits: see `Prepared`.
        """
        [answer] = predictions(self.run(rows[None]), self.thresholds, digits)
        return answer


def read_card(path: Path) -> dict[str, Any]:
    """The card of the network `path`; an empty dict where there is none.

    Raises:
        ModelError: it is not a JSON object.
    """
    try:
        return cards.read(cards.card_path(path))
    except ValueError as error:
        raise ModelError(str(error)) from error


def find(paths: Iterable[Path]) -> dict[str, Path]:
    """Network files by name, a file's name without ``.onnx``.

    Args:
        paths: network files, and folders whose ``.onnx`` files all count: `DEFAULT` first,
            then by name. A file that comes up again counts once.

    Raises:
        ModelError: a folder without networks, two networks of the same name, or no path at all.
    """
    found: dict[str, Path] = {}
    for path in paths:
        for file in _in_folder(path) if path.is_dir() else [path]:
            known = found.setdefault(file.stem, file)
            if known.resolve() != file.resolve():
                raise ModelError(
                    f"two networks are called {file.stem!r}: {known} and {file}; rename one"
                )
    if not found:
        raise ModelError("no model: give --model an .onnx file, or a folder of them")
    return found


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.onnx"), key=lambda file: (file.stem != DEFAULT, file.stem))
    if not files:
        raise ModelError(
            f"no model at {folder}: it must hold .onnx files, made by `python -m model.export`"
        )
    return files
