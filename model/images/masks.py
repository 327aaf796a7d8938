"""Masks and ink as arrays (height, width): boxes, neighbours, runs and connected parts."""

from collections.abc import Sequence

import numpy as np

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two exclusive


def spans_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns and the rows with something in them, indices in rising order."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return columns, rows


def box_of(spans: Sequence[np.ndarray]) -> Box:
    """The box of what is not empty."""
    columns, rows = spans
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grown(pixels: np.ndarray) -> np.ndarray:
    """Each pixel of (..., height, width) becomes the largest of its 3 x 3 neighbourhood."""
    tall = pixels.copy()
    np.maximum(tall[..., 1:, :], pixels[..., :-1, :], out=tall[..., 1:, :])
    np.maximum(tall[..., :-1, :], pixels[..., 1:, :], out=tall[..., :-1, :])
    wide = tall.copy()
    np.maximum(wide[..., 1:], tall[..., :-1], out=wide[..., 1:])
    np.maximum(wide[..., :-1], tall[..., 1:], out=wide[..., :-1])
    return wide


def label(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the 8-connected parts of a mask from 1, 0 elsewhere; and how many there are."""
    starts, ends = _runs(mask)
    stride = mask.shape[1] + 1
    # Runs below each run: those that end at or after its start and start before or at its end.
    first = np.searchsorted(ends, starts + stride, "left")
    counts = np.maximum(np.searchsorted(starts, ends + stride, "right") - first, 0)
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(len(above)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    root = np.arange(len(starts))
    while True:
        new = root.copy()
        np.minimum.at(new, above, root[below])
        np.minimum.at(new, below, root[above])
        np.minimum.at(new, root[above], root[below])
        np.minimum.at(new, root[below], root[above])
        new = new[new]
        if (new == root).all():
            break
        root = new
    _, numbers = np.unique(root, return_inverse=True)
    return _filled(mask.shape, starts, ends, numbers + 1), int(numbers.max(initial=-1)) + 1


def opened(mask: np.ndarray, length: int) -> np.ndarray:
    """What lies in runs of at least `length` in its row."""
    starts, ends = _runs(mask)
    return _filled(mask.shape, starts, ends, ends - starts >= length) > 0


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs start and end in the rows, one after another with a gap of one between them."""
    flat = np.pad(mask, ((0, 0), (0, 1))).ravel().view(np.int8)
    change = np.diff(flat, prepend=np.int8(0))
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1)


def _filled(shape: tuple[int, int], starts, ends, values: np.ndarray) -> np.ndarray:
    """int (height, width): the value of each run, 0 elsewhere."""
    flat = np.zeros(shape[0] * (shape[1] + 1), np.int32)
    flat[starts] = values
    flat[ends] -= values
    return np.cumsum(flat).reshape(shape[0], -1)[:, :-1]
