"""Pen strokes as a picture, with the one brush that page, training and tests share."""

from functools import lru_cache
from itertools import accumulate

import numpy as np

from model.signature import WHITE

# Diameter of the pen's tip in units of the drawing's side. MNIST's digits hold 103 pixels of
# ink on average (mean of the ten digits' means). 500 pen digits of the UCI set "pendigits",
# 0.6 of the drawing high or wide, hold 95 at 0.08, 104 at 0.09 and 114 at 0.10.
BRUSH = 0.09
# On a smaller drawing the pen is thinner, as it is enlarged: at 0.22 of the pad's side, 5.7 % of
# the held-out writers' digits were read wrong with the whole brush, 1.5 % with this one.
_THICKEST = BRUSH / 0.5  # of the drawing's longer side
_DOT = 0.03  # of the pad's side: what is no larger is a dot, with the whole brush
_PHASES = 8  # sub-pixel positions of the pen's tip, each way


def render(strokes, size: int = 280, brush: float | None = None) -> np.ndarray:
    """Draw pen strokes in white on black, anti-aliased, with round caps and joints.

    Args:
        strokes: arrays (points, 2) of x (right) and y (down) in units of the drawing's side;
            what lies outside 0..1 is clipped. One point is a dot.
        size: side of the drawing in pixels.
        brush: diameter of the pen's tip in units of the drawing's side; None: `brush_for` them.

    Returns:
        uint8 (size, size), 0 to 255 (ink).

    Raises:
        ValueError: a stroke has another shape, a coordinate is not finite, or `size` or
            `brush` is out of range.
    """
    lines = _checked(strokes)
    brush = _brush_for(lines) if brush is None else brush
    if size < 1 or not 0 < brush <= 1:
        raise ValueError(f"size must be at least 1 and brush in (0, 1], not {size} and {brush}")
    radius = size * brush / 2
    tips = _tips(radius)
    window = tips.shape[-1]
    reach = window // 2
    margin = 3 * reach + 1  # so that no tip that is set down leaves the canvas
    canvas = np.zeros((size + 2 * margin, size + 2 * margin), np.uint8)
    for line in lines:
        points = line * size
        spots = np.rint(_walk(points, radius, -2 * reach, size + 2 * reach) * _PHASES)
        cells, phases = np.divmod(spots.astype(int), _PHASES)
        corners = (cells + (margin - reach)).tolist()
        for (x, y), (i, j) in zip(corners, phases.tolist(), strict=True):
            patch = canvas[y : y + window, x : x + window]
            np.maximum(patch, tips[j, i], out=patch)
    return canvas[margin:-margin, margin:-margin].copy()


def without_each(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """`render` of all strokes but one, for each, with the brush for all.

    Each is drawn once: the brush lays ink over ink by the maximum, in whatever order.
    """
    brush = brush_for(strokes)
    drawn = [render([stroke], brush=brush) for stroke in strokes]
    blank = np.zeros_like(drawn[0])
    before = [*accumulate(drawn[:-1], np.maximum, initial=blank)]
    after = [*accumulate(drawn[:0:-1], np.maximum, initial=blank)][::-1]
    return [np.maximum(*both) for both in zip(before, after, strict=True)]


def brush_for(strokes) -> float:
    """Diameter of the tip that draws them: `BRUSH`, or less for what is small.

    Raises:
        ValueError: as `render`.
    """
    return _brush_for(_checked(strokes))


def _brush_for(lines: list[np.ndarray]) -> float:
    points = np.concatenate([np.zeros((0, 2)), *lines]).clip(0, 1)
    extent = np.ptp(points, axis=0).max() if len(points) else 0.0
    return BRUSH if extent <= _DOT else float(min(BRUSH, _THICKEST * extent))


def _checked(strokes) -> list[np.ndarray]:
    try:
        return [_points(stroke, number) for number, stroke in enumerate(strokes)]
    except TypeError:
        raise ValueError("strokes must be a sequence of arrays (points, 2)") from None


def _points(stroke, number: int) -> np.ndarray:
    """The stroke as float64 (points, 2)."""
    try:
        points = np.asarray(stroke, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"stroke {number} must be rows of two numbers: {error}") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"stroke {number} must have shape (points, 2), not {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"stroke {number} has a coordinate that is NaN or infinite")
    return points.clip(-1e6, 1e6)  # further out nothing can be seen, and squares overflow


@lru_cache(maxsize=8)
def _tips(radius: float) -> np.ndarray:
    """The pen's tip at each sub-pixel position: uint8 (phases y, phases x, window, window)."""
    reach = int(np.ceil(radius + 1))
    centres = np.arange(-reach, reach + 1) + 0.5
    squares = (centres - np.arange(_PHASES)[:, None] / _PHASES) ** 2
    distance = np.sqrt(squares[:, None, :, None] + squares[None, :, None, :])
    return np.rint(WHITE * np.clip(radius + 0.5 - distance, 0, 1)).astype(np.uint8)


def _walk(points: np.ndarray, radius: float, low: float, high: float) -> np.ndarray:
    """Points along the polyline (points, 2), in pixels, so close that discs there fill it.

    Segments are cut to the square low..high (Liang and Barsky), so a far point costs nothing.
    """
    last = points[-1:]
    starts, moves = points[:-1], np.diff(points, axis=0)
    moves = np.where(moves == 0, 1e-9, moves)
    sides = np.stack([(low - starts) / moves, (high - starts) / moves])
    enter = sides.min(axis=0).max(axis=1).clip(0)
    leave = sides.max(axis=0).min(axis=1).clip(max=1)
    seen = np.flatnonzero(enter <= leave)
    starts, moves, enter, leave = starts[seen], moves[seen], enter[seen], leave[seen]
    # A quarter of the radius apart, discs fall short of the line's edge by radius / 128.
    paces = (leave - enter) * np.hypot(moves[:, 0], moves[:, 1]) / max(radius / 4, 0.25)
    counts = np.ceil(paces).astype(int).clip(1)
    segment = np.repeat(np.arange(len(counts)), counts)
    pace = np.arange(len(segment)) - (np.cumsum(counts) - counts)[segment]
    share = enter[segment] + ((leave - enter) / counts)[segment] * pace
    last = last[((last >= low) & (last <= high)).all(axis=1)]
    return np.concatenate([starts[segment] + moves[segment] * share[:, None], last])
