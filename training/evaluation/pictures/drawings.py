"""Drawings in exact tones, in all kinds of files."""

import io

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation.pictures import draw
from training.evaluation.pictures.kinds import kind
from training.sources.render import placed

# Drawings: exact tones


@kind
def _white_on_black(strokes, rng):
    shape = draw.shape(rng)
    return draw.file(draw.laid(draw.plain(shape, 0), draw.ink(strokes, rng, shape), draw.WHITE))


@kind
def _black_on_white(strokes, rng):
    shape = draw.shape(rng)
    return draw.file(draw.laid(draw.plain(shape, 1), draw.ink(strokes, rng, shape), draw.BLACK))


@kind
def _one_bit(strokes, rng):
    shape = draw.shape(rng)
    ink = draw.ink(strokes, rng, shape) > 0.5
    return draw.saved(Image.fromarray(ink ^ (rng.random() < 0.5)))


@kind
def _transparent_dark_ink(strokes, rng):
    shape = draw.shape(rng)
    ink = draw.ink(strokes, rng, shape)[..., None]
    return draw.file(np.concatenate([draw.plain(shape, draw.pen(rng)), ink], axis=2))


@kind
def _transparent_light_ink(strokes, rng):
    shape = draw.shape(rng)
    ink = draw.ink(strokes, rng, shape)[..., None]
    return draw.file(np.concatenate([draw.plain(shape, rng.uniform(0.85, 1, 3)), ink], axis=2))


@kind
def _grey_on_grey(strokes, rng):
    shape = draw.shape(rng)
    page = rng.uniform(0.2, 0.8)
    tone = page + rng.choice([-1, 1]) * rng.uniform(0.16, 0.2)
    return draw.file(draw.laid(draw.plain(shape, page), draw.ink(strokes, rng, shape), [tone] * 3))


@kind
def _one_pixel_line(strokes, rng):
    shape = draw.shape(rng, 80, 600)
    side = min(shape) * rng.uniform(0.5, 0.75)
    x, y = ((np.array(shape[::-1]) - side) * rng.uniform(0.2, 0.8, 2)).astype(int)
    picture = Image.new("L", shape[::-1], 255)
    for line in placed(strokes, 1.0, 0.5, 0.5):
        ImageDraw.Draw(picture).line([(x + a * side, y + b * side) for a, b in line], 0, 1)
    return draw.saved(picture)


@kind
def _jpeg_of_a_drawing(strokes, rng):
    shape = draw.shape(rng, 60)
    rgb = draw.laid(draw.plain(shape, 1), draw.ink(strokes, rng, shape), draw.pen(rng))
    return draw.file(rgb, quality=int(rng.integers(15, 60)))


@kind
def _cut_out_tightly(strokes, rng):
    shape = draw.shape(rng)
    ink = draw.ink(strokes, rng, shape)
    left, top, right, bottom = draw.bounds(ink)
    ink = ink[top:bottom, left:right]
    return draw.file(draw.laid(draw.plain(ink.shape, 1), ink, draw.BLACK))


@kind
def _small_in_a_large_picture(strokes, rng):
    shape = draw.shape(rng, 900)
    ink = draw.ink(strokes, rng, shape, extent=(0.08, 0.15))
    return draw.file(draw.laid(draw.plain(shape, 1), ink, draw.BLACK))


def _in_16_bits(values) -> bytes:
    return draw.saved(Image.fromarray(np.rint(values).astype(np.uint16)))


@kind
def _ten_to_thirteen_bits(strokes, rng):
    shape = draw.shape(rng, 60)
    ink = draw.ink(strokes, rng, shape)
    ink = ink if rng.random() < 0.5 else 1 - ink
    return _in_16_bits(ink * (2 ** rng.integers(10, 14) - 1))


@kind
def _sixteen_bits(strokes, rng):
    shape = draw.shape(rng, 60)
    ink = draw.ink(strokes, rng, shape)
    return _in_16_bits((ink if rng.random() < 0.5 else 1 - ink) * 65535)


@kind
def _offset_base(strokes, rng):
    """A sensor's dark level, and a range that fills a small part of 16 bits; with its noise."""
    shape = draw.shape(rng, 60)
    ink = draw.ink(strokes, rng, shape)
    span = rng.uniform(500, 4000)
    values = rng.uniform(1000, 40000) + span * (ink if rng.random() < 0.5 else 1 - ink)
    return _in_16_bits(values + rng.normal(0, span * 0.01, shape))


@kind
def _inverted_photo(strokes, rng):
    shape = draw.shape(rng, 150)
    photo = draw.photo(
        draw.laid(draw.paper(rng, shape), draw.ink(strokes, rng, shape), draw.pen(rng)), rng
    )
    return draw.saved(Image.eval(Image.open(io.BytesIO(photo)), lambda v: 255 - v), 90)
