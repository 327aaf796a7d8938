"""Ink in drawings: pictures whose page is one exact tone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from model.images.masks import Box, box_of, grown, spans_of

_MIN_CONTRAST = 24  # of 255: what is fainter is no ink
_SHADES = 0.01  # of the inked pixels: so many may be neither ink nor its edge
_FAINTEST = 8  # so many times fainter than ink is what blur and compression leave around edges
_FAR = 20  # pixels of the ink's longer side, seen from so far that blurred edges are a pixel wide
_FAR_SHADES = 0.05
_TOGETHER = 2**17  # pixels that are looked at together: what a core's cache holds


class Drawing(NamedTuple):
    """Ink, uint8 (height, width) with 0 for the page.

    Attributes:
        inverted: it was dark ink on a light page.
        spans: see `masks.spans_of`; empty where there is no ink.
        contrast: between ink and page, 0..255.
    """

    ink: np.ndarray
    inverted: bool
    spans: tuple[np.ndarray, np.ndarray]
    contrast: int


def ink_of_drawings(greys: Sequence[np.ndarray]) -> list[Drawing | None]:
    """The ink of each picture, uint8 (height, width), None where the page is not one exact tone.

    Pictures of one size are looked at together.
    """
    of_size: dict[tuple[int, ...], list[int]] = {}
    for i, grey in enumerate(greys):
        of_size.setdefault(grey.shape, []).append(i)
    found: list[Drawing | None] = [None] * len(greys)
    for (height, width), places in of_size.items():
        count = max(1, _TOGETHER // (height * width))
        for start in range(0, len(places), count):
            some = places[start : start + count]
            stack = greys[some[0]][None] if len(some) == 1 else np.stack([greys[i] for i in some])
            for i, drawing in zip(some, _ink_of_stack(stack), strict=True):
                found[i] = drawing
    return found


def _ink_of_stack(greys: np.ndarray) -> Iterator[Drawing | None]:
    """The same of uint8 (count, height, width)."""
    low, high = greys.min(axis=(1, 2)), greys.max(axis=(1, 2))
    contrast = high - low
    edges = np.concatenate([greys[:, 0], greys[:, -1], greys[:, :, 0], greys[:, :, -1]], axis=1)
    # Of 3,000 MNIST digits cut out tightly, the edges' mean is nearer to the page in 99.9 %.
    inverted = 2 * edges.sum(axis=1, dtype=np.int32) > (low.astype(int) + high) * edges.shape[1]
    page = np.where(inverted, high, low)
    share = (edges == page[:, None]).sum(axis=1, dtype=np.int32) / edges.shape[1]
    inks = greys - page[:, None, None]
    if inverted.any():
        inks[inverted] = -inks[inverted]  # modulo 256
    columns, rows = inks.max(axis=1) > 0, inks.max(axis=2) > 0
    shaded = np.zeros(len(inks), bool)
    if columns.any():
        left, top, right, bottom = box_of(
            [np.flatnonzero(inked.any(0)) for inked in (columns, rows)]
        )
        shaded = _are_shaded(inks[:, top:bottom, left:right], contrast, _SHADES)
    for i, ink in enumerate(inks):
        spans = np.flatnonzero(columns[i]), np.flatnonzero(rows[i])
        if contrast[i] < _MIN_CONTRAST:
            yield Drawing(np.zeros_like(ink), False, (spans[0][:0],) * 2, int(contrast[i]))
        elif share[i] < 1 / 8:
            yield None
        elif not shaded[i]:
            yield Drawing(ink, bool(inverted[i]), spans, int(contrast[i]))
        else:
            clear = share[i] > 3 / 4 and _without_faint(ink, box_of(spans), contrast[i : i + 1])
            yield (
                Drawing(clear[0], bool(inverted[i]), clear[1], int(contrast[i])) if clear else None
            )


def _are_shaded(inks: np.ndarray, contrast: np.ndarray, most: float) -> np.ndarray:
    """Whether more than a share of each is neither page nor ink nor an edge: shading, noise."""
    inked = inks > 0
    stray = inked & ~grown(inks >= np.ceil(contrast / 4).astype(np.uint8)[:, None, None])
    return np.array(
        [
            np.count_nonzero(one) > most * np.count_nonzero(all_)
            for one, all_ in zip(stray, inked, strict=True)
        ]
    )


def _without_faint(
    ink: np.ndarray, box: Box, contrast: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None:
    """Ink and spans of an enlarged or compressed drawing; None if it is shaded from afar, too."""
    left, top, right, bottom = box
    faint = contrast[0] // _FAINTEST
    clear = ink[top:bottom, left:right] > faint
    columns, rows = spans_of(clear)
    spans = columns + left, rows + top
    inked = ink[top:bottom, left:right] * clear
    ink = np.zeros_like(ink)
    ink[top:bottom, left:right] = inked
    left, top, right, bottom = box_of(spans)
    step = -(-max(right - left, bottom - top) // _FAR)
    coarse = ink[top:bottom:step, left:right:step]
    return None if _are_shaded(coarse[None], contrast, _FAR_SHADES)[0] else (ink, spans)
