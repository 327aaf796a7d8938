"""Image files, good and hostile, to pictures."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from model.images.files import (
    FORMATS,
    PictureError,
    PictureTooLargeError,
    UnknownFormatError,
    open_picture,
)

LIMIT = 1_000_000


def encode(picture: Image.Image, image_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def drawing() -> Image.Image:
    """Black on white, a bar on the left: its orientation shows."""
    picture = Image.new("L", (60, 40), 255)
    ImageDraw.Draw(picture).rectangle((4, 4, 12, 36), fill=0)
    return picture


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and holds a few bytes of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def undecoded(monkeypatch):
    """The test fails where a pixel is decoded."""

    def decoded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)


def test_every_format_and_of_several_frames_the_first():
    for image_format in FORMATS:
        picture = open_picture(encode(drawing(), image_format), LIMIT)
        assert picture.size == (60, 40)
        assert np.abs(np.asarray(picture.convert("L"), int) - np.asarray(drawing())).mean() < 6
    more = {"save_all": True, "append_images": [Image.new("L", (60, 40), 0)]}
    for image_format in ("GIF", "TIFF", "WEBP", "PNG"):
        first = open_picture(encode(drawing(), image_format, **more), LIMIT)
        assert np.asarray(first.convert("L"))[0, 30] > 200


def test_what_is_no_picture_of_these_formats_is_refused():
    for image_format in ("ICO", "PCX", "PDF", "TGA"):
        with pytest.raises(UnknownFormatError, match="PNG, JPEG, GIF, BMP, TIFF, WEBP"):
            open_picture(encode(drawing().convert("RGB"), image_format), LIMIT)
    for data in (b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\0" * 100):
        with pytest.raises(PictureError):
            open_picture(data, LIMIT)
    with pytest.raises(PictureError, match="empty"):
        open_picture(b"", LIMIT)
    for program in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GRIB" + bytes(90)):
        with pytest.raises(UnknownFormatError):
            open_picture(program, LIMIT)


def test_a_phones_heic_is_named_with_what_to_do():
    for brand in (b"heic", b"mif1"):
        with pytest.raises(UnknownFormatError, match=r"HEIC photo.* JPEG"):
            open_picture(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(200), LIMIT)


def test_a_large_profile_or_text_is_no_reason_to_refuse():
    profile = bytes(3_000_000)
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("Comment", "x" * 3_000_000, zip=True)
    texts.add_text("Title", "y" * 3_000_000, zip=True)
    for options in ({"icc_profile": profile}, {"pnginfo": texts}):
        picture = open_picture(encode(drawing(), **options), LIMIT)
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(drawing()))


@pytest.mark.parametrize("image_format", FORMATS)
def test_no_truncation_or_damage_is_more_than_a_picture_error(image_format):
    data = encode(drawing().convert("RGB"), image_format)
    random = np.random.default_rng(0)
    for end in range(0, len(data), max(1, len(data) // 60)):
        # A file that lacks only its very end may still be whole.
        half = end < len(data) // 2
        with pytest.raises(PictureError) if half else contextlib.suppress(PictureError):
            open_picture(data[:end], LIMIT)
    for _ in range(200):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 5):
            damaged[place] = random.integers(256)
        with contextlib.suppress(PictureError):
            open_picture(bytes(damaged), LIMIT)


@pytest.mark.usefixtures("undecoded")
def test_pixels_are_counted_before_decoding():
    for side in (1001, 9500, 12000, 20000, 2**31 - 1):
        with pytest.raises(PictureTooLargeError, match="at most 1000000 are allowed"):
            open_picture(png_header(side, side), LIMIT)


def test_promised_pixels_that_are_missing():
    with pytest.raises(PictureError, match="broken"):
        open_picture(png_header(1000, 1000), LIMIT)


def test_gif_frame_larger_than_its_screen():
    data = bytearray(encode(drawing(), "GIF"))
    at = data.index(b"\x2c", 13)
    data[at + 5 : at + 9] = struct.pack("<HH", 12000, 12000)
    with pytest.raises(PictureTooLargeError):
        open_picture(bytes(data), LIMIT)


@pytest.mark.usefixtures("undecoded")
def test_scans_and_strips_are_counted_before_decoding():
    data = encode(drawing(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    scans = data[:-2] + last * 200 + data[-2:]
    strips, directory = 100_000, 8
    tags = [
        *((256, 1, 1), (257, 1, strips), (258, 1, 8), (259, 1, 1), (262, 1, 1)),
        *((273, strips, 1000), (277, 1, 1), (278, 1, 1), (279, strips, 1000 + 4 * strips)),
    ]
    tiff = b"II*\0" + struct.pack("<IH", directory, len(tags))
    tiff += b"".join(struct.pack("<HHII", tag, 4, count, value) for tag, count, value in tags)
    tiff = tiff.ljust(1000, b"\0") + struct.pack("<I", 8) * strips + struct.pack("<I", 1) * strips
    for hostile in (scans, tiff):
        with pytest.raises(PictureError, match="too many parts"):
            open_picture(hostile, LIMIT)


def test_broken_exif_is_no_reason_to_refuse():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\xff\xff\0\0\xff\xff"
    assert open_picture(encode(drawing(), "JPEG", exif=exif), LIMIT).size == (60, 40)


def test_warnings_stay_inside_and_filters_as_they_were():
    bomb = png_header(12000, 12000)

    def refused(_):
        with contextlib.suppress(PictureTooLargeError):
            return bool(open_picture(bomb, LIMIT))
        return True

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = warnings.filters[:]
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(refused, range(400)))
        assert warnings.filters == before
    assert caught == []


def test_import_leaves_pillow_as_it_was():
    script = (
        "from PIL import Image, ImageFile\n"
        "state = lambda: (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)\n"
        "import warnings; filters = warnings.filters[:]; before = state()\n"
        "import model.images.files\n"
        "assert before == state() and filters == warnings.filters\n"
    )
    environ = os.environ | {"PYTHONPATH": "."}
    subprocess.run([sys.executable, "-c", script], check=True, env=environ)
