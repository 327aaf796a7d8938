"""Connected parts of ink: the digit apart from lines, boxes around it and neighbours cut off."""

from typing import NamedTuple

import numpy as np

from model.images.masks import box_of, grown, label, opened, spans_of

_LEAST = 0.08  # of the picture's shorter side: what is smaller is no digit beside other parts
_LINE = 8.0  # a straight line is so many times longer than wide
_SMALL, _APART = 0.25, 0.3  # of the largest part's side: what is smaller and so far off goes
_LARGEST = 16  # so many parts are looked at one by one
_THROUGH = 0.9  # of the ink's width: a line's that goes through it
_WITHIN = 0.25  # of a box's shorter side: a part within it that may be a digit


class Alone(NamedTuple):
    """What `digit_alone` leaves of the ink.

    Attributes:
        ink: the same array where nothing is taken away.
        fits: it is large enough for a digit and does not touch the page's rim.
        share: of the ink's pixels.
        has_edges: some part of it is so long and thin that it may be the edge of something.
    """

    ink: np.ndarray
    fits: bool
    share: float
    has_edges: bool


def digit_alone(ink: np.ndarray, page: np.ndarray | None = None) -> Alone:
    """The ink without what is hardly a digit's, as long as enough for a digit is left.

    In this order: parts that touch the page's rim, parts that enclose others, long straight
    lines, and what is small and far off.

    Args:
        ink: (height, width), 0 (page) to 255 (ink), some of it ink.
        page: bool (height, width), where the page is; all, if it is None.
    """
    mask = ink >= ink.max() / 4  # what is fainter joins nothing, as in `count_digits`
    labels, count = label(mask)
    y, x = np.nonzero(mask)
    of = labels[y, x] - 1
    order = np.argsort(of.astype(np.uint16) if count < 2**16 else of, kind="stable")
    of, points = of[order], np.stack([x[order], y[order]], axis=1)  # part by part
    starts = np.searchsorted(of, np.arange(count))
    low, high = (extreme.reduceat(points, starts) for extreme in (np.minimum, np.maximum))
    side = (high - low).max(axis=1) + 1
    least = _LEAST * min(ink.shape)
    kept = np.ones(count, bool)

    def drop(parts: np.ndarray) -> None:
        nonlocal kept
        left = kept & ~parts
        if (side[left] >= least).any():
            kept = left

    beyond = np.zeros(ink.shape, bool) if page is None else ~page
    beyond[0] = beyond[-1] = beyond[:, 0] = beyond[:, -1] = True
    touching = np.isin(np.arange(1, count + 1), labels[grown(grown(beyond))])
    drop(touching)
    for one in np.argsort(-side)[:_LARGEST]:
        inside = (low > low[one]).all(axis=1) & (high < high[one]).all(axis=1) & kept
        if kept[one] and (side[inside] >= _WITHIN * (high - low)[one].min()).any():
            drop(np.arange(count) == one)
    length, width, flat = _extents(points.astype(np.float64), of, count)
    lines = length > _LINE * width
    for one in np.lexsort((-length, ~flat, ~lines))[: min(np.count_nonzero(lines), _LARGEST)]:
        others = kept & (np.arange(count) != one)
        rest = side.max(initial=0, where=others & ~lines) or side.max(initial=0, where=others)
        # A one is a line, too, beside another digit: it stands, and is as long as that.
        if rest <= length[one] * (2 if flat[one] else 0.7) and length[one] <= 4 * rest:
            drop(np.arange(count) == one)
    largest = int(np.where(kept, side, 0).argmax())
    gap = np.maximum(low - high[largest], low[largest] - high).max(axis=1)
    drop((side < _SMALL * side[largest]) & (gap > _APART * side[largest]))
    fits = not (touching & kept).any() and side.max(initial=0, where=kept) >= least
    share = kept[of].mean()
    if not kept.all():
        ink = np.where(grown(grown(np.concatenate([[False], kept])[labels])), ink, 0)
    return Alone(ink, fits, share, bool(lines[kept].any()))


def without_rules(ink: np.ndarray) -> np.ndarray | None:
    """The ink without thin straight lines as long as all of it that go through; None: no such.

    They lie nearly flat or upright. Where a stroke goes on at both of its sides, it goes through.
    """
    left, top, right, bottom = box_of(spans_of(ink))
    box = np.s_[top:bottom, left:right]
    mask = ink[box] > 0
    rest = mask.copy()
    for turned in (mask, mask.T):
        width = turned.shape[1]
        thin = turned & ~opened(turned.T, 1 + max(2, max(mask.shape) // 25)).T
        line = opened(thin, max(8, width // 16))
        at = np.flatnonzero(line.any(axis=0))
        if len(at) > width / 2 and at[-1] - at[0] >= _THROUGH * (width - 1):
            (rest if turned is mask else rest.T)[line] = False
    if rest.sum() == mask.sum() or not rest.any():
        return None
    found = np.zeros_like(ink)
    found[box] = np.where(grown(grown(rest)), ink[box], 0)
    return found


def _extents(points, of, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each part's length, width (were it a rectangle), and whether it lies flat."""
    area = np.bincount(of, minlength=count)
    x, y = (points[:, axis] - (np.bincount(of, points[:, axis]) / area)[of] for axis in (0, 1))
    xx, yy, xy = (
        np.bincount(of, product) / area + 1 / 12 * (n < 2)
        for n, product in enumerate((x * x, y * y, x * y))
    )
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = np.sqrt(12 * (middle + spread)), np.sqrt(12 * np.maximum(middle - spread, 0))
    return long, np.maximum(short, 1), xx > 9 * yy
