"""A sheet on a table, and what else is beside, behind or through a digit."""

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation.pictures import draw
from training.evaluation.pictures.kinds import kind

# A sheet on something else


def _on_a_table(strokes, rng, table: np.ndarray, page, pen, degrees=0.0, inset=(0.1, 0.2)) -> bytes:
    shape = table.shape[:2]
    box = [min(shape) * rng.uniform(*inset) for _ in range(4)]
    box = (box[0], box[1], shape[1] - box[2], shape[0] - box[3])
    ink = draw.ink(strokes, rng, shape, room=tuple(int(e) for e in box), pen=(0.07, 0.13))
    sheet = draw.laid(draw.plain(shape, page), ink, pen)
    scene = table + (sheet - table) * draw.rectangle(shape, box)[..., None]
    return draw.photo(draw.turned(scene, degrees, table), rng)


def _wood(rng, shape) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    grain = np.sin(60 * y + 8 * np.sin(3 * x + rng.uniform(0, 6))) * 0.04
    return draw.plain(shape, [0.45, 0.3, 0.2]) * (1 + grain[..., None])


@kind
def _sheet_on_a_dark_table(strokes, rng):
    table = draw.plain(draw.shape(rng, 250), rng.uniform(0.05, 0.3, 3))
    return _on_a_table(strokes, rng, table, rng.uniform(0.88, 1, 3), draw.pen(rng))


@kind
def _sheet_turned_on_a_dark_table(strokes, rng):
    table = draw.plain(draw.shape(rng, 250), rng.uniform(0.05, 0.3, 3))
    page, degrees = rng.uniform(0.88, 1, 3), rng.uniform(-12, 12)
    return _on_a_table(strokes, rng, table, page, draw.pen(rng), degrees)


@kind
def _sheet_on_wood(strokes, rng):
    table, page = _wood(rng, draw.shape(rng, 250)), rng.uniform(0.88, 1, 3)
    return _on_a_table(strokes, rng, table, page, draw.pen(rng), rng.uniform(-8, 8))


@kind
def _sticky_note(strokes, rng):
    table, page = draw.plain(draw.shape(rng, 250), rng.uniform(0.85, 1, 3)), [0.98, 0.9, 0.4]
    return _on_a_table(strokes, rng, table, page, draw.pen(rng), rng.uniform(-8, 8))


@kind
def _dark_card_on_a_light_table(strokes, rng):
    table, page = (
        draw.plain(draw.shape(rng, 250), rng.uniform(0.8, 1, 3)),
        rng.uniform(0.05, 0.25, 3),
    )
    return _on_a_table(strokes, rng, table, page, [0.92] * 3, rng.uniform(-8, 8))


@kind
def _edge_of_the_sheet(strokes, rng):
    """The sheet ends within the picture at one or two sides; the table is dark there."""
    shape = draw.shape(rng, 200)
    sides = rng.permutation([1, 0, 0, 0]) | (rng.random(4) < 0.2)
    cut = sides * min(shape) * rng.uniform(0.04, 0.12, 4)
    room = (cut[0], cut[1], shape[1] - cut[2], shape[0] - cut[3])
    ink = draw.ink(strokes, rng, shape, room=tuple(int(e) for e in room), pen=(0.08, 0.15))
    far = np.array([-1, -1, 1, 1]) * (1 - sides) * 2 * max(shape)
    sheet = draw.laid(draw.paper(rng, shape), ink, draw.pen(rng))
    table = draw.plain(shape, rng.uniform(0.05, 0.35, 3))
    whole = draw.rectangle(shape, tuple(np.add(room, far)))[..., None]
    return draw.photo(table + (sheet - table) * whole, rng)


# Where the digit meets its surroundings


@kind
def _across_an_answer_line(strokes, rng):
    """The digit stands on the line or goes through it."""
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15))
    _, top, _, bottom = draw.bounds(ink)
    y = bottom - (bottom - top) * rng.uniform(0.03, 0.15)
    line = draw.line(shape, (0, y), (shape[1], y + rng.uniform(-0.01, 0.01) * shape[1]), 2)
    scene = draw.laid(draw.paper(rng, shape), line, [rng.uniform(0.2, 0.5)] * 3)
    return draw.photo(draw.laid(scene, ink, draw.pen(rng)), rng)


@kind
def _across_its_box(strokes, rng):
    """A form's box that is too small for the digit."""
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15), extent=(0.5, 0.65))
    left, top, right, bottom = draw.bounds(ink)
    size = max(right - left, bottom - top)
    cut = size * rng.uniform(-0.06, 0.2, 4) * [1, 1, 1, 1]
    cut[rng.integers(4)] = -0.08 * size
    middle, half = (left + right) / 2, size / 2
    box = (middle - half - cut[0], top - cut[1], middle + half + cut[2], top + size + cut[3])
    box = tuple(np.clip(box, 2, np.subtract(shape[::-1] * 2, 3)))
    outline = draw.rectangle(shape, box, max(1, size * 0.012))
    scene = draw.laid(draw.paper(rng, shape), outline, [rng.uniform(0.2, 0.5)] * 3)
    return draw.photo(draw.laid(scene, ink, draw.pen(rng)), rng)


@kind
def _dark_grid(strokes, rng):
    shape = draw.shape(rng, 200)
    page, step = draw.paper(rng, shape), min(shape) * rng.uniform(0.1, 0.25)
    lines = np.zeros(shape)
    for at in np.arange(rng.uniform(0, step), max(shape), step):
        lines = np.maximum(
            lines, draw.line(shape, (0, at), (shape[1], at), max(1, min(shape) / 300))
        )
        lines = np.maximum(
            lines, draw.line(shape, (at, 0), (at, shape[0]), max(1, min(shape) / 300))
        )
    scene = draw.laid(page, lines, [rng.uniform(0.3, 0.5)] * 3)
    return draw.photo(
        draw.laid(scene, draw.ink(strokes, rng, shape, pen=(0.09, 0.15)), draw.pen(rng)), rng
    )


@kind
def _dark_lines(strokes, rng):
    shape = draw.shape(rng, 200)
    page, step = draw.paper(rng, shape), min(shape) * rng.uniform(0.12, 0.3)
    lines = np.zeros(shape)
    for at in np.arange(rng.uniform(0, step), max(shape), step):
        lines = np.maximum(
            lines, draw.line(shape, (0, at), (shape[1], at), max(1, min(shape) / 250))
        )
    scene = draw.laid(page, lines, [rng.uniform(0.3, 0.5)] * 3)
    return draw.photo(
        draw.laid(scene, draw.ink(strokes, rng, shape, pen=(0.09, 0.15)), draw.pen(rng)), rng
    )


@kind
def _circled(strokes, rng):
    shape = draw.shape(rng, 150)
    ink = draw.ink(strokes, rng, shape, pen=(0.08, 0.15), extent=(0.4, 0.5))
    left, top, right, bottom = draw.bounds(ink)
    radius = 0.5 * np.hypot(right - left, bottom - top) * rng.uniform(1.1, 1.2)
    middle = np.array([left + right, top + bottom]) / 2
    box = (*(middle - radius), *(middle + radius))
    circle = draw.rectangle(shape, box, max(1, radius * rng.uniform(0.03, 0.08)), radius=radius)
    scene = draw.laid(draw.paper(rng, shape), np.maximum(ink, circle), draw.pen(rng))
    return draw.photo(scene, rng)


@kind
def _whiteboard_with_its_frame(strokes, rng):
    wall = draw.plain(draw.shape(rng, 250), rng.uniform(0.5, 0.8, 3))
    shape = wall.shape[:2]
    inset = min(shape) * rng.uniform(0.08, 0.15)
    box = (inset, inset, shape[1] - inset, shape[0] - inset)
    ink = draw.ink(strokes, rng, shape, room=tuple(int(e) for e in box), pen=(0.07, 0.13))
    board = draw.laid(draw.plain(shape, 0.92), ink, draw.pen(rng))
    scene = wall + (board - wall) * draw.rectangle(shape, box)[..., None]
    scene = draw.laid(scene, draw.rectangle(shape, box, min(shape) * 0.02), [0.35, 0.35, 0.38])
    return draw.photo(draw.turned(scene, rng.uniform(-4, 4), wall), rng)


@kind
def _sheet_in_perspective(strokes, rng):
    table, page = _wood(rng, draw.shape(rng, 250)), rng.uniform(0.88, 1, 3)
    shape = table.shape[:2]
    ink = draw.ink(strokes, rng, shape, pen=(0.07, 0.13))
    sheet = np.concatenate(
        [draw.laid(draw.plain(shape, page), ink, draw.pen(rng)), draw.plain(shape, 1)], 2
    )
    ends = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * shape[::-1]
    moved = ends + (0.5 - np.array([[0, 0], [0, 1], [1, 1], [1, 0]])) * rng.uniform(
        0.12, 0.4, (4, 2)
    ) * min(shape)
    rows = [
        row
        for (x, y), (u, v) in zip(moved, ends, strict=True)
        for row in ([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y])
    ]
    quad = np.linalg.solve(np.array(rows, float), ends.ravel())
    parts = Image.fromarray((sheet[..., [0, 1, 2, 3]] * 255).astype(np.uint8), "RGBA")
    parts = parts.transform(
        shape[::-1], Image.Transform.PERSPECTIVE, quad, Image.Resampling.BICUBIC
    )
    seen = np.asarray(parts) / 255
    return draw.photo(table + (seen[..., :3] - table) * seen[..., 3:], rng)


@kind
def _sheet_on_a_checked_cloth(strokes, rng):
    shape = draw.shape(rng, 250)
    y, x = np.mgrid[: shape[0], : shape[1]] // max(8, min(shape) // rng.integers(10, 20))
    table = np.where(((x + y) % 2)[..., None], [0.55, 0.15, 0.15], [0.35, 0.1, 0.12])
    return _on_a_table(
        strokes, rng, table, rng.uniform(0.88, 1, 3), draw.pen(rng), rng.uniform(-8, 8)
    )


@kind
def _bars_of_a_phone(strokes, rng):
    """A screenshot with bars at the top and the bottom, light or dark."""
    shape = (int(rng.uniform(500, 1200)), int(rng.uniform(280, 560)))
    bars = (np.array([0.05, 0.07]) * shape[0] * rng.uniform(0.8, 1.3)).astype(int)
    dark = bool(rng.random() < 0.5)
    room = (0, bars[0], shape[1], shape[0] - bars[1])
    scene = draw.drawing(strokes, rng, shape, not dark, room=room)
    scene[: bars[0]] = scene[-bars[1] :] = 0.2 if dark else 0.85
    picture = Image.fromarray((scene * 255).astype(np.uint8))
    pen, colour = ImageDraw.Draw(picture), (230,) * 3 if dark else (40,) * 3
    pen.text((bars[0] * 0.4, bars[0] * 0.2), "9:41", colour, font_size=bars[0] * 0.5)
    pen.text((shape[1] * 0.4, bars[0] * 0.2), "Notes", colour, font_size=bars[0] * 0.5)
    for at in (0.25, 0.5, 0.75):
        x, y, half = shape[1] * at, shape[0] - bars[1] / 2, bars[1] * 0.2
        pen.ellipse((x - half, y - half, x + half, y + half), outline=colour, width=3)
    return draw.saved(picture, [None, 85][rng.integers(2)])


@kind
def _finger_in_the_corner(strokes, rng):
    shape = draw.shape(rng, 200)
    size = min(shape)
    corner = rng.integers(0, 2, 2) * shape[::-1]
    toward = np.sign(np.array(shape[::-1]) / 2 - corner)
    radius = size * rng.uniform(0.12, 0.18)
    finger = draw.rectangle(shape, (*(corner - radius), *(corner + radius)), radius=radius)
    middle = np.array(shape[::-1]) / 2 + toward * size * 0.08
    half = size * 0.38
    room = tuple(np.clip([*(middle - half), *(middle + half)], 0, shape[::-1] * 2).astype(int))
    ink = draw.ink(strokes, rng, shape, room=room, pen=(0.08, 0.15))
    scene = draw.laid(
        draw.laid(draw.paper(rng, shape), ink, draw.pen(rng)), finger, [0.75, 0.5, 0.4]
    )
    return draw.photo(scene, rng)


@kind
def _flash(strokes, rng):
    shape = draw.shape(rng, 200)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    cx, cy = rng.uniform(-0.5, 0.5, 2)
    light = 0.45 + 0.5 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.3, 0.8))
    scene = draw.laid(
        draw.paper(rng, shape), draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng)
    )
    return draw.photo(scene, rng, light=light[..., None])


@kind
def _gradient_ground(strokes, rng):
    """A poster: the ground goes from one colour to another, no noise."""
    shape = draw.shape(rng, 100)
    first, last = rng.uniform(0.6, 1, (2, 3))
    page = first + (last - first) * np.linspace(0, 1, shape[0])[:, None, None]
    page = np.broadcast_to(page, (*shape, 3))
    return draw.file(
        draw.laid(page, draw.ink(strokes, rng, shape, pen=(0.08, 0.15)), draw.pen(rng))
    )


@kind
def _screen_in_a_dark_room(strokes, rng):
    """A lit screen with rounded corners, and its bezel."""
    shape = draw.shape(rng, 250)
    room = draw.plain(shape, rng.uniform(0, 0.08))
    inset = min(shape) * rng.uniform(0.06, 0.15)
    box = (inset, inset, shape[1] - inset, shape[0] - inset)
    ink = draw.ink(strokes, rng, shape, room=tuple(int(e) for e in box), pen=(0.07, 0.13))
    screen = draw.laid(draw.plain(shape, [0.9, 0.95, 1]), ink, draw.pen(rng))
    scene = room + (screen - room) * draw.rectangle(shape, box, radius=inset / 3)[..., None]
    return draw.photo(draw.turned(scene, rng.uniform(-5, 5), room), rng)
