"""All ways in which a picture may be meant: without neighbours, lines, bars, frames or a table."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from model.images.digit_count import count_digits
from model.images.frames import sheets, without_bars
from model.images.masks import Box
from model.images.parts import digit_alone, without_rules
from model.images.preprocess import WORK, Found, Preprocessed, find_ink, in_convention, is_alone
from model.images.steps import Stage
from model.signature import PIXELS, STEPS, WHITE

_LEAST_SIDE, _FILLED = 8, 0.5  # of a rectangle: pixels, and the share that is ink
_LEAST_SHARE = 0.1  # of the ink: what is left of it when less is, was the page


class Candidate(NamedTuple):
    """A picture in MNIST's convention, in one way of seeing it.

    `digits` is how many it seems to show, 0 where there is no ink; `stages` is what was recorded.
    """

    seen: Preprocessed
    digits: int
    stages: dict[Stage, Image.Image | np.ndarray]


def candidates(picture: Image.Image | np.ndarray) -> list[Candidate]:
    """Every way in which a picture may be meant, the one with the best reasons first.

    A drawing alone on its page has one. Which of several shows a digit, the network must say. No
    part of a picture that shows several digits is one.

    Args, Raises: see `model.images.preprocess.preprocess`.
    """
    whole = find_ink(picture)
    plain = _candidate(whole)
    if whole.grey.shape == (STEPS, PIXELS):  # the network's own size: a digit that was cut out
        hole = _hole(whole) if plain.digits == 1 else None
        return [plain] if hole is None else [plain, hole]
    if is_alone(whole) or not (whole.has_ink or np.ptp(whole.grey)):
        return [plain]
    tidy, several = [], False
    if whole.has_ink:
        alone = digit_alone(whole.ink)
        if alone.share >= _LEAST_SHARE:
            tidy = [plain if alone.ink is whole.ink else _candidate(whole.having(alone.ink))]
            several = alone.fits and not alone.has_edges and alone.share >= 0.5
            several = several and tidy[0].digits > 1
    if several:
        return tidy
    bars = without_bars(whole.grey)
    found = [] if bars is None else _within(whole, bars)
    if any(each.digits > 1 for each in found):
        return found
    last = [] if found else [plain]
    found += tidy
    for box, mask in sheets(whole.grey):
        found += _within(whole, box, mask)
    others = [] if not whole.has_ink else [without_rules(alone.ink)]
    if whole.has_ink and whole.is_drawing:
        dark = whole.ink.astype(np.int16) - whole.ink.max() // 2  # a ground of another tone goes
        others.append((2 * dark).clip(0, WHITE).astype(np.uint8))
    for ink in others:
        if ink is not None:
            found.append(_candidate(whole.having(digit_alone(ink).ink)))
    unique: dict[bytes, Candidate] = {}
    for each in found + last:
        if each.digits:
            unique.setdefault(each.seen.image.tobytes(), each)
    return [*unique.values()] or [plain]


def drawing(picture: Image.Image | np.ndarray) -> Candidate:
    """A picture of which all ink is known to be meant."""
    return _candidate(find_ink(picture))


def _hole(whole: Found) -> Candidate | None:
    """What is left blank within a filled rectangle: a digit on a ground of the ink's tone."""
    if not whole.has_ink:
        return None
    inked = whole.ink > whole.ink.max() // 2
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    if min(inked[box].shape) < _LEAST_SIDE or inked[box].mean() < _FILLED:
        return None
    ink = np.zeros_like(whole.ink)
    ink[box] = whole.ink.max() - whole.ink[box]
    return _candidate(whole.having(ink))


def _within(whole: Found, box: Box, mask: np.ndarray | None = None) -> list[Candidate]:
    """The digit in a part of the picture, if it lies within."""
    part, mask = _cut_out(whole, box, mask)
    found = find_ink(part)
    if not found.has_ink:
        return []
    alone = digit_alone(found.ink, mask)
    return [_candidate(found.having(alone.ink), whole.small)] if alone.fits else []


def _candidate(found: Found, whole: Image.Image | None = None) -> Candidate:
    stages = {} if whole is None else {Stage.PICTURE: whole}
    seen = in_convention(found, stages.__setitem__, Stage.CLOSER if stages else Stage.PICTURE)
    return Candidate(seen, count_digits(stages[Stage.CROPPED]) if seen.has_ink else 0, stages)


def _cut_out(
    whole: Found, box: Box, mask: np.ndarray | None
) -> tuple[Image.Image, np.ndarray | None]:
    """The part of the image in `box`, and its mask; the rest gets the colour of what is in it."""
    edges = zip(box, whole.image.size * 2, strict=True)
    part = whole.image.crop([min(edge * whole.factor, end) for edge, end in edges])
    if mask is None:
        return part, None
    factor = -(-max(part.size) // WORK)
    part = part.reduce(factor) if factor > 1 else part
    mask = np.asarray(Image.fromarray(mask).resize(part.size))
    pixels = np.array(part)
    pixels[~mask] = np.median(pixels[mask], axis=0)
    return Image.frombytes(part.mode, part.size, pixels.tobytes()), mask
