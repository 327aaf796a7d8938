"""What a network is tried on: images made anew, by the code that the app runs.

All functions are seeded by the generator that they are given; images are uint8
(count, 28, 28) or, after `seen_by_app`, float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from model.images.preprocess import preprocess
from model.signature import PIXELS, STEPS
from training.data import Digits
from training.sources import fonts, omniglot, optdigits, pendigits, render, scribbles
from training.sources.pendigits import PenDigit

SCRIBBLES = 1_000
ALPHABET, SCRIBBLED = "held-out alphabet", "held-out scribbles"
LETTERS = "held-out fonts' letters and signs"


def sample(digits: Digits, count: int, rng: np.random.Generator) -> Digits:
    """`count` digits drawn without repetition, or all where there are fewer."""
    chosen = rng.choice(len(digits), min(count, len(digits)), replace=False)
    return Digits(digits.images[chosen], digits.labels[chosen])


def seen_by_app(images: Sequence[np.ndarray]) -> np.ndarray:
    """Each through `preprocess`, alone on its page; one without ink stays blank."""
    seen = [preprocess(image).image for image in images]
    return np.array(seen, np.float32).reshape(-1, STEPS, PIXELS)


def shifted(images: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Each moved by whole pixels to one of the four sides; what leaves the field is lost."""
    if not pixels:
        return images
    results = np.zeros_like(images)
    directions = rng.integers(0, 4, len(images))
    for turns in range(4):
        # Turned so that the side it goes to is on the right.
        chosen = np.rot90(images[directions == turns], turns, axes=(1, 2))
        moved = np.zeros_like(chosen)
        moved[:, :, pixels:] = chosen[:, :, :-pixels]
        results[directions == turns] = np.rot90(moved, -turns, axes=(1, 2))
    return results


def turned(images: np.ndarray, degrees: float) -> np.ndarray:
    """Each turned around the field's middle, counter-clockwise, bilinear."""
    return ndimage.rotate(images, degrees, axes=(1, 2), reshape=False, order=1)


def pens(folder: Path) -> list[PenDigit] | None:
    """Digits of the writers held out, or None where `folder` holds no such file.

    Raises:
        TrainingError: the file is damaged.
    """
    if not (folder / pendigits.FILE).is_file():
        return None
    _, held_out = pendigits.split(pendigits.load(folder))
    return held_out


@dataclass(frozen=True)
class Written:
    """What the font families held out write, as the app would see each character alone."""

    digits: Digits
    letters: np.ndarray
    versions: dict[str, str]


def written(folder: Path) -> Written | None:
    """Digits, letters and signs of the families held out, or None where no
    `fonts` folder has any.

    Raises:
        TrainingError: it holds no font, or a damaged one.
    """
    if not (folder / fonts.FOLDER).is_dir():
        return None
    glyphs, versions = fonts.load(folder / fonts.FOLDER)
    _, held_out = fonts.split(glyphs)
    if not held_out:
        return None
    images = np.rint(seen_by_app(fonts.pages(held_out))).astype(np.uint8)
    is_digit = np.array([glyph.is_digit for glyph in held_out], bool)
    labels = [int(glyph.character) for glyph in held_out if glyph.is_digit]
    used = {glyph.font for glyph in held_out}
    return Written(
        Digits(images[is_digit], np.array(labels, np.uint8)),
        images[~is_digit],
        {font: version for font, version in versions.items() if font in used},
    )


def scanned(folder: Path) -> Digits | None:
    """`optdigits` as the app would see them, or None where `folder` holds no such file.

    Raises:
        TrainingError: the file is damaged.
    """
    path = optdigits.find(folder)
    if path is None:
        return None
    digits = optdigits.load(path)
    pages = np.pad(digits.images, ((0, 0), (2, 2), (2, 2)))  # ink may touch the edge
    return Digits(seen_by_app(pages), digits.labels)


def drawn(digits: Sequence[PenDigit], style: render.Style, rng: np.random.Generator) -> Digits:
    """Pen digits as `style` says."""
    images = render.to_images([digit.strokes for digit in digits], rng, style)
    return Digits(images, np.array([digit.label for digit in digits], np.uint8))


def no_digits(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Images of what is no digit and was never trained on, in any thickness and size.

    Characters of the alphabet held out are left out where `folder` holds no such file.

    Raises:
        TrainingError: the file is damaged.
    """
    strokes = scribbles.draw(rng, SCRIBBLES, scribbles.HELD_OUT_KINDS)
    images = {SCRIBBLED: render.to_images(strokes, rng, render.ANY)}
    if (folder / omniglot.FILE).is_file():
        _, held_out = omniglot.split(omniglot.load(folder))
        if held_out:
            pictures = [character.image for character in held_out]
            images[ALPHABET] = render.pictures_to_images(pictures, rng, render.ANY)
    return images
