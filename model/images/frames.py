"""Where the page lies in a picture: bars along its edges, frames at its rim, a sheet on a table."""

import numpy as np
from PIL import Image

from model.images.masks import Box, box_of, label, spans_of

_STEP = 24  # of 255: two neighbouring rows on either side of an edge differ by more
_DEEPEST = 0.45  # of a side: bars are no wider
_EVEN = 12  # of 255: a bar of one tone strays no further
_COARSE = 128  # longest side in which a sheet is looked for
_SMALLEST, _LARGEST = 0.12, 0.95  # of the picture: a sheet's area
_FULL = 0.7  # of a sheet's area is page
_FOUR_CORNERS = 0.9  # of a sheet's area lies between them; of an ellipse, 0.64


def without_bars(grey: np.ndarray) -> Box | None:
    """(left, top, right, bottom) of what bars and frames along the edges leave; None: all.

    A bar ends where its whole edge steps to another tone; one of a single tone, where most does
    (other bars may cross it).
    """
    tones = grey.astype(np.int16)
    edges = [0, 0, 0, 0]  # left, top, right, bottom
    for _ in range(3):  # frames within frames
        found = False
        for side in range(4):
            height, width = grey.shape
            view = tones[edges[1] : height - edges[3], edges[0] : width - edges[2]]
            depth = _bar(np.rot90(view, (-1, 0, 1, 2)[side]))
            edges[side] += depth
            found |= depth > 0
        if not found:
            break
    left, top, right, bottom = edges
    return (left, top, grey.shape[1] - right, grey.shape[0] - bottom) if any(edges) else None


def _bar(view: np.ndarray) -> int:
    """Rows of a bar along the upper edge."""
    rows = int(len(view) * _DEEPEST)
    if rows < 4:
        return 0
    width = view.shape[1]
    strays = np.count_nonzero(np.abs(view[:rows] - np.median(view[0])) > _EVEN, axis=1)
    even = np.logical_and.accumulate(strays < 0.02 * width)
    for reach in (1, 3):
        change = view[reach : rows + reach] - view[:rows]
        steps = np.maximum(*(np.count_nonzero(sign * change > _STEP, axis=1) for sign in (1, -1)))
        ends = np.flatnonzero((steps > 0.95 * width) | (even & (steps > 0.75 * width)))
        if len(ends):
            return int(ends[-1]) + reach
    return 0


def sheets(grey: np.ndarray) -> list[tuple[Box, np.ndarray]]:
    """Sheets that lie on something darker or lighter: each one's box and its (height, width) mask.

    A sheet is the largest connected part of one of two tones, if it is as full as one.
    """
    factor = -(-max(grey.shape) // _COARSE)
    coarse = np.asarray(Image.fromarray(grey).reduce(factor))
    level = _between_two_tones(coarse)
    found = []
    for mask in (coarse > level, coarse <= level):
        labels, count = label(mask)
        if not count:
            continue
        sheet = labels == np.bincount(labels[labels > 0]).argmax()
        whole = _hull(sheet)
        area = np.count_nonzero(whole)
        if (
            not _SMALLEST < area / whole.size < _LARGEST
            or np.count_nonzero(sheet) < _FULL * area
            or _between_corners(whole) < _FOUR_CORNERS * area
        ):
            continue
        left, top, right, bottom = box_of(spans_of(whole))
        inner = _shrunk(whole, 1 + min(right - left, bottom - top) // 40)
        if not inner.any():
            continue
        full = inner.repeat(factor, 0).repeat(factor, 1)[: grey.shape[0], : grey.shape[1]]
        box = box_of(spans_of(full))
        found.append((box, full[box[1] : box[3], box[0] : box[2]]))
    return found


def _between_two_tones(grey: np.ndarray) -> float:
    """The level that parts the tones best (Otsu 1979)."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    mass = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(all="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(np.nan_to_num(between, nan=-1).argmax())


def _between_corners(mask: np.ndarray) -> float:
    """The area between the four points that are farthest out diagonally."""
    y, x = np.nonzero(mask)
    corners = [int(np.argmax(a * x + b * y)) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    x, y = x[corners], y[corners]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _hull(mask: np.ndarray) -> np.ndarray:
    """What lies between two true pixels of its row and of its column."""
    within = np.ones_like(mask)
    for axis in (0, 1):
        within &= np.logical_or.accumulate(mask, axis)
        within &= np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis), axis)
    return within


def _shrunk(mask: np.ndarray, by: int) -> np.ndarray:
    """True where all within `by` rows and columns is true; beyond the border, it goes on."""
    padded = np.pad(mask, by, mode="edge")
    for axis in (0, 1):
        padded = np.lib.stride_tricks.sliding_window_view(padded, 2 * by + 1, axis).all(axis=-1)
    return padded
