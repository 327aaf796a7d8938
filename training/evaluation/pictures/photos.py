"""Photos of paper, boards and screens; pictures in colours of one luminance."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from training.evaluation.pictures import draw
from training.evaluation.pictures.kinds import kind

# Paper


@kind
def _plain_paper(strokes, rng):
    shape = draw.shape(rng, 100)
    return draw.photo(
        draw.laid(draw.paper(rng, shape), draw.ink(strokes, rng, shape), draw.pen(rng)), rng
    )


@kind
def _lined_paper(strokes, rng):
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    return draw.photo(draw.laid(draw.ruled(rng, shape, False), ink, draw.pen(rng)), rng)


@kind
def _squared_paper(strokes, rng):
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    return draw.photo(draw.laid(draw.ruled(rng, shape, True), ink, draw.pen(rng)), rng)


@kind
def _margin_line_and_holes(strokes, rng):
    shape = draw.shape(rng, 200)
    page, x = draw.ruled(rng, shape, False), shape[1] * rng.uniform(0.12, 0.16)
    page = draw.laid(page, draw.line(shape, (x, 0), (x + 2, shape[0]), 2), [0.85, 0.3, 0.3])
    for y in (0.2, 0.8):
        radius, centre = shape[1] * 0.025, (shape[1] * 0.06, shape[0] * y)
        box = (*np.subtract(centre, radius), *np.add(centre, radius))
        page = draw.laid(page, draw.rectangle(shape, box, radius=radius), [0.25, 0.22, 0.2])
    room = (int(x) + 4, 0, shape[1], shape[0])
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15), room=room)
    return draw.photo(draw.laid(page, ink, draw.pen(rng)), rng)


@kind
def _pencil(strokes, rng):
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.05, 0.1))
    ink = ink * rng.uniform(0.75, 1, shape)
    return draw.photo(
        draw.laid(draw.paper(rng, shape), ink, rng.uniform(0.35, 0.5) * draw.WHITE), rng
    )


@kind
def _faint_pencil(strokes, rng):
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.05, 0.1))
    page = draw.laid(draw.paper(rng, shape), ink, rng.uniform(0.6, 0.68) * draw.WHITE)
    return draw.photo(page, rng, noise=(0.004, 0.01))


@kind
def _thick_marker(strokes, rng):
    shape = draw.shape(rng, 100)
    ink = draw.ink(strokes, rng, shape, pen=(0.18, 0.22), extent=(0.6, 0.85))
    return draw.photo(draw.laid(draw.paper(rng, shape), ink, draw.pen(rng)), rng)


@kind
def _soft_shadow(strokes, rng):
    return _shadowed(strokes, rng, softness=(0.05, 0.15))


@kind
def _hard_shadow_edge(strokes, rng):
    return _shadowed(strokes, rng, softness=(0.0005, 0.004))


def _shadowed(strokes, rng, softness) -> bytes:
    shape = draw.shape(rng, 150)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angle, at = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    depth = (x * np.cos(angle) + y * np.sin(angle) - at) / rng.uniform(*softness)
    shade = 1 - rng.uniform(0.25, 0.5) / (1 + np.exp(-depth.clip(-50, 50)))
    scene = draw.laid(
        draw.paper(rng, shape), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)
    )
    return draw.photo(scene, rng, light=draw.uneven_light(rng, shape, 0.2) * shade[..., None])


@kind
def _blurred(strokes, rng):
    shape = draw.shape(rng, 150)
    scene = draw.laid(
        draw.paper(rng, shape), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)
    )
    return draw.photo(scene, rng, blur=(0.01 * min(shape), 0.02 * min(shape)))


@kind
def _dim_and_noisy(strokes, rng):
    shape = draw.shape(rng, 200)
    scene = draw.laid(
        draw.paper(rng, shape), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)
    )
    return draw.photo(scene, rng, light=0.45 * draw.uneven_light(rng, shape), noise=(0.02, 0.035))


@kind
def _newsprint(strokes, rng):
    shape = draw.shape(rng, 150)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, shape), 1.2)
    page = draw.plain(shape, rng.uniform(0.6, 0.75) * np.array([1, 0.98, 0.93]))
    page = page + (0.1 * grain)[..., None]
    return draw.photo(
        draw.laid(page, draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)), rng
    )


@kind
def _brown_envelope(strokes, rng):
    shape = draw.shape(rng, 150)
    page = draw.plain(shape, np.array([0.72, 0.55, 0.38]) * rng.uniform(0.9, 1.1))
    page += rng.normal(0, 0.02, (*shape, 1))
    return draw.photo(
        draw.laid(page, draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)), rng
    )


@kind
def _dust(strokes, rng):
    shape = draw.shape(rng, 200)
    scene = draw.laid(
        draw.paper(rng, shape), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)
    )
    for _ in range(rng.integers(3, 9)):
        x, y, radius = *rng.uniform(0, 1, 2) * shape[::-1], min(shape) * rng.uniform(0.003, 0.008)
        speck = draw.rectangle(shape, (x, y, x + 2 * radius, y + 2 * radius), radius=radius)
        scene = draw.laid(scene, speck, [0.3] * 3)
    return draw.photo(scene, rng)


# Boards and screens


@kind
def _whiteboard(strokes, rng):
    shape = draw.shape(rng, 200)
    y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    gx, gy = rng.uniform(0, 1, 2)
    glare = 0.25 * np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / 0.03)
    colour = np.array([[0.1, 0.1, 0.1], [0.1, 0.2, 0.7], [0.75, 0.1, 0.1], [0.1, 0.5, 0.2]])
    page = draw.plain(shape, 0.85)
    scene = draw.laid(
        page, draw.ink(strokes, rng, shape, pen=(0.07, 0.13)), colour[rng.integers(4)]
    )
    return draw.photo(scene + glare[..., None], rng)


@kind
def _chalkboard(strokes, rng):
    shape = draw.shape(rng, 200)
    smear = ndimage.gaussian_filter(rng.normal(0, 1, shape), min(shape) / 25)
    page = draw.plain(shape, [[0.12, 0.25, 0.18], [0.15, 0.15, 0.16]][rng.integers(2)])
    page = page + (0.04 * smear / smear.std())[..., None]
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15)) * rng.uniform(0.6, 1, shape)
    return draw.photo(draw.laid(page, ink, [0.9, 0.9, 0.86]), rng)


@kind
def _dark_paper(strokes, rng):
    shape = draw.shape(rng, 150)
    page = draw.plain(shape, rng.uniform(0.05, 0.3, 3))
    return draw.photo(
        draw.laid(page, draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), [0.9] * 3), rng
    )


@kind
def _photo_of_a_screen(strokes, rng):
    shape = draw.shape(rng, 250)
    y, x = np.mgrid[: shape[0], : shape[1]]
    period, angle = rng.uniform(4, 15), rng.uniform(0, np.pi)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    page, pen = (1, draw.BLACK) if rng.random() < 0.5 else (0.08, draw.WHITE)
    scene = draw.laid(draw.plain(shape, page), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), pen)
    scene = scene * (0.9 + rng.uniform(0.04, 0.1) * wave)[..., None] + 0.04
    return draw.photo(scene, rng, light=draw.uneven_light(rng, shape, 0.15))


# Colours


@kind
def _yellow_highlighter(strokes, rng):
    shape = draw.shape(rng, 60)
    yellow = [rng.uniform(0.95, 1), rng.uniform(0.93, 1), rng.uniform(0, 0.25)]
    return draw.file(
        draw.laid(draw.plain(shape, 1), draw.ink(strokes, rng, shape, pen=(0.1, 0.18)), yellow)
    )


@kind
def _yellow_highlighter_on_paper(strokes, rng):
    shape = draw.shape(rng, 200)
    ink = draw.ink(strokes, rng, shape, pen=(0.1, 0.18))
    return draw.photo(
        draw.laid(draw.paper(rng, shape), ink, [0.97, 0.95, 0.3]), rng, noise=(0.004, 0.012)
    )


def _of_one_luminance(rng, hue: Sequence[float], other: Sequence[float]) -> list[np.ndarray]:
    """Two colours, scaled to the luminance of the darker of both."""
    weights = np.array([0.299, 0.587, 0.114])
    colours = [np.asarray(hue, float), np.asarray(other, float)]
    target = min(colour @ weights for colour in colours) * rng.uniform(0.8, 1)
    return [colour * target / (colour @ weights) for colour in colours]


@kind
def _blue_on_red(strokes, rng):
    shape = draw.shape(rng, 60)
    blue, red = _of_one_luminance(rng, [0.15, 0.2, 1], [1, 0.05, 0.05])
    return draw.file(draw.laid(draw.plain(shape, red), draw.ink(strokes, rng, shape), blue))


@kind
def _red_on_green(strokes, rng):
    shape = draw.shape(rng, 60)
    red, green = _of_one_luminance(rng, [1, 0, 0], [0, 0.6, 0])
    return draw.file(draw.laid(draw.plain(shape, green), draw.ink(strokes, rng, shape), red))


@kind
def _pastels_of_one_luminance(strokes, rng):
    shape = draw.shape(rng, 60)
    pairs = [([1, 0.6, 0.7], [0.5, 0.8, 0.9]), ([0.9, 0.8, 0.3], [0.7, 0.75, 1])]
    ink, page = _of_one_luminance(rng, *pairs[rng.integers(2)])
    return draw.file(draw.laid(draw.plain(shape, page), draw.ink(strokes, rng, shape), ink))


@kind
def _red_pen_on_blue_card(strokes, rng):
    shape = draw.shape(rng, 200)
    red, blue = _of_one_luminance(rng, [0.95, 0.25, 0.2], [0.25, 0.45, 0.9])
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    return draw.photo(draw.laid(draw.plain(shape, blue), ink, red), rng, noise=(0.004, 0.012))


@kind
def _coloured_paper(strokes, rng):
    shape = draw.shape(rng, 150)
    page = draw.plain(shape, np.roll([0.95, 0.85, 0.45], rng.integers(3)))
    return draw.photo(
        draw.laid(page, draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)), rng
    )
