"""What pictures are made of: ink, pages, light, lines, and a camera.

Colours and light are 0..1, lengths pixels unless they say otherwise. Ink is a share of each pixel,
(height, width); a scene is (height, width, 3).
"""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.images.strokes import render
from training.sources.render import placed

BLACK, WHITE = np.zeros(3), np.ones(3)
_OUTSIDE = 0.08  # of the page's shorter side: the least margin around a digit


def shape(rng, smallest=40, largest=1200) -> tuple[int, int]:
    longer = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    shape = (round(longer), round(longer * rng.uniform(0.7, 1)))
    return shape if rng.random() < 0.5 else shape[::-1]


def ink(strokes, rng, shape, extent=(0.45, 0.75), pen=(0.06, 0.15), room=None) -> np.ndarray:
    """The digit's longer side is `extent` of the room's shorter, its pen `pen` of the digit.

    `room` is (left, top, right, bottom), the whole page where it is None.
    """
    left, top, right, bottom = room or (0, 0, shape[1], shape[0])
    side = round(min(right - left, bottom - top) * rng.uniform(*extent))
    brush = np.exp(rng.uniform(*np.log(pen)))
    brush = max(brush, 1.3 / side)
    unit = [line * (1 - brush) + brush / 2 for line in placed(strokes, 1.0, 0.5, 0.5)]
    digit = render(unit, side, brush) / 255
    margin = _OUTSIDE * min(right - left, bottom - top)
    x = int(rng.uniform(left + margin, max(right - margin - side, left + margin)))
    y = int(rng.uniform(top + margin, max(bottom - margin - side, top + margin)))
    ink = np.zeros(shape)
    ink[y : y + side, x : x + side] = digit[: shape[0] - y, : shape[1] - x]
    return ink


def laid(page: np.ndarray, ink: np.ndarray, colour) -> np.ndarray:
    """Lay ink (height, width) of a colour on a page (height, width, 3)."""
    return page + (np.asarray(colour) - page) * ink[..., None]


def plain(shape, colour) -> np.ndarray:
    return np.ones((*shape, 3)) * colour


def file(rgb: np.ndarray, quality: int | None = None, **options) -> bytes:
    """PNG, or JPEG where a quality is given."""
    pixels = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return saved(Image.fromarray(pixels), quality, **options)


def saved(picture: Image.Image, quality: int | None = None, **options) -> bytes:
    file = io.BytesIO()
    if quality is None:
        picture.save(file, "PNG", **options)
    else:
        picture.save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def uneven_light(rng, shape, fall=0.35) -> np.ndarray:
    """Uneven light, (height, width, 1): a slope, and less in the corners."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0, fall) / 2
    return (0.9 - slope - rng.uniform(0, 0.15) * (x * x + y * y))[..., None]


def photo(scene: np.ndarray, rng, light=None, blur=(0.4, 1.0), noise=(0.005, 0.025)) -> bytes:
    """A camera's picture of a scene: light, blur, noise and JPEG."""
    lit = scene * (uneven_light(rng, scene.shape[:2]) if light is None else light)
    pixels = Image.fromarray(np.rint(lit.clip(0, 1) * 255).astype(np.uint8))
    soft = np.asarray(pixels.filter(ImageFilter.GaussianBlur(rng.uniform(*blur)))) / 255
    grain = rng.normal(0, rng.uniform(*noise), (*soft.shape[:2], 1))
    grain = grain + rng.normal(0, 0.006, soft.shape)
    return file(soft + grain, quality=int(rng.integers(70, 95)))


def paper(rng, shape) -> np.ndarray:
    return plain(shape, rng.uniform(0.9, 1, 3))


def pen(rng) -> np.ndarray:
    """Black, blue or any dark ink."""
    return np.array([[0.1, 0.1, 0.12], [0.1, 0.15, 0.5], [0.2, 0.1, 0.1]])[rng.integers(3)]


def line(shape, start, end, width) -> np.ndarray:
    """An anti-aliased straight line from (x, y) to (x, y), (height, width) 0..1."""
    picture = Image.new("L", (shape[1] * 2, shape[0] * 2))
    points = [tuple(2 * np.asarray(point)) for point in (start, end)]
    ImageDraw.Draw(picture).line(points, 255, max(1, round(2 * width)))
    return np.asarray(picture.reduce(2)) / 255


def rectangle(shape, box, width=0.0, radius=0.0) -> np.ndarray:
    """A filled rectangle (left, top, right, bottom), or its outline where `width` is given."""
    picture = Image.new("L", (shape[1] * 2, shape[0] * 2))
    corners = [2 * edge for edge in box]
    how = {"outline": 255, "width": max(1, round(2 * width))} if width else {"fill": 255}
    ImageDraw.Draw(picture).rounded_rectangle(corners, 2 * radius, **how)
    return np.asarray(picture.reduce(2)) / 255


def bounds(ink) -> tuple[int, int, int, int]:
    return Image.fromarray(ink > 0.05).getbbox()


def turned(scene: np.ndarray, degrees: float, around: np.ndarray) -> np.ndarray:
    """Turn a scene; what comes in from outside is `around`'s."""
    pixels = [Image.fromarray((part * 255).astype(np.uint8)) for part in (scene, around)]
    mask = Image.new("L", pixels[0].size, 255)
    parts = [p.rotate(degrees, Image.Resampling.BICUBIC) for p in (pixels[0], mask)]
    return np.asarray(Image.composite(parts[0], pixels[1], parts[1])) / 255


def ruled(rng, shape, both: bool, share=(0.1, 0.2)) -> np.ndarray:
    page, step = paper(rng, shape), min(shape) * rng.uniform(*share)
    width, tilt = max(1.0, min(shape) / 350), rng.uniform(-0.02, 0.02)
    lines = np.zeros(shape)
    for at in np.arange(rng.uniform(0, step), max(shape) * 1.05, step):
        ends = (0, at), (shape[1], at + tilt * shape[1])
        lines = np.maximum(lines, line(shape, *ends, width))
        if both:
            ends = (at, 0), (at - tilt * shape[0], shape[0])
            lines = np.maximum(lines, line(shape, *ends, width))
    return laid(page, lines, [0.65, 0.75, 0.88])


def drawing(strokes, rng, shape, dark=True, room=None, **how) -> np.ndarray:
    """A drawing in black and white."""
    tone, colour = (1, BLACK) if dark else (0, WHITE)
    return laid(plain(shape, tone), ink(strokes, rng, shape, room=room, **how), colour)


def underlined(rng, shape, scene, ink, tilt) -> np.ndarray:
    left, _, right, bottom = bounds(ink)
    size = max(right - left, bottom)
    out = size * rng.uniform(0.05, 0.4)
    y = min(bottom + size * rng.uniform(0.05, 0.12), shape[0] - 3)
    ends = (max(left - out, 2), y), (min(right + out, shape[1] - 3), y + tilt * (right - left))
    return laid(scene, line(shape, *ends, max(1, size * rng.uniform(0.01, 0.04))), pen(rng))
