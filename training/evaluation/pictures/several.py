"""Several digits in a picture, which must be refused."""

from collections.abc import Callable

import numpy as np

from training.evaluation.pictures import draw
from training.evaluation.pictures.kinds import SEVERAL

# Several digits


def _row(digits, rng, shape, axis) -> np.ndarray:
    """Digits beside (axis 1) or below (axis 0) each other, apart by a part of their size."""
    ink, cell = np.zeros(shape), shape[axis] / len(digits)
    across = shape[1 - axis]
    side = min(cell, across) * 0.95
    for place, strokes in enumerate(digits):
        low = [(across - side) / 2, place * cell + (cell - side) / 2]
        x, y = low[::-1] if axis == 1 else low
        room = (max(int(x), 0), max(int(y), 0), int(x + side), int(y + side))
        part = draw.ink(strokes, rng, shape, extent=(0.7, 0.8), pen=(0.08, 0.13), room=room)
        ink = np.maximum(ink, part)
    return ink


def _several(name: str, axis: int, paper: Callable | None, count: int) -> None:
    def make(digits, rng):
        side = np.exp(rng.uniform(np.log(100), np.log(400)))
        shape = [round(side), round(side)]
        shape[axis] = round(side * count * rng.uniform(0.8, 1))
        ink = _row(digits[:count], rng, tuple(shape), axis)
        if paper is None:
            dark = bool(rng.random() < 0.5)
            page = draw.plain(shape, float(dark))
            return draw.file(draw.laid(page, ink, draw.BLACK if dark else draw.WHITE))
        return draw.photo(draw.laid(paper(rng, tuple(shape)), ink, draw.pen(rng)), rng)

    SEVERAL[name] = make


for _count, _words in ((2, "two"), (3, "three")):
    _several(f"{_words} beside each other", 1, None, _count)
    _several(f"{_words} below each other", 0, None, _count)
    _several(f"{_words} on paper", 1, draw.paper, _count)
    _several(f"{_words} below each other on paper", 0, draw.paper, _count)


def _several_placed(name: str, make_scene: Callable) -> None:
    """Two digits in what else is tolerated around one."""

    def make(digits, rng):
        side = int(np.exp(rng.uniform(np.log(150), np.log(400))))
        shape = (side, int(side * rng.uniform(1.7, 2)))
        return make_scene(rng, shape, _row(digits[:2], rng, shape, 1))

    SEVERAL[name] = make


def _two_framed(rng, shape, ink):
    width = max(1, round(min(shape) * rng.uniform(0.005, 0.03)))
    scene = np.pad(
        draw.laid(draw.plain(shape, 1), ink, draw.BLACK), ((width, width), (width, width), (0, 0))
    )
    return draw.file(scene)


def _two_underlined(rng, shape, ink):
    return draw.file(
        draw.underlined(rng, shape, draw.laid(draw.plain(shape, 1), ink, draw.BLACK), ink, 0)
    )


def _two_boxed(_rng, shape, ink):
    scene = draw.laid(draw.plain(shape, 1), ink, draw.BLACK)
    for box in (
        (2, 2, shape[1] // 2, shape[0] - 3),
        (shape[1] // 2, 2, shape[1] - 3, shape[0] - 3),
    ):
        scene = draw.laid(scene, draw.rectangle(shape, box, 2), [0.2] * 3)
    return draw.file(scene)


def _two_on_a_table(rng, shape, ink):
    pad = round(0.2 * min(shape))
    sheet = draw.laid(draw.paper(rng, shape), ink, draw.pen(rng))
    scene = np.pad(sheet, ((pad, pad), (pad, pad), (0, 0)), constant_values=0.15)
    return draw.photo(draw.turned(scene, rng.uniform(-8, 8), scene * 0 + 0.15), rng)


def _two_in_shadow(rng, shape, ink):
    shade = np.where(np.arange(shape[1]) < shape[1] * rng.uniform(0.3, 0.7), 1, 0.6)[:, None]
    return draw.photo(draw.laid(draw.paper(rng, shape), ink, draw.pen(rng)) * shade, rng)


_several_placed("two framed", _two_framed)
_several_placed("two underlined", _two_underlined)
_several_placed("two in boxes", _two_boxed)
_several_placed("two on a sheet on a table", _two_on_a_table)
_several_placed("two, a hard shadow's edge between", _two_in_shadow)
_several("two on lined paper", 1, lambda rng, shape: draw.ruled(rng, shape, False, (0.15, 0.3)), 2)
