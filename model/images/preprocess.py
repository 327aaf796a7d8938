"""From any picture to MNIST's convention, with NumPy and Pillow alone.

The last steps are those of the reconstructed recipe of Yadav and Bottou, "Cold Case: The
Lost MNIST Digits" (2019): the ink's bounding box becomes a square around its middle, each of
20 x 20 pixels gets the share of its *area* that is ink, the brightest becomes
255, and whole-pixel shifts bring the centre of mass into the middle of the 28 x 28
field (LeCun's MNIST page).

Coordinates: pixel i covers [i, i + 1], so the field's middle is 14.0. Whole pixels place the
centre of mass in (14, 15]; as pixel indices, in (13.5, 14.5], which holds for MNIST's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import ExifTags, Image

from model.images.photo import grown, ink_of_photo
from model.images.steps import Recorder, Stage, forget
from model.signature import PIXELS, STEPS, WHITE

_BOX = 20  # MNIST's digits are 20 pixels along their longer side
_WORK = 512  # longest side of the picture that is looked at, in pixels
_MIN_DETAIL = 64  # ink smaller than this is looked at again, closer
_MIN_CONTRAST = 24  # of 255: what is fainter is no ink
_TWO_TONES = 96  # ink on a page differs by more than this of 255, one ink in itself by less
_WHITE_16 = 65535  # of pictures with 16 bits


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
        place: puts other ink, (height, width) 0..255, where the picture's own went, scaled
            alike: what a part of a drawing contributes. Of the size that was looked at, at most
            512 a side. None where there is no ink.
    """

    image: np.ndarray
    has_ink: bool
    inverted: bool
    box: tuple[int, int, int, int] | None
    place: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)


def preprocess(picture: Image.Image | np.ndarray, record: Recorder = forget) -> Preprocessed:
    """Find the ink in a picture and bring it into MNIST's convention.

    Dark ink on a light page and the reverse both work, and so do transparency, uneven light
    and a camera's noise. The ink must be the only thing on the page.

    Args:
        picture: a Pillow image of any mode, turned upright by its EXIF data, or an array
            (height, width), (height, width, 3) RGB or (height, width, 4) RGBA of bool or of
            numbers 0..255. Two cases that could show nothing otherwise are understood:
            integers that exceed 255 as 0..65535, fractions that never exceed 1 as 0..1.
        record: is shown each stage; without ink, none after the first.

    Raises:
        ValueError: no pixels, another shape, values that are NaN or out of range, or a file
            that Pillow cannot decode.
    """
    return _look(_as_image(picture), record)


def _look(image: Image.Image, record: Recorder, closer: bool = True) -> Preprocessed:
    """Preprocess; ink that is small in a large picture is looked at again if `closer`."""
    factor = -(-max(image.size) // _WORK)
    small = image.reduce(factor) if factor > 1 else image
    grey = _to_grey(small)
    drawing = _ink_of_drawing(grey)
    ink, inverted = drawing or ink_of_photo(grey)
    if closer or ink.any():
        record(Stage.PICTURE if closer else Stage.CLOSER, small)
    if not ink.any():
        return Preprocessed(np.zeros((STEPS, PIXELS), np.float32), False, False, None)
    box = _bounds(ink > 0)
    left, top, right, bottom = (edge * factor for edge in box)
    right, bottom = min(right, image.width), min(bottom, image.height)
    margin = max(right - left, bottom - top)
    if closer and factor > 1 and margin < _MIN_DETAIL * factor:
        x, y = max(left - margin, 0), max(top - margin, 0)
        corner = min(right + margin, image.width), min(bottom + margin, image.height)
        near = _look(image.crop((x, y, *corner)), record, closer=False)
        if near.has_ink:
            return replace(near, box=tuple(np.add(near.box, (x, y, x, y)).tolist()))
    record(Stage.GREY, grey)
    record(Stage.INK if drawing else Stage.CLEANED, ink)
    image, place = _centred(ink, box, record)
    return Preprocessed(image, True, inverted, (left, top, right, bottom), place)


def _as_image(picture) -> Image.Image:
    """Check the picture; the result has 8 bits a channel and alpha as a channel, if any."""
    if isinstance(picture, Image.Image):
        if 0 in picture.size:
            raise ValueError(f"the picture has no pixels: its size is {picture.size}")
        try:
            picture.load()
        except Exception as error:  # Pillow's decoders share no narrower base class
            raise ValueError(f"the picture cannot be decoded, save it anew: {error}") from error
        picture = _upright(picture)
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


# Orientation (EXIF 2.32, tag 0x0112) to what undoes it. ImageOps.exif_transpose rewrites the
# EXIF data as well, and fails where they are broken.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(picture: Image.Image) -> Image.Image:
    """Phones store sideways and say so; a picture whose EXIF data are broken counts as upright."""
    try:
        turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # the parser raises anything from SyntaxError to struct.error
        return picture
    return picture if turn is None else picture.transpose(turn)


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
    fray = tone[solid & grown(~solid)].mean() - page
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
    stray = (ink > 0) & ~grown(ink >= (high - low) / 4)
    if not exact or np.count_nonzero(stray) > 0.01 * np.count_nonzero(ink):
        return None
    return ink, inverted


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is true."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _centred(
    ink: np.ndarray, box: tuple[int, int, int, int], record: Recorder
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Scale the box to 20 pixels and put its centre of mass in the middle.

    Returns:
        float32 (28, 28), and what does the same to other ink.
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    rows, columns = _shares(bottom - top, side), _shares(right - left, side)

    def scaled(ink: np.ndarray) -> np.ndarray:
        return rows @ ink[top:bottom, left:right].astype(np.float32) @ columns.T

    record(Stage.CROPPED, ink[top:bottom, left:right])
    digit = scaled(ink)
    gain = WHITE / digit.max()  # hairlines and grey ink become white, too
    digit = np.rint(digit * gain)
    record(Stage.BOX, digit)
    centres = np.arange(_BOX) + 0.5
    mass = digit.sum()
    x = int(np.floor(PIXELS / 2 + 1 - digit.sum(axis=0) @ centres / mass))
    y = int(np.floor(STEPS / 2 + 1 - digit.sum(axis=1) @ centres / mass))
    x, y = max(0, min(x, PIXELS - _BOX)), max(0, min(y, STEPS - _BOX))

    def centred(digit: np.ndarray) -> np.ndarray:
        image = np.zeros((STEPS, PIXELS), np.float32)
        image[y : y + _BOX, x : x + _BOX] = digit
        return image

    image = centred(digit)
    record(Stage.CENTRED, image)
    return image, lambda ink: centred(np.rint(scaled(ink) * gain))


def _shares(length: int, side: int) -> np.ndarray:
    """How `length` pixels in the middle of `side` share out among 20: float32 (20, length).

    Exact overlaps; Pillow's ``BOX`` gives each pixel to one cell, by its centre.
    """
    starts = np.arange(length) + (side - length) // 2
    edges = np.arange(_BOX + 1)[:, None] * (side / _BOX)
    overlaps = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    return (overlaps.clip(0) * (_BOX / side)).astype(np.float32)
