"""Fifteen ways in which an image of a digit can be corrupted, each at one fixed strength.

Which they are, and how strong: Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer
Vision" (2019), https://arxiv.org/abs/1906.02337. Neither its images nor its code are used, so
figures on these are like MNIST-C's, not MNIST-C's. Where a library defines it, we chose:

* motion blur: one-sided Gaussian of sigma 3 pixels, up to 10 pixels, the edges continued.
* shear by 0.4: the rows move by sin 0.4 a row and are stretched by 1 / cos 0.4.
* fog: diamond-square noise (Fournier, Fussell, Carpenter 1982) on a torus of 256 x 256
  points, whose random part shrinks by 1.4 ** 2 from one scale to the next.
* Canny's edges (1986): sigma 1, thresholds 0.1 and 0.2 of the slope by Sobel's filter.

Sizes are in pixels, intensities in units of white.
"""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
from scipy import ndimage

from model.signature import PIXELS, STEPS, WHITE

_CENTRE = (STEPS - 1) / 2


def _shot_noise(x, rng):
    return rng.poisson(x * 3) / 3


def _impulse_noise(x, rng):
    return np.where(rng.random(x.shape) < 0.17, rng.integers(0, 2, x.shape), x)


def _glass_blur(x, rng):
    x = _blurred(x, 0.7)
    inner = range(STEPS - 1, 1, -1)
    for row, column in [*product(inner, inner)] * 2:
        swapped = np.flatnonzero(rng.random(len(x)) < 0.5)
        y, z = np.array([[row], [column]]) + rng.integers(-1, 1, (2, len(swapped)))
        here = x[swapped, row, column]
        x[swapped, row, column] = x[swapped, y, z]
        x[swapped, y, z] = here
    return _blurred(x, 0.7)


def _motion_blur(x, rng):
    angle = rng.uniform(-np.pi / 4, np.pi / 4, len(x))
    weights = np.exp(-(np.arange(11.0) ** 2) / (2 * 3**2))
    return sum(
        weight * _shifted(x, far * np.sin(angle), far * np.cos(angle), "nearest")
        for far, weight in enumerate(weights / weights.sum())
    )


def _shear(x, rng):
    angle = 0.4 * rng.choice([-1, 1], len(x))
    return _warped(x, [[np.cos(angle), 0 * angle], [-np.sin(angle), np.ones(len(x))]])


def _scale(x, _):
    return _warped(x, np.eye(2)[..., None] / 0.7)


def _rotate(x, rng):
    angle = 0.4 * rng.choice([-1, 1], len(x))
    cos, sin = np.cos(angle), np.sin(angle)
    return _warped(x, [[cos, sin], [-sin, cos]])


def _brightness(x, _):
    return x + 0.5


def _translate(x, rng):
    return _shifted(x, *rng.choice([-3, 3], (2, len(x))))


def _stripe(x, _):
    return np.where(np.arange(PIXELS) // 7 % 3 == 0, 1 - x, x)


def _fog(x, rng):
    peak = x.max(axis=(1, 2), keepdims=True)
    fog = np.reshape([_plasma(rng) for _ in x], x.shape)
    return (x + 3 * fog) * peak / (peak + 3)


def _spatter(x, rng):
    drops = _blurred(rng.normal(0.65, 0.3, x.shape), 1) > 0.65
    mud = _blurred(drops.astype(float), 1.5)
    mud[mud < 0.8] = 0
    return x * (1 - mud) + 63 / WHITE * mud


def _dotted_line(x, rng):
    start, end = rng.integers(0, 27, (2, len(x)))
    line = _line(0, start, 27, end)
    line[:, :, np.arange(PIXELS) // 2 % 2 == 0] = 0
    return x + line


def _zigzag(x, rng):
    first, last = 2, 25  # columns; a tooth is four pixels long and two high
    start = rng.integers(0, 27, len(x))
    angle = np.arctan(rng.integers(-5, 5, len(x)) / (last - first))
    cos, sin = np.cos(angle), np.sin(angle)
    along = [0 * cos, *(2 * tooth + 0 * cos for tooth in range(1, 12, 2)), (last - first) / cos]
    corners = [
        (first + a * cos - b * sin, start + a * sin + b * cos)
        for a, b in zip(along, (0, 2, -2, 2, -2, 2, -2, 0), strict=True)
    ]
    for here, there in pairwise(corners):
        x = np.clip(x + _line(*here, *there), 0, 1)
    return x


def _canny_edges(x, _):
    x = _blurred(x, 1, "constant")
    sobel = np.outer([-1, 0, 1], [1, 2, 1])
    down, right = (ndimage.correlate(x, kernel[None]) for kernel in (sobel, sobel.T))
    slope = np.hypot(down, right)
    reach = np.maximum(np.maximum(np.abs(down), np.abs(right)), 1e-9)  # to the next pixels
    y, z = np.mgrid[:STEPS, :PIXELS]
    ahead, behind = (_sampled(slope, y + k * down / reach, z + k * right / reach) for k in (1, -1))
    ridge = (slope >= np.maximum(ahead, behind)) & (slope >= 0.1)
    ridge[:, [0, -1]] = ridge[:, :, [0, -1]] = False
    within = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # one image
    parts, _ = ndimage.label(ridge, within)
    return (ridge & np.isin(parts, parts[ridge & (slope >= 0.2)])).astype(float)


def _blurred(x, sigma: float, mode: str = "nearest"):
    return ndimage.gaussian_filter(x, (0, sigma, sigma), mode=mode)


def _sampled(x, y, z, mode: str = "constant"):
    """Bilinear values of the images at rows y and columns z (count, 28, 28)."""
    points = [np.broadcast_to(part, x.shape) for part in (np.arange(len(x))[:, None, None], y, z)]
    return ndimage.map_coordinates(x, points, order=1, mode=mode)


def _shifted(x, down, right, mode: str = "constant"):
    """Take each pixel from further down and right, by one number each an image."""
    y, z = np.mgrid[:STEPS, :PIXELS]
    return _sampled(x, y + down[:, None, None], z + right[:, None, None], mode)


def _warped(x, linear):
    """Take each pixel from linear (2, 2, count or 1) times its (y, x), from the centre."""
    here = np.mgrid[:STEPS, :PIXELS] - _CENTRE
    y, z = np.einsum("abn,bij->anij", linear, here) + _CENTRE
    return _sampled(x, y, z)


def _line(x0, y0, x1, y1):
    """Lines (count, 28, 28) from column x0 to x1 that fade out within 2.3 pixels along y."""
    x0, y0, x1, y1 = (np.asarray(end, float)[..., None, None] for end in (x0, y0, x1, y1))
    rows, columns = np.mgrid[:STEPS, :PIXELS]
    middle = y0 + (y1 - y0) / (x1 - x0) * (columns - x0)
    near = 1 - np.abs(rows - middle) / 2.3
    line = 1 + np.log(np.clip(near, 1 / np.e, 1))
    return line * ((columns >= np.floor(x0)) & (columns < np.ceil(x1)))


def _plasma(rng):
    """Diamond-square noise in 0..1: the upper left (28, 28) of it."""
    field, amplitude = np.zeros((256, 256)), 1.0
    for half in (128, 64, 32, 16, 8, 4, 2, 1):
        step = 2 * half
        corners = field[::step, ::step]
        noise = rng.uniform(-amplitude, amplitude, (3, *corners.shape))
        ends = corners + np.roll(corners, -1, 1)
        middles = (ends + np.roll(ends, -1, 0)) / 4 + noise[0]
        field[half::step, half::step] = middles
        field[::step, half::step] = (ends + middles + np.roll(middles, 1, 0)) / 4 + noise[1]
        ends = corners + np.roll(corners, -1, 0)
        field[half::step, ::step] = (ends + middles + np.roll(middles, 1, 1)) / 4 + noise[2]
        amplitude /= 1.4**2
    field -= field.min()
    return (field / field.max())[:STEPS, :PIXELS]


def _on_bytes(corruption: Callable) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    def corrupt(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = corruption(images.astype(np.float64) / WHITE, rng)
        return np.rint(changed.clip(0, 1) * WHITE).astype(np.uint8)

    return corrupt


_NOISE_AND_BLUR = (_shot_noise, _impulse_noise, _glass_blur, _motion_blur)
_MOVED = (_shear, _scale, _rotate, _translate)
_OVERLAID = (_brightness, _stripe, _fog, _spatter, _dotted_line, _zigzag, _canny_edges)
# Each takes uint8 (count, 28, 28) and a random generator and gives new images of that shape.
CORRUPTIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    each.__name__[1:]: _on_bytes(each) for each in _NOISE_AND_BLUR + _MOVED + _OVERLAID
}
