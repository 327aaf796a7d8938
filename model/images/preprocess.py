"""From any picture to MNIST's convention, with NumPy and Pillow alone.

The last steps are those of the reconstructed recipe of Yadav and Bottou, "Cold Case: The
Lost MNIST Digits" (2019): the ink's bounding box becomes a square around its middle, each of
20 x 20 pixels gets the share of its *area* that is ink, the brightest becomes
255, and whole-pixel shifts bring the centre of mass into the middle of the 28 x 28
field (LeCun's MNIST page).

Coordinates: pixel i covers [i, i + 1], so the field's middle is 14.0. Whole pixels place the
centre of mass in (14, 15]; as pixel indices, in (13.5, 14.5], which holds for MNIST's own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import NamedTuple, Self

import numpy as np
from PIL import ExifTags, Image, ImageFilter

from model.images.drawing import Drawing, ink_of_drawings
from model.images.masks import Box, box_of, grown, spans_of
from model.images.parts import digit_alone
from model.images.photo import ink_of_photo
from model.images.steps import Recorder, Stage, forget
from model.signature import PIXELS, STEPS, WHITE

_BOX = 20  # MNIST's digits are 20 pixels along their longer side
WORK = 512  # longest side of the picture that is looked at, in pixels
_PHOTO = 384  # a photo that is larger is halved once more
_COARSE = 128  # longest side at which colours are compared
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow's "L"
_MIN_DETAIL = 64  # ink smaller than this is looked at again, closer
_MIN_CONTRAST = 24  # of 255: what is fainter is no ink
_MOST = 0.9  # of the inked pixels of 20 x 20 may be fainter than full ink
_STRAIGHT = 0.8  # of a side of the ink's box is ink: a frame's, or a card's
_THIN, _PEN = 0.6, 1.5  # of 20: lines this thin become this thick
_TWO_TONES = 96  # ink on a page differs by more than this of 255, one ink in itself by less
_WHITE_16 = 65535  # of pictures with 16 bits
_LEAST_SPAN = 64  # of 65,535: less is a blank page's noise
_TELLING = 1.5  # times luminance's contrast: so much more has a colour axis that is used instead


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

    Dark ink on a light page and the reverse both work, and so do transparency, uneven light,
    a camera's noise and colours of one luminance. All ink counts: see `images.candidates` for
    pictures with more than a digit in them.

    Args:
        picture: a Pillow image of any mode, turned upright by its EXIF data, or an array
            (height, width), (height, width, 3) RGB or (height, width, 4) RGBA of bool or of
            numbers 0..255. Two cases that could show nothing otherwise are understood:
            integers that exceed 255, up to 65535, as from their lowest to their highest; fractions
            that never exceed 1 as 0..1.
        record: is shown each stage; without ink, none after the first.

    Raises:
        ValueError: no pixels, another shape, values that are NaN or out of range, or a file
            that Pillow cannot decode.
    """
    return in_convention(find_ink(picture), record)


class Found(NamedTuple):
    """An image and the ink that is found in it.

    Attributes:
        image: upright, 8 bits a channel.
        small: the same, `factor` times smaller, as are `grey`, what is dark and light in it, and
            `ink`, both uint8 (height, width).
        inverted: see `Preprocessed`.
        spans: the columns and the rows with ink in them, indices in rising order.
        is_drawing: the page is one exact tone.
    """

    image: Image.Image
    small: Image.Image
    factor: int
    grey: np.ndarray
    ink: np.ndarray
    inverted: bool
    spans: tuple[np.ndarray, np.ndarray]
    is_drawing: bool

    @property
    def has_ink(self) -> bool:
        return len(self.spans[0]) > 0

    def having(self, ink: np.ndarray) -> Self:
        """The same with other ink."""
        return self if ink is self.ink else self._replace(ink=ink, spans=spans_of(ink))


def find_ink(picture: Image.Image | np.ndarray) -> Found:
    """Find the ink; see `preprocess` for what a picture may be."""
    [found] = find_ink_in_many([picture])
    return found


def find_ink_in_many(pictures: Sequence[Image.Image | np.ndarray]) -> list[Found]:
    """The same of many pictures; drawings of one size are looked at together."""
    images = [_as_image(picture) for picture in pictures]
    factors = [-(-max(image.size) // WORK) for image in images]
    smalls = [
        image.reduce(factor) if factor > 1 else image
        for image, factor in zip(images, factors, strict=True)
    ]
    greys = [_to_grey(small) for small in smalls]
    each = zip(images, smalls, factors, greys, ink_of_drawings(greys), strict=True)
    return [_found(*one) for one in each]


def _found(
    image: Image.Image, small: Image.Image, factor: int, grey: np.ndarray, drawing: Drawing | None
) -> Found:
    if drawing is None and max(small.size) > _PHOTO:
        factor *= 2
        small = image.reduce(factor)
        grey = _to_grey(small)
    if drawing is None or drawing.contrast < _TWO_TONES:
        along = _along_colours(small)
        if along is not None:
            grey, [drawing] = along, ink_of_drawings([along])
    if drawing is not None:
        return Found(image, small, factor, grey, *drawing[:3], True)
    ink, inverted = ink_of_photo(grey)
    return Found(image, small, factor, grey, ink, inverted, spans_of(ink), False)


def is_alone(found: Found) -> bool:
    """Whether the ink of a drawing is one part and all that there is, as far as is seen quickly.

    It does not touch the border, no straight gap goes through it, and it does not end in straight
    sides.
    """
    columns, rows = found.spans
    if not (found.is_drawing and found.has_ink):
        return False
    left, top, right, bottom = box = box_of(found.spans)
    height, width = found.ink.shape
    if not (top and left and bottom < height and right < width):
        return False
    if len(rows) < bottom - top or len(columns) < right - left:
        return False
    if right - left < (bottom - top) / 2:
        return True
    ink = found.ink[box[1] : box[3], box[0] : box[2]]
    sides = ink[0], ink[-1], ink[:, 0], ink[:, -1]
    return sum(np.count_nonzero(side) > _STRAIGHT * len(side) for side in sides) < 3


def in_convention(
    found: Found, record: Recorder = forget, first: Stage = Stage.PICTURE
) -> Preprocessed:
    """Bring ink into MNIST's convention; where it is small in a large picture, a closer look's.

    Args:
        first: what `found.small` is recorded as.
    """
    [seen] = many_in_convention([found], [record], first)
    return seen


def many_in_convention(
    founds: Sequence[Found], records: Sequence[Recorder], first: Stage = Stage.PICTURE
) -> list[Preprocessed]:
    """The same of many pictures, each with its recorder."""
    seen: dict[int, Preprocessed] = {}
    scaled: dict[int, _Scaled] = {}
    for i, (found, record) in enumerate(zip(founds, records, strict=True)):
        record(first, found.small)
        if not found.has_ink:
            seen[i] = Preprocessed(np.zeros((STEPS, PIXELS), np.float32), False, False, None)
            continue
        closer = _closer(found, record)
        if closer is not None:
            seen[i] = closer
            continue
        record(Stage.GREY, found.grey)
        record(Stage.INK if found.is_drawing else Stage.CLEANED, found.ink)
        scaled[i] = _scaled(found.ink, box_of(found.spans), record)
    centred = _centred([*scaled.values()], [records[i] for i in scaled])
    for i, (image, place) in zip(scaled, centred, strict=True):
        found = founds[i]
        seen[i] = Preprocessed(image, True, found.inverted, _own_box(found), place)
    return [seen[i] for i in range(len(founds))]


def _own_box(found: Found) -> Box:
    """The ink's box in the image's own pixels."""
    left, top, right, bottom = (edge * found.factor for edge in box_of(found.spans))
    return left, top, min(right, found.image.width), min(bottom, found.image.height)


def _closer(found: Found, record: Recorder) -> Preprocessed | None:
    """A closer look at ink that is small in a large picture, if there is ink then."""
    if found.factor == 1:
        return None
    image, (left, top, right, bottom) = found.image, _own_box(found)
    margin = max(right - left, bottom - top)
    detail = _MIN_DETAIL if found.is_drawing else _MIN_DETAIL * _PHOTO / WORK
    if margin >= detail * found.factor:
        return None
    x, y = max(left - margin, 0), max(top - margin, 0)
    corner = min(right + margin, image.width), min(bottom + margin, image.height)
    near = find_ink(image.crop((x, y, *corner)))
    if not near.has_ink:
        return None
    seen = in_convention(near.having(digit_alone(near.ink).ink), record, Stage.CLOSER)
    return replace(seen, box=tuple(np.add(seen.box, (x, y, x, y)).tolist()))


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
    base, scale = 0, 1.0
    if pixels.dtype.kind == "f" and high <= 1:
        scale = WHITE
    elif pixels.dtype.kind != "f" and WHITE < high <= _WHITE_16:
        # Sensors fill a part of 16 bits, and not from 0 on.
        span = int(high) - int(low)
        base, scale = (low, WHITE / span) if span > _LEAST_SPAN else (0, WHITE / _WHITE_16)
    if not (low >= 0 and (high - base) * scale <= WHITE + 1e-6):  # true of NaN, too
        raise ValueError(f"a picture's values must lie in 0..255, not {low}..{high}: mend them")
    return np.rint((pixels - base) * scale).astype(np.uint8)


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


def _along_colours(image: Image.Image) -> np.ndarray | None:
    """uint8 (height, width), 0..255 along the colour axis of the greatest local contrast.

    It is the first principal component of what differs from its surroundings, which uneven light
    has no part in. None where luminance shows nearly as much of it, or there are no colours.
    """
    if image.mode in ("L", "LA", "LAB") or (
        "A" in image.mode and image.getchannel("A").getextrema()[0] < WHITE
    ):
        return None
    image = image.convert("RGB")
    coarse = image.reduce(-(-max(image.size) // _COARSE))
    around = coarse.filter(ImageFilter.BoxBlur(max(coarse.size) / 6))
    detail = np.subtract(coarse, around, dtype=np.float32).reshape(-1, 3)
    spread = detail.T @ detail
    axis = np.linalg.eigh(spread)[1][:, -1]
    axis *= np.where(axis.sum() < 0, -1, 1) / np.abs(axis).sum()
    if axis @ spread @ axis < _TELLING**2 * (_LUMINANCE @ spread @ _LUMINANCE):
        return None
    tones = np.asarray(image, np.float32) @ axis.astype(np.float32)
    return np.rint(tones - WHITE * axis.clip(max=0).sum()).clip(0, WHITE).astype(np.uint8)


class _Scaled(NamedTuple):
    """Ink in MNIST's box, not yet in its tones.

    Attributes:
        digit: float32 (20, 20), the ink of each pixel, 0..255.
        full: what of it is full ink.
        scale: does the same to other ink.
    """

    digit: np.ndarray
    full: np.float32
    scale: Callable[[np.ndarray], np.ndarray]


def _scaled(ink: np.ndarray, box: Box, record: Recorder, may_thicken: bool = True) -> _Scaled:
    """Scale the box to 20 pixels.

    Lines that would be thinner than a pixel are thickened before: no digit of MNIST's has such.
    """
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    rows, columns = _shares(bottom - top, side), _shares(right - left, side)

    def scale(ink: np.ndarray) -> np.ndarray:
        return rows @ ink[top:bottom, left:right].astype(np.float32) @ columns.T

    record(Stage.CROPPED, ink[top:bottom, left:right])
    digit = scale(ink)
    full = digit.max()
    if side > _BOX:  # where lines cross, they are fuller than elsewhere
        inked = np.sort(digit[digit > 0])
        full = inked[int(_MOST * (len(inked) - 1))]
        if may_thicken and full < _THIN * ink.max():
            most = np.quantile(ink[ink > 0], _MOST)  # one bright spot makes no line thin
            if full < _THIN * most:
                by = round((_PEN - full / most) * side / _BOX / 2)
                return _thickened(ink, max(by, 1), record)
    return _Scaled(digit, full, scale)


def _thickened(ink: np.ndarray, by: int, record: Recorder) -> _Scaled:
    """`_scaled` of lines that are `by` pixels thicker on each side."""

    def thick(ink: np.ndarray) -> np.ndarray:
        ink = np.pad(ink, by)
        for _ in range(by):
            ink = grown(ink)
        return ink

    thicker = thick(ink)
    scaled = _scaled(thicker, box_of(spans_of(thicker)), record, may_thicken=False)
    return scaled._replace(scale=lambda ink: scaled.scale(thick(ink)))


def _centred(
    scaled: Sequence[_Scaled], records: Sequence[Recorder]
) -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    """Full ink becomes white, and the centre of mass gets into the middle.

    Yields:
        float32 (28, 28), and what does the same to other ink.
    """
    if not scaled:
        return
    gains = WHITE / np.array([each.full for each in scaled])  # hairlines and grey ink, too
    digits = np.stack([each.digit for each in scaled])
    digits = np.rint((digits * gains[:, None, None]).clip(max=WHITE))
    centres = np.arange(_BOX) + 0.5
    mass = digits.sum(axis=(1, 2))
    x = np.floor(PIXELS / 2 + 1 - digits.sum(axis=1) @ centres / mass)
    y = np.floor(STEPS / 2 + 1 - digits.sum(axis=2) @ centres / mass)
    corners = np.stack([y, x], axis=1).clip(0, [STEPS - _BOX, PIXELS - _BOX]).astype(int)
    for each, digit, gain, corner, record in zip(
        scaled, digits, gains, corners.tolist(), records, strict=True
    ):
        record(Stage.BOX, digit)
        image = _at(corner, digit)
        record(Stage.CENTRED, image)
        yield image, partial(_place, each.scale, gain, corner)


def _place(scale, gain: np.float32, corner: list[int], ink: np.ndarray) -> np.ndarray:
    return _at(corner, np.rint((scale(ink) * gain).clip(max=WHITE)))


def _at(corner: list[int], digit: np.ndarray) -> np.ndarray:
    """float32 (28, 28) with (20, 20) in it."""
    y, x = corner
    image = np.zeros((STEPS, PIXELS), np.float32)
    image[y : y + _BOX, x : x + _BOX] = digit
    return image


@lru_cache(1024)
def _shares(length: int, side: int) -> np.ndarray:
    """How `length` pixels in the middle of `side` share out among 20: float32 (20, length).

    Exact overlaps; Pillow's ``BOX`` gives each pixel to one cell, by its centre.
    """
    starts = np.arange(length) + (side - length) // 2
    edges = np.arange(_BOX + 1)[:, None] * (side / _BOX)
    overlaps = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    shares = (overlaps.clip(0) * (_BOX / side)).astype(np.float32)
    shares.setflags(write=False)
    return shares
