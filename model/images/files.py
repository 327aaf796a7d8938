"""Bytes of an image file to a picture, with every limit checked before a pixel is decoded."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Pillow knows only the formats whose plugins are loaded; by name, these load quickly,
# while Image.init() would load sixty, EPS and others that start programs among them.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
        PpmImagePlugin.PpmImageFile,  # PBM and PGM, too
    )
)


# Small files that decode slowly (measured): 1 MB of JPEG scans, each over all of 25 million
# pixels, takes 4 minutes; 4 MB of TIFF strips, 4 seconds. Cameras and editors write at most
# some ten scans, and a strip a row.
_MOST_SCANS = 50
_MOST_STRIPS = 50_000


_PNG = b"\x89PNG\r\n\x1a\n"
# Texts and colour profiles, which Pillow refuses from a megabyte on, unpacked.
_TEXTS = (b"iCCP", b"tEXt", b"zTXt", b"iTXt")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # major brands
_HEIC = (
    "a HEIC photo, which is not read: save or export it as JPEG (on an iPhone: Settings, Camera, "
    "Formats, Most Compatible), or send a screenshot"
)


class PictureError(Exception):
    """The bytes are not a picture that can be read; the message says why."""


class PictureTooLargeError(PictureError):
    """The picture has more pixels than allowed."""


class UnknownFormatError(PictureError):
    """The bytes are not in one of `FORMATS`."""


def open_picture(data: bytes, max_pixels: int) -> Image.Image:
    """Decode an image file; of several frames the first, as stored: `preprocess` turns it upright.

    Args:
        data: the file's bytes.
        max_pixels: most pixels (width x height) that are decoded.

    Raises:
        PictureError: empty, in an unknown format, too large, truncated or broken.
    """
    if not data:
        raise PictureError("the image is empty: send the bytes of an image file")
    try:
        return _decoded(data, max_pixels)
    except PictureTooLargeError:
        raise
    except PictureError:
        slim = _without_texts(data)
        if slim is data:
            raise
    return _decoded(slim, max_pixels)


def _decoded(data: bytes, max_pixels: int) -> Image.Image:
    picture = _open(data, max_pixels)
    try:
        picture.load()
    except Exception as error:  # decoders raise anything from OSError to struct.error
        raise PictureError(f"the {picture.format} image is broken: {error}") from error
    if picture.info:  # there EXIF data come from; a TIFF's info is never empty
        # Read here and kept by Pillow, so that `preprocess` meets no warning about them.
        with _silent(), suppress(Exception):
            picture.getexif().get(ExifTags.Base.Orientation)
    return picture


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header alone."""
    try:
        with _silent():
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError:
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
            raise UnknownFormatError(_HEIC) from None
        raise UnknownFormatError(
            f"not an image, or a broken one: send one of {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError:
        raise PictureTooLargeError(_too_large("too many", max_pixels)) from None
    except Exception as error:  # as above; hostile headers reach every line of a plugin
        raise PictureError(f"the image's header is broken: {error}") from error
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureTooLargeError(_too_large(f"{width} x {height}", max_pixels))
    scans = data.count(b"\xff\xda") if picture.format in ("JPEG", "MPO") else 1
    if scans > _MOST_SCANS or len(picture.tile) > _MOST_STRIPS:
        raise PictureError(f"the {picture.format} image has too many parts: save it anew")
    return picture


def _without_texts(data: bytes) -> bytes:
    """A PNG without its texts and profile; `data` itself where it is none, or cut short."""
    if not data.startswith(_PNG):
        return data
    parts, start = [data[:8]], 8
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if data[start + 4 : start + 8] not in _TEXTS:
            parts.append(data[start:end])
        start = end
    return b"".join(parts) if start == len(data) else data


def _too_large(found: str, max_pixels: int) -> str:
    return f"the image has {found} pixels, at most {max_pixels} are allowed: make it smaller"


_filters = threading.Lock()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Pillow's warnings about someone's file out of the server's log.

    `catch_warnings` changes the process's filters, so one thread at a time; only headers
    are read under this lock, never pixels.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
