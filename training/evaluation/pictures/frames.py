"""Bars, cards, frames, lines and neighbours around a digit."""

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation.pictures import draw
from training.evaluation.pictures.kinds import kind

# Bars, cards and frames


def _barred(strokes, rng, axis: int, both=True) -> bytes:
    """Bars of the ink's tone, or of another, at two edges."""
    shape, dark = draw.shape(rng, 80), bool(rng.random() < 0.7)
    scene = draw.drawing(strokes, rng, shape, dark)
    tone = [0 if dark else 1, rng.uniform(0.1, 0.9)][rng.integers(2)]
    for first in (True, False) if both else (True,):
        width = round(shape[axis] * rng.uniform(0.06, 0.25))
        bar = draw.plain((width, shape[1]) if axis == 0 else (shape[0], width), tone)
        scene = np.concatenate([bar, scene] if first else [scene, bar], axis)
    return draw.file(scene, quality=[None, 85][rng.integers(2)])


@kind
def _letterbox(strokes, rng):
    return _barred(strokes, rng, 0)


@kind
def _pillarbox(strokes, rng):
    return _barred(strokes, rng, 1)


@kind
def _one_bar(strokes, rng):
    return _barred(strokes, rng, int(rng.integers(2)), both=False)


@kind
def _status_bar(strokes, rng):
    shape = (int(rng.uniform(500, 1200)), int(rng.uniform(280, 560)))
    bar = round(shape[0] * rng.uniform(0.04, 0.07))
    scene = draw.drawing(strokes, rng, shape, room=(0, bar, shape[1], shape[0]))
    tone, sign = [(rng.uniform(0, 0.4), 1), (rng.uniform(0.75, 0.9), 0)][rng.integers(2)]
    scene[:bar] = tone
    picture = Image.fromarray((scene * 255).astype(np.uint8))
    pen, size = ImageDraw.Draw(picture), bar * 0.55
    pen.text((bar * 0.4, bar * 0.2), "12:07", (int(255 * sign),) * 3, font_size=size)
    x = shape[1] - bar * 1.6
    pen.rectangle((x, bar * 0.3, x + bar, bar * 0.7), outline=(int(255 * sign),) * 3, width=2)
    pen.rectangle((x, bar * 0.3, x + bar * 0.6, bar * 0.7), fill=(int(255 * sign),) * 3)
    return draw.saved(picture)


@kind
def _card(strokes, rng):
    """A rounded white card on a coloured ground, as apps show it."""
    shape = draw.shape(rng, 150)
    inset = min(shape) * rng.uniform(0.06, 0.12)
    box = (inset, inset, shape[1] - inset, shape[0] - inset)
    ground, card = draw.plain(shape, rng.uniform(0.1, 0.7, 3)), draw.plain(shape, 1)
    ink = draw.ink(strokes, rng, shape, room=tuple(int(edge) for edge in box))
    whole = draw.rectangle(shape, box, radius=inset / 2)[..., None]
    return draw.file(ground + (draw.laid(card, ink, draw.pen(rng)) - ground) * whole)


@kind
def _framed(strokes, rng):
    """A border in the ink's tone at the rim."""
    shape, dark = draw.shape(rng, 60), bool(rng.random() < 0.7)
    width = max(1, round(min(shape) * rng.uniform(0.003, 0.05)))
    room = (width, width, shape[1] - width, shape[0] - width)
    scene = draw.drawing(strokes, rng, shape, dark, room)
    inside = np.zeros(shape, bool)
    inside[width:-width, width:-width] = True
    return draw.file(np.where(inside[..., None], scene, 0 if dark else 1))


@kind
def _framed_with_a_margin(strokes, rng):
    shape = draw.shape(rng, 100)
    inset, width = min(shape) * rng.uniform(0.02, 0.08), max(1, min(shape) * 0.01)
    room = (inset + 3 * width, inset + 3 * width)
    room = (*room, shape[1] - room[0], shape[0] - room[1])
    scene = draw.drawing(strokes, rng, shape, room=tuple(int(edge) for edge in room))
    box = (inset, inset, shape[1] - inset, shape[0] - inset)
    return draw.file(draw.laid(scene, draw.rectangle(shape, box, width), draw.BLACK))


def _boxed(strokes, rng, shape, scene, boxes: int) -> np.ndarray:
    """A form's boxes in a row, the digit in one of them."""
    side = min(min(shape) * 0.8, shape[1] * 0.9 / boxes)
    x, y = (shape[1] - boxes * side) / 2, (shape[0] - side) / 2
    used, width = rng.integers(boxes), max(1, min(shape) * 0.008)
    for box in range(boxes):
        corners = (x + box * side, y, x + (box + 1) * side, y + side)
        scene = draw.laid(scene, draw.rectangle(shape, corners, width), [0.2] * 3)
        if box == used:
            ink = draw.ink(
                strokes, rng, shape, room=tuple(int(e) for e in corners), extent=(0.5, 0.7)
            )
            scene = draw.laid(scene, ink, draw.pen(rng))
    return scene


@kind
def _form_box(strokes, rng):
    shape = draw.shape(rng, 100)
    return draw.file(_boxed(strokes, rng, shape, draw.plain(shape, 1), 1))


@kind
def _form_box_on_paper(strokes, rng):
    shape = draw.shape(rng, 200)
    return draw.photo(_boxed(strokes, rng, shape, draw.paper(rng, shape), 1), rng)


@kind
def _row_of_form_boxes(strokes, rng):
    shape = (int(rng.uniform(100, 250)), int(rng.uniform(300, 700)))
    return draw.file(_boxed(strokes, rng, shape, draw.plain(shape, 1), int(rng.integers(2, 5))))


@kind
def _underline(strokes, rng):
    shape = draw.shape(rng, 80)
    ink = draw.ink(strokes, rng, shape)
    return draw.file(
        draw.underlined(rng, shape, draw.laid(draw.plain(shape, 1), ink, draw.pen(rng)), ink, 0),
    )


@kind
def _underline_on_paper(strokes, rng):
    shape = draw.shape(rng, 200)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    scene = draw.laid(draw.paper(rng, shape), ink, draw.pen(rng))
    return draw.photo(draw.underlined(rng, shape, scene, ink, rng.uniform(-0.06, 0.06)), rng)


@kind
def _answer_line(strokes, rng):
    """A printed line from edge to edge, under the digit."""
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    y = min(draw.bounds(ink)[3] + min(shape) * rng.uniform(0.02, 0.06), shape[0] - 3)
    scene = draw.laid(draw.paper(rng, shape), draw.line(shape, (0, y), (shape[1], y), 2), [0.3] * 3)
    return draw.photo(draw.laid(scene, ink, draw.pen(rng)), rng)


# Neighbours


def _with_neighbour(strokes, rng, shape, page, pen, how) -> np.ndarray:
    """Others' digits at one or two sides, cut by the border to a half at most."""
    ink = draw.ink(strokes, rng, shape, extent=(0.45, 0.6), pen=how)
    left, top, right, bottom = draw.bounds(ink)
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        # The other is an own digit, mirrored: no one else's is at hand.
        other = [line * [-1, 1] for line in strokes] if rng.random() < 0.5 else strokes
        whole = draw.ink(other, rng, shape, extent=(0.45, 0.6), pen=how)
        a, b, c, d = draw.bounds(whole)
        whole = whole[b:d, a:c]
        share = rng.uniform(0.15, 0.5)
        rows, columns = whole.shape
        gap = max(2, 0.03 * min(shape))
        x = (shape[1] - columns) * rng.uniform(0, 1)
        y = (shape[0] - rows) * rng.uniform(0, 1)
        x = (min(-columns * (1 - share), left - gap - columns), None)[side % 2] if side < 2 else x
        if side == 1:
            x = max(shape[1] - columns * share, right + gap)
        if side >= 2:
            up = min(-rows * (1 - share), top - gap - rows)
            y = up if side == 2 else max(shape[0] - rows * share, bottom + gap)
        picture = Image.new("F", shape[::-1])
        picture.paste(Image.fromarray(whole.astype(np.float32)), (round(x), round(y)))
        ink = np.maximum(ink, np.asarray(picture))
    return draw.laid(page, ink, pen)


@kind
def _neighbours_cut_by_the_border(strokes, rng):
    shape = draw.shape(rng, 80)
    pen = (0.06, 0.13)
    return draw.file(_with_neighbour(strokes, rng, shape, draw.plain(shape, 1), draw.pen(rng), pen))


@kind
def _neighbours_on_paper(strokes, rng):
    shape = draw.shape(rng, 200)
    scene = _with_neighbour(
        strokes, rng, shape, draw.paper(rng, shape), draw.pen(rng), (0.08, 0.13)
    )
    return draw.photo(scene, rng)
