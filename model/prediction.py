"""One prediction, for page, API, batch and evaluation alike::

picture or strokes -> `prepare` -> rows -> `model.predictor` -> `predictions` (`model.verdict`)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from model import signature
from model.images.candidates import Candidate, candidates_of_many, drawing
from model.images.files import PictureError
from model.images.steps import Stage
from model.images.strokes import render
from model.verdict import Thresholds, Verdict, judge

# An answer as credible goes before later ones (`best`). Of 1,460 brought pictures, 0.5 to 0.95 read
# the same but for two.
CREDIBLE = 0.75


class Prepared(NamedTuple):
    """What the network gets of a picture.

    `rows` are float32 (28, 28), 0 (page) to 255 (ink); `digits` is how many digits the picture
    seems to show, 0 where there is no ink; `inverted`, whether it was dark ink on a light page;
    `stages`, what the picture was on the way, see `Stage`. `others` are further ways in which
    the picture may be meant: the network chooses (`Predictor.predict`).
    """

    rows: np.ndarray
    digits: int
    inverted: bool = False
    stages: Mapping[Stage, Image.Image | np.ndarray] = MappingProxyType({})
    others: tuple["Prepared", ...] = ()


def prepare(picture: Image.Image | np.ndarray) -> Prepared:
    """Bring a picture into MNIST's convention; for a file's bytes, `images.files.open_picture` it.

    Args:
        picture: a Pillow image or an array, see `model.images.preprocess.preprocess`.

    Raises:
        PictureError: it cannot be prepared.
    """
    try:
        [ways] = candidates_of_many([picture])
    except ValueError as error:
        raise PictureError(f"the image cannot be prepared: {error}") from error
    return _of_ways(ways)


def prepare_many(pictures: Sequence[Image.Image | np.ndarray]) -> list[Prepared | PictureError]:
    """The same of many pictures, faster for drawings of one size.

    In place of one that cannot be prepared comes the error.
    """
    try:
        return [_of_ways(ways) for ways in candidates_of_many(pictures)]
    except (ValueError, MemoryError):
        return [_or_error(picture) for picture in pictures]


def _or_error(picture: Image.Image | np.ndarray) -> Prepared | PictureError:
    try:
        return prepare(picture)
    except PictureError as error:
        return error
    except MemoryError:
        return PictureError("not enough memory")


def _of_ways(ways: Sequence[Candidate]) -> Prepared:
    first, *others = map(_prepared, ways)
    return first._replace(others=tuple(others)) if others else first


def prepare_drawing(ink: np.ndarray) -> Prepared:
    """The same of a drawing, (height, width), that has nothing else on it."""
    return _prepared(drawing(ink))


def prepare_strokes(strokes: Sequence[np.ndarray]) -> Prepared:
    """The same of pen strokes, see `model.images.strokes.render`."""
    return prepare_drawing(render(strokes))


def _prepared(candidate: Candidate) -> Prepared:
    seen = candidate.seen
    return Prepared(seen.image, candidate.digits, seen.inverted, candidate.stages)


@dataclass(frozen=True)
class Prediction:
    """What the network made of one picture, and whether to believe it.

    `probabilities` is (10,), None where there is no ink; `score`, 0..1, is how sure the network
    is that this is no digit, None where it does not say. Where all outputs were computed
    (`Predictor.read`), `step_probabilities` is (28, 10), and `hidden_states` maps an output's
    name (`signature.hidden_forward(1)` ...) to an array (28, units).
    """

    verdict: Verdict
    probabilities: np.ndarray | None = None
    score: float | None = None
    step_probabilities: np.ndarray | None = None
    hidden_states: dict[str, np.ndarray] = field(default_factory=dict)
    prepared: Prepared | None = field(default=None, repr=False, compare=False)

    @property
    def credibility(self) -> float:
        """Of an answer with ink: how likely it is a digit, and this one, 0..1."""
        return self.confidence * (1 - (self.score or 0.0))

    @property
    def digit(self) -> int | None:
        """The likeliest; also of a rejected answer, but None without ink."""
        return None if self.probabilities is None else int(self.probabilities.argmax())

    @property
    def confidence(self) -> float | None:
        """Probability of `digit`, 0..1."""
        return None if self.probabilities is None else float(self.probabilities.max())


def predictions(
    outputs: Mapping[str, np.ndarray],
    thresholds: Thresholds,
    digits: np.ndarray | int = 1,
    prepared: Sequence[Prepared | None] | None = None,
) -> list[Prediction]:
    """Judge a batch of the network's answers.

    Args:
        outputs: `probabilities` (count, 10) and, where the network has it, `score` (count, 1);
            what else there is of belief and states goes into each answer.
        thresholds: of the network's card.
        digits: `Prepared.digits` of each, (count,), or one number for all.
        prepared: what was read, where the answers shall say it.
    """
    probabilities, scores = outputs[signature.PROBABILITIES], outputs.get(signature.SCORE)
    verdicts = judge(probabilities, scores, thresholds, digits)
    of_each = [None] * len(verdicts) if scores is None else scores[:, 0].tolist()
    inked = np.broadcast_to(digits, len(verdicts)).tolist()
    beliefs = outputs.get(signature.STEP_PROBABILITIES, [None] * len(verdicts))
    states = {name: value for name, value in outputs.items() if signature.layer_of(name)}
    return [
        Prediction(
            verdict,
            *((answer, score) if has_ink else (None, None)),
            belief,
            {name: value[i] for name, value in states.items()},
            seen,
        )
        for i, (verdict, answer, score, has_ink, belief, seen) in enumerate(
            zip(
                verdicts,
                probabilities,
                of_each,
                inked,
                beliefs,
                prepared or [None] * len(verdicts),
                strict=True,
            )
        )
    ]


def best(answers: Sequence[Prediction]) -> Prediction:
    """Of one picture's answers, one for each way in which it may be meant.

    The first that is accepted and credible, else the most credible that is accepted, else the
    first.
    """
    accepted = [answer for answer in answers if not answer.verdict.rejected]
    credible = [answer for answer in accepted if answer.credibility > CREDIBLE]
    most = max(accepted, key=lambda answer: answer.credibility, default=answers[0])
    return credible[0] if credible else most
