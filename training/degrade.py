"""Digits degraded as paper, pens and scanners do: for training, before `preprocess`.

Own generators with random strength and place. They were chosen after a first network's
errors under the corruptions of `training.evaluation.corruptions` were seen, and several are of
the same kind (dust, stray lines, outlines, negative strips, blur): the error under those
corruptions is therefore that of kinds that the network has met, not of unseen ones.
"""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.images.preprocess import preprocess
from model.signature import PIXELS, STEPS


def _speckle(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dust: single pixels lost or blackened."""
    hit = rng.random(image.shape) < rng.uniform(0.02, 0.3)
    return np.where(hit, rng.choice([0, 255], image.shape), image)


def _lines(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stray strokes: ruled, dashed or bent lines across the page."""
    page = Image.fromarray(image)
    pen = ImageDraw.Draw(page)
    for _ in range(rng.integers(1, 4)):
        corners = rng.uniform(-4, 32, (rng.integers(2, 7), 2))
        path = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(corners)])
        shade = int(rng.uniform(100, 256))
        gap = rng.integers(1, 4)  # 1: unbroken
        for index in range(0, len(path) - 1, gap):
            pen.line([tuple(path[index]), tuple(path[index + 1])], fill=shade)
    return np.asarray(page)


def _outline(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Only the strokes' edges, as a photocopier's."""
    page = Image.fromarray(image)
    size = int(rng.choice([3, 3, 5]))
    edges = np.asarray(page.filter(ImageFilter.MaxFilter(3)), int)
    edges = edges - np.asarray(page.filter(ImageFilter.MinFilter(size)), int)
    if rng.random() < 0.7:
        edges = 255 * (edges > rng.uniform(60, 200))
    return edges


def _bands(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One strip of the page or several in the negative, across or down."""
    degraded = image.T.copy() if rng.random() < 0.5 else image.copy()
    for _ in range(rng.integers(1, 4)):
        start, width = rng.integers(-4, 26), rng.integers(3, 14)
        strip = slice(max(start, 0), start + width)
        degraded[:, strip] = 255 - degraded[:, strip]
    return degraded if rng.random() < 0.5 else degraded.T


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, after the pixels were shaken."""
    shaken = image
    if rng.random() < 0.5:
        y, x = np.indices(image.shape) + rng.integers(-1, 2, (2, *image.shape))
        shaken = image[y.clip(0, STEPS - 1), x.clip(0, PIXELS - 1)]
    page = Image.fromarray(np.ascontiguousarray(shaken))
    return np.asarray(page.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3))))


def _gap(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ink that did not take, in a small patch."""
    degraded = image.copy()
    (y, x), (height, width) = rng.integers(4, 22, 2), rng.integers(2, 7, 2)
    degraded[y : y + height, x : x + width] = 0
    return degraded


def _cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An end of the digit lies beyond the page's edge: up to a fifth of it."""
    turns = rng.integers(0, 4)
    degraded = np.rot90(image, turns).copy()
    inked = np.flatnonzero(degraded.any(axis=1))
    if len(inked):
        degraded[: inked[0] + int(len(inked) * rng.uniform(0.05, 0.2))] = 0
    return np.rot90(degraded, -turns)


KINDS = (_speckle, _lines, _outline, _bands, _blur, _gap, _cut)


def degrade(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrade each image in one random way and see it as the app would.

    Args:
        images: uint8 (count, 28, 28), white ink on black.

    Returns:
        uint8 (count, 28, 28); an image of which nothing was left comes back as it was.
    """
    results = np.empty_like(images)
    for index, image in enumerate(images):
        kind = KINDS[rng.integers(len(KINDS))]
        seen = preprocess(np.asarray(kind(image, rng), np.uint8))
        results[index] = np.rint(seen.image) if seen.has_ink else image
    return results
