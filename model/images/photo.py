"""Ink in a photo: uneven light, shadows, noise and dust taken away."""

import numpy as np
from PIL import Image

from model.images.masks import grown, label
from model.signature import WHITE

_COARSE = 64  # longest side for light and dirt, which are coarse
_ENOUGH = 96  # rows and columns for a median
_MIN_CONTRAST = 40  # of 255: a shadow's soft edge leaves up to 35
_FAINT = 16  # of 255: what is fainter does not widen the ink's box


def ink_of_photo(grey: np.ndarray) -> tuple[np.ndarray, bool]:
    """Ink (uint8) and polarity in uneven light and noise; all 0 if there is no ink."""
    height, width = grey.shape
    factor = -(-max(grey.shape) // _COARSE)
    coarse = _reduced(grey.astype(np.float32), factor)
    light = _light(coarse)
    rest = coarse - light
    inverted = bool(-rest.min() > rest.max())
    sign = -1 if inverted else 1
    # Neither is below ink's page: the one is exact at a shadow's edge, the other on slopes.
    page = sign * np.maximum(_opened(sign * coarse), sign * light + _opened(sign * rest))
    size = page.shape[1] * factor, page.shape[0] * factor
    page = np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BILINEAR))[
        :height, :width
    ]
    ink = sign * (grey - page)
    if inverted:  # paper reflects a share of the light: in a shadow, ink differs less from it
        ink *= page.mean() / page.clip(page.mean() / 2)
    ink -= np.median(_sample(ink))
    smooth = _blurred(ink)
    peak = smooth.max()
    # The noise of `smooth`: the middle half of it, in normal distributions; but thick ink and
    # shadows widen that, so no more than twice what the 3 x 3 mean took away lets expect.
    noise = np.quantile(np.abs(_sample(smooth)), 0.25) / 0.3186
    taken = np.median(np.abs(_sample(ink - smooth))) / 0.6745 / np.sqrt(8)
    noise = min(noise, 2 * taken)
    if peak < max(_MIN_CONTRAST, 11 * noise):
        return np.zeros_like(grey), False
    mask = smooth > max(0.35 * peak, 3 * noise)
    cells = _without_specks(
        *(_reduced(255 * np.uint8(each), factor) for each in (mask, smooth > 0.65 * peak))
    )
    mask &= cells.repeat(factor, 0).repeat(factor, 1)[:height, :width]
    # A camera's blur lowers the middle of a stroke and smears its foot.
    full = 0.92 * np.median(smooth[mask])
    foot = 0.1 * full
    ink = (ink - foot).clip(0) * (WHITE / (full - foot)) * grown(grown(mask))
    ink[ink < _FAINT] = 0
    return np.rint(ink.clip(max=WHITE)).astype(np.uint8), inverted


def _sample(pixels: np.ndarray) -> np.ndarray:
    """Enough of the pixels for a median."""
    step = max(1, min(pixels.shape) // _ENOUGH)
    return pixels[::step, ::step]


def _light(picture: np.ndarray) -> np.ndarray:
    """The quadratic surface that most of the picture, its edge above all, lies close to."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in picture.shape), indexing="ij")
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    trust = np.where(np.maximum(np.abs(x), np.abs(y)) > 0.9, 4.0, 1.0)[::2, ::2].ravel()
    terms = surface[:, ::2, ::2].reshape(6, -1)  # for six numbers every other pixel is enough
    value = picture[::2, ::2].ravel().astype(np.float64)
    weight = trust
    for _ in range(12):  # least absolute residuals, by reweighted least squares
        weighted = terms * weight
        fit = np.linalg.lstsq(weighted @ terms.T, weighted @ value)[0]
        weight = trust / np.maximum(np.abs(value - fit @ terms), 1.0)
    return np.tensordot(fit, surface, 1).astype(np.float32)


def _opened(picture: np.ndarray) -> np.ndarray:
    """Morphological opening: what is brighter and narrower than a third of the side goes.

    Edges of shadows stay. Beyond its border the picture is continued at the same slope, or
    a slope would end in a false rim.
    """
    reach = max(picture.shape) // 6
    picture = np.pad(picture, 2 * reach, mode="reflect", reflect_type="odd")
    for extreme in (np.minimum, np.maximum):
        picture = _extreme(extreme, _extreme(extreme, picture, 2 * reach + 1).T, 2 * reach + 1).T
    return picture


def _extreme(extreme: np.ufunc, picture: np.ndarray, length: int) -> np.ndarray:
    """The extreme of each `length` rows in succession, by windows that double."""
    window = 1
    while window < length:
        step = min(window, length - window)
        picture = extreme(picture[step:], picture[:-step])
        window += step
    return picture


def _without_specks(cells: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Connected parts of `cells` (rows, columns) with a twentieth of the largest's strong ink."""
    parts, _ = label(cells > 0)
    weights = np.bincount(parts.ravel(), strong.ravel())
    return (weights >= 0.05 * weights.max())[parts] & (cells > 0)


def _blurred(pixels: np.ndarray) -> np.ndarray:
    """Mean of each pixel's 3 x 3 neighbourhood."""
    padded = np.pad(pixels, 1, mode="edge")
    tall = padded[:-2] + padded[1:-1] + padded[2:]
    return (tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / 9


def _reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of factor x factor pixels."""
    return np.asarray(Image.fromarray(pixels).reduce(factor))
