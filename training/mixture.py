"""What one training step sees: mostly MNIST, and some of everything that people draw.

Beside MNIST's digits a batch holds pen digits of other people, some of them unfinished, our own
strokes for other schools' forms, digits of handwriting fonts where there are any, degraded digits
and drawings that are no digit. All are rendered once, by the code that the app runs, and warped
anew each time they are seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from model.images.preprocess import preprocess
from training.data import Digits
from training.degrade import degrade
from training.errors import TrainingError
from training.sources import fonts, letterforms, omniglot, pendigits, render, scribbles

NO_DIGIT = 10  # label of drawings that are no digit
LIKE_USE = 5_000  # validation digits that are redrawn, and that are degraded
FORMED = 240  # digits of each skeleton of a letterform
FONTS_RETRACED = 6  # times that each character of a font is drawn by another pen
TOUCHING = 3_000  # pairs of pen digits that touch
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
        folder: holds the files that `training.sources` name; fonts may be missing.
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
    no_digits = [
        render.to_images(strokes, rng, render.ANY),
        render.pictures_to_images([c.image for c in characters] * 5, rng, render.ANY),
        render.to_images(touching(pens, rng), rng, render.ANY),
    ]
    parts = [
        Part(_drawn(pens * 4, rng, render.ANY), 0.09),
        Part(_drawn(pens, rng, _UNFINISHED), 0.02),
        Part(_drawn(letterforms.draw(rng, FORMED), rng, render.ANY), 0.06),
        Part(Digits(degraded, training.labels[chosen]), spoiled),
    ]
    if (folder / fonts.FOLDER).is_dir():
        glyphs, held_out = fonts.split(fonts.load(folder / fonts.FOLDER)[0])
        if not glyphs:
            names = ", ".join(sorted({glyph.font for glyph in held_out}))
            raise TrainingError(
                f"all fonts in {folder / fonts.FOLDER} ({names}) are of families held out: add "
                "others (docs/train.md names 46), or take the folder away"
            )
        digits = [glyph for glyph in glyphs if glyph.is_digit]
        labels = np.tile([int(glyph.character) for glyph in digits], 1 + FONTS_RETRACED)
        parts.append(Part(Digits(_written(digits, rng), labels.astype(np.uint8)), 0.03))
        letters = _written([glyph for glyph in glyphs if not glyph.is_digit], rng)
        parts.append(Part(_none(letters), 0.04))
    parts.append(Part(_none(np.concatenate(no_digits)), 0.06))
    return [Part(training, 1 - sum(part.share for part in parts)), *parts]


def fonts_learnt(folder: Path) -> dict[str, str]:
    """The fonts that `everything` finds in `folder`, and their versions."""
    if not (folder / fonts.FOLDER).is_dir():
        return {}
    glyphs, versions = fonts.load(folder / fonts.FOLDER)
    names = {glyph.font for glyph in fonts.split(glyphs)[0]}
    return {name: version for name, version in versions.items() if name in names}


def like_use(validation: Digits, seed: int) -> tuple[Digits, Digits]:
    """Digits that nothing was learnt from as people bring them: clean ones, MNIST's as they are and
    drawn again by pens of any width, and degraded ones; for `training.calibrate`."""
    rng = np.random.default_rng([seed, 1])
    redrawn, spoiled = (
        rng.choice(len(validation), min(LIKE_USE, len(validation)), replace=False) for _ in range(2)
    )
    drawn = render.pictures_to_images(list(validation.images[redrawn]), rng, render.ANY)
    clean = Digits(
        np.concatenate([validation.images, drawn]),
        np.concatenate([validation.labels, validation.labels[redrawn]]),
    )
    return clean, Digits(degrade(validation.images[spoiled], rng), validation.labels[spoiled])


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


def _none(images: np.ndarray) -> Digits:
    return Digits(images, np.full(len(images), NO_DIGIT, np.uint8))


def _written(glyphs: list[fonts.Glyph], rng: np.random.Generator) -> np.ndarray:
    """Each once as the font has it, and then by pens of any width."""
    retraced = render.pictures_to_images(
        [glyph.image for glyph in glyphs] * FONTS_RETRACED, rng, render.ANY
    )
    plain = np.rint([preprocess(page).image for page in fonts.pages(glyphs)]).astype(np.uint8)
    return np.concatenate([plain, retraced])


def touching(pens: list[pendigits.PenDigit], rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Two digits side by side, so near that their boxes overlap and most of them touch."""
    drawings = []
    for left, right in rng.integers(0, len(pens), (TOUCHING, 2)):
        first = render.placed(pens[left].strokes, 1.0, 0, 0)
        second = render.placed(pens[right].strokes, rng.uniform(0.8, 1.2), 0, 0)
        width = np.concatenate(first)[:, 0].max()
        overlap = rng.uniform(0, min(0.15, width / 3))
        moved = (width - overlap, rng.uniform(-0.15, 0.15))
        drawings.append([*first, *(stroke + moved for stroke in second)])
    return drawings
