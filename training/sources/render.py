"""Drawings to training images, by the code that the app runs: `render` and `preprocess`.

All random numbers are drawn before any work is shared out, so the images depend on the seed,
not on the number of processes (but for one grey level in a pixel or two of a million, where
NumPy's BLAS with another number of threads adds in another order).
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial as bound

import numpy as np
from scipy import ndimage

from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, render
from model.signature import PIXELS, STEPS

_CHUNK = 200  # drawings that a process takes at once
_BRUSHES = 8  # widths of the tip from a style's thinnest to its thickest
_PICTURE = 140  # longest side of a given picture's ink, pixels


@dataclass(frozen=True)
class Style:
    """How drawings lie on the page: each value is drawn evenly from (from, to).

    Attributes:
        brush: diameter of the pen's tip in units of the page's side, on a logarithmic scale.
        extent: longer side of the drawing in units of the page's side.
        share: part of the way the pen has gone; 1 is the whole drawing.
        corner: in one of the four corners, not anywhere.
    """

    brush: tuple[float, float] = (BRUSH, BRUSH)
    extent: tuple[float, float] = (0.5, 0.8)
    share: tuple[float, float] = (1.0, 1.0)
    corner: bool = False


NORMAL = Style()
# What evaluation draws. The thickness that survives preprocessing is brush / extent: 0.11 to
# 0.18 in NORMAL, as in most of MNIST.
STYLES = {
    "normal": NORMAL,
    "thin": Style(brush=(0.03, 0.05)),
    "thick": Style(brush=(0.12, 0.15)),
    "small": Style(brush=(0.03, 0.06), extent=(0.15, 0.3)),
    "corner": Style(extent=(0.35, 0.5), corner=True),
}
# For training: everything that the app's canvas allows and people can read.
ANY = Style(brush=(0.035, 0.15), extent=(0.35, 0.9))


def partial(strokes: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    """What the pen has drawn after `share` (0..1) of its way; its first point at least.

    Strokes are (points, 2); the way in the air between them does not count.
    """
    paths = [np.asarray(stroke, np.float64) for stroke in strokes]
    steps = [np.hypot(*np.diff(path, axis=0).T) for path in paths]
    left = share * sum(step.sum() for step in steps)
    seen = []
    for path, step in zip(paths, steps, strict=True):
        way = np.concatenate([[0], np.cumsum(step)])
        if seen and left <= 0 < share < 1:
            break
        if way[-1] > left:
            end = [np.interp(left, way, path[:, axis]) for axis in (0, 1)]
            path = np.vstack([path[way < left], end])
        seen.append(path)
        left -= way[-1]
        if left < 0:
            break
    return seen


def placed(strokes: Sequence[np.ndarray], extent: float, x: float, y: float) -> list[np.ndarray]:
    """The drawing with a longer side of `extent`, at `x`, `y` (0..1) of the room that is left.

    A drawing without any extent, a dot, is only moved.
    """
    points = np.concatenate(strokes)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    scale = extent / size.max() if size.max() > 0 else 1.0
    corner = (1 - size * scale) * (x, y)
    return [(np.asarray(stroke, np.float64) - low) * scale + corner for stroke in strokes]


def to_images(
    drawings: Sequence[Sequence[np.ndarray]],
    rng: np.random.Generator,
    style: Style = NORMAL,
    processes: int = 1,
) -> np.ndarray:
    """Draw each list of strokes once as `style` says, and see it as the app would.

    Returns:
        uint8 (count, 28, 28).
    """
    count = len(drawings)
    brush = _brushes(style, rng, count)
    extent = rng.uniform(*style.extent, count)
    share = rng.uniform(*style.share, count)
    place = rng.uniform(0, 1, (count, 2))
    if style.corner:
        place = np.rint(place)
    return _each(_drawn, list(zip(drawings, brush, extent, share, place, strict=True)), processes)


def pictures_to_images(
    pictures: Sequence[np.ndarray],
    rng: np.random.Generator,
    style: Style = NORMAL,
    processes: int = 1,
) -> np.ndarray:
    """The same for pictures (height, width) with thin white ink on black: lines are retraced.

    Lines get the thickness that `style`'s brush would give a drawing of its extent, but never
    become thinner than they are. `style`'s place and share have no part in it.

    Returns:
        uint8 (count, 28, 28).
    """
    count = len(pictures)
    brush = _brushes(style, rng, count)
    extent = rng.uniform(*style.extent, count)
    return _each(_retraced, list(zip(pictures, brush / extent, strict=True)), processes)


def _brushes(style: Style, rng: np.random.Generator, count: int) -> np.ndarray:
    # Few widths: `render` keeps the tips of the last few. The extent makes up the variety.
    return np.geomspace(*style.brush, _BRUSHES)[rng.integers(0, _BRUSHES, count)]


def _drawn(drawing) -> np.ndarray:
    strokes, brush, extent, share, (x, y) = drawing
    # The tip's width belongs to the ink: in a corner, it must not be cut off.
    strokes = placed(strokes, extent, x, y)
    inside = [stroke * (1 - brush) + brush / 2 for stroke in strokes]
    return preprocess(render(partial(inside, share), brush=brush)).image


def _retraced(drawing) -> np.ndarray:
    picture, thickness = drawing
    rows, columns = (np.flatnonzero((picture > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((STEPS, PIXELS), np.float32)
    ink = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    zoom = _PICTURE / max(ink.shape)
    radius = thickness * _PICTURE / 2
    line = _half_width(ink) * zoom  # the given line is part of the new one
    margin = int(np.ceil(radius)) + 2
    ink = np.pad(ndimage.zoom(ink.astype(np.float32), zoom, order=1), margin)
    distance = ndimage.distance_transform_edt(ink < ink.max() / 2)
    grown = np.clip(max(radius - line, 0) + 1 - distance, 0, 1)
    return preprocess(np.rint(grown * 255).astype(np.uint8)).image


def _half_width(ink: np.ndarray) -> float:
    """Half the width of the lines, pixels: their mean distance to the page, twice."""
    inside = ndimage.distance_transform_edt(np.pad(ink > 0, 1))
    return float(2 * inside[inside > 0].mean() - 1)


def _each(work: Callable, drawings: list, processes: int) -> np.ndarray:
    """uint8 (count, 28, 28): what `work` makes of each."""
    chunks = [drawings[i : i + _CHUNK] for i in range(0, len(drawings), _CHUNK)]
    run = bound(_chunk, work)
    if processes > 1 and len(chunks) > 1:
        # Not forked: Keras's backends run threads, and a fork would copy their locks.
        # Small products gain nothing from BLAS threads, and here they fight over the cores.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(processes, len(chunks)), mp_context=context) as pool:
            images = list(pool.map(run, chunks))
    else:
        images = [run(chunk) for chunk in chunks]
    return np.concatenate([np.zeros((0, STEPS, PIXELS), np.uint8), *images])


def _chunk(work: Callable, drawings: list) -> np.ndarray:
    return np.rint([work(drawing) for drawing in drawings]).astype(np.uint8)
