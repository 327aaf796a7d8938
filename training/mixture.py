"""What one training step sees: mostly MNIST, and some of everything that people draw.

Beside MNIST's digits a batch holds pen digits of other people, some of them unfinished,
degraded digits and drawings that are no digit. All are rendered once, by the code that the
app runs, and warped anew each time they are seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.data import Digits
from training.degrade import degrade
from training.errors import TrainingError
from training.sources import omniglot, pendigits, render, scribbles

NO_DIGIT = 10  # label of drawings that are no digit
_UNFINISHED = replace(render.ANY, share=(0.4, 0.95))


@dataclass(frozen=True)
class Part:
    """Where a share of each batch comes from."""

    digits: Digits
    share: float


def digits_only(training: Digits) -> list[Part]:
    """MNIST alone."""
    return [Part(training, 1.0)]


def everything(training: Digits, folder: Path, seed: int, spoiled: float) -> list[Part]:
    """MNIST and the other sources, rendered: about a minute.

    Args:
        training: MNIST's training digits; the first part.
        folder: holds the files that `training.sources` name.
        seed: of all random choices.
        spoiled: share of degraded digits; the first part gives it up.

    Raises:
        TrainingError: a file is missing or degraded.
    """
    rng = np.random.default_rng([seed, 0])
    pens, _ = pendigits.split(pendigits.load(folder))
    characters, _ = omniglot.split(omniglot.load(folder))
    chosen = rng.choice(len(training), min(50_000, len(training)), replace=False)
    degraded = degrade(training.images[chosen], rng)
    strokes = scribbles.draw(rng, 12_000)
    no_digits = np.concatenate(
        [
            render.to_images(strokes, rng, render.ANY),
            render.pictures_to_images([c.image for c in characters] * 5, rng, render.ANY),
        ]
    )
    return [
        Part(training, 0.83 - spoiled),
        Part(_drawn(pens * 4, rng, render.ANY), 0.09),
        Part(_drawn(pens, rng, _UNFINISHED), 0.02),
        Part(Digits(degraded, training.labels[chosen]), spoiled),
        Part(Digits(no_digits, np.full(len(no_digits), NO_DIGIT, np.uint8)), 0.06),
    ]


def first_count(parts: list[Part], batch: int) -> int:
    """Digits of the first part in each batch; they stand at its beginning.

    Raises:
        TrainingError: there is no room for any.
    """
    count = _counts(parts, batch)[0]
    if count < 1:
        raise TrainingError(f"a batch of {batch} has no room for MNIST: give a larger --batch-size")
    return count


def steps_an_epoch(parts: list[Part], batch: int) -> int:
    """Steps in which each digit of the first part is seen once."""
    return len(parts[0].digits) // first_count(parts, batch)


def batches(
    parts: list[Part], batch: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch: the first part's digits once each in random order, the others' at random.

    What does not fill a batch waits for the next epoch.
    """
    counts = _counts(parts, batch)
    order = rng.permutation(len(parts[0].digits))
    for step in range(steps_an_epoch(parts, batch)):
        rows = [order[step * counts[0] : (step + 1) * counts[0]]]
        rows += [
            rng.integers(0, len(part.digits), count)
            for part, count in zip(parts[1:], counts[1:], strict=True)
        ]
        chosen = list(zip(parts, rows, strict=True))
        yield (
            np.concatenate([part.digits.images[row] for part, row in chosen]),
            np.concatenate([part.digits.labels[row] for part, row in chosen]),
        )


def _counts(parts: list[Part], batch: int) -> list[int]:
    """Digits of each part in a batch; the first takes what rounding leaves."""
    others = [round(part.share * batch) for part in parts[1:]]
    return [batch - sum(others), *others]


def _drawn(digits: list, rng: np.random.Generator, style: render.Style) -> Digits:
    images = render.to_images([digit.strokes for digit in digits], rng, style)
    return Digits(images, np.array([digit.label for digit in digits], np.uint8))
