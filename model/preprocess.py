"""From any picture or pen drawing to MNIST's convention, with NumPy and Pillow alone.

The last steps are those of the reconstructed recipe of Yadav and Bottou, "Cold Case: The
Lost MNIST Digits" (2019): the ink's bounding box becomes a square around its middle, each of
20 x 20 pixels gets the share of its *area* that is ink, the brightest becomes
255, and whole-pixel shifts bring the centre of mass into the middle of the 28 x 28
field (LeCun's MNIST page).

Coordinates: pixel i covers [i, i + 1], so the field's middle is 14.0. Whole pixels place the
centre of mass in (14, 15]; as pixel indices, in (13.5, 14.5], which holds for MNIST's own.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import ExifTags, Image, ImageOps

from model.signature import PIXELS, STEPS, WHITE

# Diameter of the pen's tip in units of the drawing's side. MNIST's digits hold 103 pixels of
# ink on average (mean of the ten digits' means). 500 pen digits of the UCI set "pendigits",
# 0.6 of the drawing high or wide, hold 95 at 0.08, 104 at 0.09 and 114 at 0.10.
BRUSH = 0.09

_BOX = 20  # MNIST's digits are 20 pixels along their longer side
_WORK = 512  # longest side of the picture that is looked at, in pixels
_COARSE = 64  # longest side for light and dirt, which are coarse
_MIN_DETAIL = 64  # ink smaller than this is looked at again, closer
_MIN_CONTRAST = 24  # of 255: what is fainter is no ink
_MIN_CONTRAST_PHOTO = 40  # in uneven light: a shadow's soft edge leaves up to 35
_FAINT = 16  # of 255: in a photo, what is fainter does not widen the ink's box
_TWO_TONES = 96  # ink on a page differs by more than this of 255, one ink in itself by less
_WHITE_16 = 65535  # of pictures with 16 bits
_PHASES = 8  # sub-pixel positions of the pen's tip, each way


@dataclass(frozen=True)
class Preprocessed:
    """A picture in MNIST's convention.

    Attributes:
        image: float32 (28, 28), 0 (page) to 255 (ink); all 0 where there is no ink.
        has_ink: False for a blank page.
        inverted: the picture had dark ink on a light page.
        box: (left, top, right, bottom) of the ink in the upright picture's own pixels, right
            and bottom exclusive; a large picture's is coarser by a few pixels. None where
            there is no ink.
    """

    image: np.ndarray
    has_ink: bool
    inverted: bool
    box: tuple[int, int, int, int] | None


def render(strokes, size: int = 280, brush: float = BRUSH) -> np.ndarray:
    """Draw pen strokes in white on black, anti-aliased, with round caps and joints.

    Args:
        strokes: arrays (points, 2) of x (right) and y (down) in units of the drawing's side;
            what lies outside 0..1 is clipped. One point is a dot.
        size: side of the drawing in pixels.
        brush: diameter of the pen's tip in units of the drawing's side.

    Returns:
        uint8 (size, size), 0 to 255 (ink).

    Raises:
        ValueError: a stroke has another shape, a coordinate is not finite, or `size` or
            `brush` is out of range.
    """
    if size < 1 or not 0 < brush <= 1:
        raise ValueError(f"size must be at least 1 and brush in (0, 1], not {size} and {brush}")
    try:
        strokes = list(strokes)
    except TypeError:
        raise ValueError("strokes must be a sequence of arrays (points, 2)") from None
    radius = size * brush / 2
    tips = _tips(radius)
    window = tips.shape[-1]
    reach = window // 2
    margin = 3 * reach + 1  # so that no tip that is set down leaves the canvas
    canvas = np.zeros((size + 2 * margin, size + 2 * margin), np.uint8)
    for number, stroke in enumerate(strokes):
        points = _checked(stroke, number) * size
        spots = np.rint(_walk(points, radius, -2 * reach, size + 2 * reach) * _PHASES)
        cells, phases = np.divmod(spots.astype(int), _PHASES)
        corners = (cells + (margin - reach)).tolist()
        for (x, y), (i, j) in zip(corners, phases.tolist(), strict=True):
            patch = canvas[y : y + window, x : x + window]
            np.maximum(patch, tips[j, i], out=patch)
    return canvas[margin:-margin, margin:-margin].copy()


def _checked(stroke, number: int) -> np.ndarray:
    """The stroke as float64 (points, 2)."""
    try:
        points = np.asarray(stroke, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"stroke {number} must be rows of two numbers: {error}") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"stroke {number} must have shape (points, 2), not {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"stroke {number} has a coordinate that is NaN or infinite")
    return points.clip(-1e6, 1e6)  # further out nothing can be seen, and squares overflow


@lru_cache(maxsize=8)
def _tips(radius: float) -> np.ndarray:
    """The pen's tip at each sub-pixel position: uint8 (phases y, phases x, window, window)."""
    reach = int(np.ceil(radius + 1))
    centres = np.arange(-reach, reach + 1) + 0.5
    squares = (centres - np.arange(_PHASES)[:, None] / _PHASES) ** 2
    distance = np.sqrt(squares[:, None, :, None] + squares[None, :, None, :])
    return np.rint(WHITE * np.clip(radius + 0.5 - distance, 0, 1)).astype(np.uint8)


def _walk(points: np.ndarray, radius: float, low: float, high: float) -> np.ndarray:
    """Points along the polyline (points, 2), in pixels, so close that discs there fill it.

    Segments are cut to the square low..high (Liang and Barsky), so a far point costs nothing.
    """
    last = points[-1:]
    starts, moves = points[:-1], np.diff(points, axis=0)
    moves = np.where(moves == 0, 1e-9, moves)
    sides = np.stack([(low - starts) / moves, (high - starts) / moves])
    enter = sides.min(axis=0).max(axis=1).clip(0)
    leave = sides.max(axis=0).min(axis=1).clip(max=1)
    seen = np.flatnonzero(enter <= leave)
    starts, moves, enter, leave = starts[seen], moves[seen], enter[seen], leave[seen]
    # A quarter of the radius apart, discs fall short of the line's edge by radius / 128.
    paces = (leave - enter) * np.hypot(moves[:, 0], moves[:, 1]) / max(radius / 4, 0.25)
    counts = np.ceil(paces).astype(int).clip(1)
    segment = np.repeat(np.arange(len(counts)), counts)
    pace = np.arange(len(segment)) - (np.cumsum(counts) - counts)[segment]
    share = enter[segment] + ((leave - enter) / counts)[segment] * pace
    last = last[((last >= low) & (last <= high)).all(axis=1)]
    return np.concatenate([starts[segment] + moves[segment] * share[:, None], last])


def preprocess(picture: Image.Image | np.ndarray) -> Preprocessed:
    """Find the ink in a picture and bring it into MNIST's convention.

    Dark ink on a light page and the reverse both work, and so do transparency, uneven light
    and a camera's noise. The ink must be the only thing on the page.

    Args:
        picture: a Pillow image of any mode, turned upright by its EXIF data, or an array
            (height, width), (height, width, 3) RGB or (height, width, 4) RGBA of bool or of
            numbers 0..255. Two cases that could show nothing otherwise are understood:
            integers that exceed 255 as 0..65535, fractions that never exceed 1 as 0..1.

    Raises:
        ValueError: no pixels, another shape, values that are NaN or out of range, or a file
            that Pillow cannot decode.
    """
    return _look(_as_image(picture), closer=True)


def _look(image: Image.Image, closer: bool) -> Preprocessed:
    """Preprocess; ink that is small in a large picture is looked at again if `closer`."""
    factor = -(-max(image.size) // _WORK)
    grey = _to_grey(image.reduce(factor) if factor > 1 else image)
    found = _ink_of_drawing(grey)
    if found is None:
        found = _ink_of_photo(grey)
    ink, inverted = found
    if not ink.any():
        return Preprocessed(np.zeros((STEPS, PIXELS), np.float32), False, False, None)
    box = _bounds(ink > 0)
    left, top, right, bottom = (edge * factor for edge in box)
    right, bottom = min(right, image.width), min(bottom, image.height)
    margin = max(right - left, bottom - top)
    if closer and factor > 1 and margin < _MIN_DETAIL * factor:
        x, y = max(left - margin, 0), max(top - margin, 0)
        corner = min(right + margin, image.width), min(bottom + margin, image.height)
        near = _look(image.crop((x, y, *corner)), closer=False)
        if near.has_ink:
            return replace(near, box=tuple(np.add(near.box, (x, y, x, y)).tolist()))
    return Preprocessed(_centred(ink, box), True, inverted, (left, top, right, bottom))


def _as_image(picture) -> Image.Image:
    """Check the picture; the result has 8 bits a channel and alpha as a channel, if any."""
    if isinstance(picture, Image.Image):
        if 0 in picture.size:
            raise ValueError(f"the picture has no pixels: its size is {picture.size}")
        try:
            picture.load()
            if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                picture = ImageOps.exif_transpose(picture)  # phones store sideways and say so
        except Exception as error:  # Pillow's decoders share no narrower base class
            raise ValueError(f"the picture cannot be decoded, save it anew: {error}") from error
        if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
            return _as_image(np.asarray(picture))
        plain = {"1": "L", "P": "RGBA", "PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
        mode = "RGBA" if "transparency" in picture.info else plain.get(picture.mode, picture.mode)
        return picture if mode == picture.mode else picture.convert(mode)
    pixels = np.asarray(picture)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(
            "a picture must have shape (height, width), (height, width, 3) or "
            f"(height, width, 4), not {pixels.shape}"
        )
    if pixels.size == 0:
        raise ValueError(f"the picture has no pixels: its shape is {pixels.shape}")
    return Image.fromarray(_as_bytes(pixels))


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Bring an array's values to uint8, 0..255."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels * np.uint8(WHITE)
    if pixels.dtype.kind not in "iuf":
        raise ValueError(f"a picture's values must be numbers 0..255, not {pixels.dtype}")
    low, high = pixels.min(), pixels.max()
    scale = 1.0
    if pixels.dtype.kind == "f" and high <= 1:
        scale = WHITE
    elif pixels.dtype.kind != "f" and WHITE < high <= _WHITE_16:
        scale = WHITE / _WHITE_16
    if not (low >= 0 and high * scale <= WHITE):  # true of NaN, too
        raise ValueError(f"a picture's values must lie in 0..255, not {low}..{high}: mend them")
    return np.rint(pixels * scale).astype(np.uint8)


def _to_grey(image: Image.Image) -> np.ndarray:
    """uint8 (height, width), with the page where the image is transparent."""
    if image.mode == "L":
        return np.asarray(image)
    if image.mode == "LAB":  # Pillow converts it only with a colour profile
        return np.asarray(image.getchannel("L"))
    tone = np.asarray(image.convert("RGB").convert("L"))
    if image.mode not in ("LA", "RGBA"):
        return tone
    alpha = np.asarray(image.getchannel("A"))
    if alpha.max() < _MIN_CONTRAST:
        return np.zeros_like(alpha)
    solid = alpha >= 0.95 * alpha.max()
    if solid.all():
        return tone
    tones = tone[solid]
    if np.ptp(tones) <= _TWO_TONES:  # one ink on a transparent canvas: it is where the alpha is
        return 255 - alpha if tones.mean() < WHITE / 2 else alpha
    # Two tones: a card, drawn on, if its rim is like most of it; else ink with a frayed rim,
    # left over from the page that was made transparent.
    page = np.median(tones)
    fray = tone[solid & _grown(~solid)].mean() - page
    if abs(fray) > _TWO_TONES / 4:
        page = WHITE if fray > 0 else 0
    share = alpha / WHITE
    return np.rint(tone * share + page * (1 - share)).astype(np.uint8)


def _ink_of_drawing(grey: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """Ink (uint8, 0 is page) and polarity if the page is one exact value, else None."""
    low, high = int(grey.min()), int(grey.max())
    if high - low < _MIN_CONTRAST:
        return np.zeros_like(grey), False
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    # Of 3,000 MNIST digits cut out tightly, the edges' mean is nearer to the page in 99.9 %.
    inverted = bool(edges.mean() > (low + high) / 2)
    ink = high - grey if inverted else grey - low
    exact = np.count_nonzero(edges == (high if inverted else low)) >= edges.size / 8
    # In a drawing, what is neither page nor ink is an edge; shading and noise lie elsewhere.
    stray = (ink > 0) & ~_grown(ink >= (high - low) / 4)
    if not exact or np.count_nonzero(stray) > 0.01 * np.count_nonzero(ink):
        return None
    return ink, inverted


def _ink_of_photo(grey: np.ndarray) -> tuple[np.ndarray, bool]:
    """Ink (uint8) and polarity in uneven light and noise; all 0 if there is no ink."""
    height, width = grey.shape
    factor = -(-max(grey.shape) // _COARSE)
    coarse = _reduced(grey, factor)
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
    ink -= np.median(ink)
    smooth = _blurred(ink)
    peak = smooth.max()
    # The noise of `smooth`: the middle half of it, in normal distributions; but thick ink and
    # shadows widen that, so no more than twice what the 3 x 3 mean took away lets expect.
    noise = np.quantile(np.abs(smooth), 0.25) / 0.3186
    taken = np.median(np.abs(ink - smooth)) / 0.6745 / np.sqrt(8)
    noise = min(noise, 2 * taken)
    if peak < max(_MIN_CONTRAST_PHOTO, 11 * noise):
        return np.zeros_like(grey), False
    mask = smooth > max(0.35 * peak, 3 * noise)
    cells = _without_specks(_reduced(mask, factor), _reduced(smooth > 0.65 * peak, factor))
    mask &= cells.repeat(factor, 0).repeat(factor, 1)[:height, :width]
    # A camera's blur lowers the middle of a stroke and smears its foot.
    full = 0.92 * np.median(smooth[mask])
    foot = 0.1 * full
    ink = (ink - foot).clip(0) * (WHITE / (full - foot)) * _grown(_grown(mask))
    ink[ink < _FAINT] = 0
    return np.rint(ink.clip(max=WHITE)).astype(np.uint8), inverted


def _light(picture: np.ndarray) -> np.ndarray:
    """The quadratic surface that most of the picture, its edge above all, lies close to."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in picture.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).reshape(6, -1)
    value = picture.ravel().astype(np.float64)
    trust = np.where(np.maximum(np.abs(x), np.abs(y)).ravel() > 0.9, 4.0, 1.0)
    weight = trust
    for _ in range(12):  # least absolute residuals, by reweighted least squares
        weighted = terms * weight
        fit = np.linalg.lstsq(weighted @ terms.T, weighted @ value)[0] @ terms
        weight = trust / np.maximum(np.abs(value - fit), 1.0)
    return fit.reshape(picture.shape).astype(np.float32)


def _opened(picture: np.ndarray) -> np.ndarray:
    """Morphological opening: what is brighter and narrower than a third of the side goes.

    Edges of shadows stay. Beyond its border the picture is continued at the same slope, or
    a slope would end in a false rim.
    """
    reach = max(picture.shape) // 6
    picture = np.pad(picture, 2 * reach, mode="reflect", reflect_type="odd")
    for extreme in (np.min, np.max):
        for axis in (0, 1):
            windows = np.lib.stride_tricks.sliding_window_view(picture, 2 * reach + 1, axis)
            picture = extreme(windows, axis=-1)
    return picture


def _without_specks(cells: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Connected parts of `cells` (rows, columns) with a twentieth of the largest's strong ink."""
    parts = np.arange(1, cells.size + 1).reshape(cells.shape) * (cells > 0)
    while True:
        grown = _grown(parts) * (cells > 0)
        if (grown == parts).all():
            break
        parts = grown
    weights = np.bincount(parts.ravel(), strong.ravel())
    return (weights >= 0.05 * weights.max())[parts] & (cells > 0)


def _grown(pixels: np.ndarray) -> np.ndarray:
    """Each pixel becomes the largest of its 3 x 3 neighbourhood."""
    tall = pixels.copy()
    np.maximum(tall[1:], pixels[:-1], out=tall[1:])
    np.maximum(tall[:-1], pixels[1:], out=tall[:-1])
    wide = tall.copy()
    np.maximum(wide[:, 1:], tall[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], tall[:, 1:], out=wide[:, :-1])
    return wide


def _blurred(pixels: np.ndarray) -> np.ndarray:
    """Mean of each pixel's 3 x 3 neighbourhood."""
    padded = np.pad(pixels, 1, mode="edge")
    tall = padded[:-2] + padded[1:-1] + padded[2:]
    return (tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / 9


def _reduced(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of factor x factor pixels, float32."""
    return np.asarray(Image.fromarray(pixels.astype(np.float32)).reduce(factor))


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is true."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _centred(ink: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Scale the box to 20 pixels and put its centre of mass in the middle: float32 (28, 28)."""
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    rows, columns = _shares(bottom - top, side), _shares(right - left, side)
    digit = rows @ ink[top:bottom, left:right].astype(np.float32) @ columns.T
    digit = np.rint(digit * (WHITE / digit.max()))  # hairlines and grey ink become white, too
    centres = np.arange(_BOX) + 0.5
    mass = digit.sum()
    x = int(np.floor(PIXELS / 2 + 1 - digit.sum(axis=0) @ centres / mass))
    y = int(np.floor(STEPS / 2 + 1 - digit.sum(axis=1) @ centres / mass))
    x, y = max(0, min(x, PIXELS - _BOX)), max(0, min(y, STEPS - _BOX))
    image = np.zeros((STEPS, PIXELS), np.float32)
    image[y : y + _BOX, x : x + _BOX] = digit
    return image


def _shares(length: int, side: int) -> np.ndarray:
    """How `length` pixels in the middle of `side` share out among 20: float32 (20, length).

    Exact overlaps; Pillow's ``BOX`` gives each pixel to one cell, by its centre.
    """
    starts = np.arange(length) + (side - length) // 2
    edges = np.arange(_BOX + 1)[:, None] * (side / _BOX)
    overlaps = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    return (overlaps.clip(0) * (_BOX / side)).astype(np.float32)
