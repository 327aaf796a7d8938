"""All ways in which a picture may be meant: without neighbours, lines, bars, frames or a table."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from model.images.digit_count import count_digits
from model.images.frames import sheets, without_bars
from model.images.masks import Box
from model.images.parts import digit_alone, without_rules
from model.images.preprocess import (
    WORK,
    Found,
    Preprocessed,
    find_ink,
    find_ink_in_many,
    is_alone,
    many_in_convention,
)
from model.images.steps import Stage
from model.signature import PIXELS, STEPS, WHITE

_LEAST_SIDE, _FILLED = 8, 0.5  # of a rectangle: pixels, and the share that is ink
_LEAST_SHARE = 0.1  # of the ink: what is left of it when less is, was the page
_ENOUGH = 2**14  # pixels for a median


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
    [found] = candidates_of_many([picture])
    return found


def candidates_of_many(pictures: Sequence[Image.Image | np.ndarray]) -> list[list[Candidate]]:
    """The same of many pictures; drawings of one size are looked at together."""
    wholes = find_ink_in_many(pictures)
    ways = [[plain] for plain in _candidates(wholes)]
    # The network's own size is of digits that were cut out.
    cut_out = [i for i, whole in enumerate(wholes) if whole.grey.shape == (STEPS, PIXELS)]
    holes = _holes({i: wholes[i] for i in cut_out if ways[i][0].digits == 1})
    for i, hole in zip(holes, _candidates([*holes.values()]), strict=True):
        ways[i].append(hole)
    for i in {*range(len(wholes))}.difference(cut_out):
        ways[i] = _ways(wholes[i], *ways[i])
    return ways


def _ways(whole: Found, plain: Candidate) -> list[Candidate]:
    """All candidates of a picture, of which `plain` takes all ink."""
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


def _holes(wholes: Mapping[Any, Found]) -> dict[Any, Found]:
    """Of those of 28 x 28 that show a filled rectangle, what is left blank in it.

    It may be a digit on a ground of the ink's tone.
    """
    if not wholes:
        return {}
    inks = np.stack([whole.ink for whole in wholes.values()])
    inked = inks > (inks.max(axis=(1, 2)) // 2)[:, None, None]
    starts, sizes = [], []
    for axis in (2, 1):  # rows, columns
        any_ink = inked.any(axis=axis)
        starts.append(any_ink.argmax(axis=1))
        sizes.append(any_ink.shape[1] - any_ink[:, ::-1].argmax(axis=1) - starts[-1])
    filled = inked.sum(axis=(1, 2), dtype=np.int32) >= _FILLED * sizes[0] * sizes[1]
    filled &= np.minimum(*sizes) >= _LEAST_SIDE
    holes = {}
    for i, ink, is_filled, *box in zip(wholes, inks, filled, *starts, *sizes, strict=True):
        if is_filled:
            y, x, height, width = box
            cut = np.s_[y : y + height, x : x + width]
            hole = np.zeros_like(ink)
            hole[cut] = ink.max() - ink[cut]
            holes[i] = wholes[i].having(hole)
    return holes


def _within(whole: Found, box: Box, mask: np.ndarray | None = None) -> list[Candidate]:
    """The digit in a part of the picture, if it lies within."""
    part, mask = _cut_out(whole, box, mask)
    found = find_ink(part)
    if not found.has_ink:
        return []
    if mask is not None:
        mask = np.asarray(Image.fromarray(mask).resize(found.small.size))
    alone = digit_alone(found.ink, mask)
    return [_candidate(found.having(alone.ink), whole.small)] if alone.fits else []


def _candidate(found: Found, whole: Image.Image | None = None) -> Candidate:
    [candidate] = _candidates([found], whole)
    return candidate


def _candidates(founds: Sequence[Found], whole: Image.Image | None = None) -> list[Candidate]:
    """One of each; where they are parts of a picture, that is `whole`."""
    stages = [{} if whole is None else {Stage.PICTURE: whole} for _ in founds]
    first = Stage.PICTURE if whole is None else Stage.CLOSER
    seen = many_in_convention(founds, [each.__setitem__ for each in stages], first)
    return [
        Candidate(one, count_digits(of[Stage.CROPPED]) if one.has_ink else 0, of)
        for one, of in zip(seen, stages, strict=True)
    ]


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
    pixels[~mask] = np.median(pixels[mask][:: 1 + mask.size // _ENOUGH], axis=0)
    return Image.frombytes(part.mode, part.size, pixels.tobytes()), mask
