"""Handwriting fonts: other hands' digits, and letters and signs that are none.

Source: the packages ``@fontsource/NAME`` of npm (SIL OFL 1.1 or Apache-2.0), each with a font's
Latin part as ``files/NAME-latin-400-normal.woff``. ``npm install --prefix FOLDER/fonts
@fontsource/caveat ...`` brings them; docs/train.md names 46.
"""

import json
import string
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.errors import TrainingError

FOLDER = "fonts"
SIZE = 96  # pixels: a font's em

# Which letters and signs may be read as a digit was decided by shape, before any network's answer
# to a font was seen: Omniglot's Latin letters that were left out for it (`omniglot.DIGIT_LIKE`),
# the capitals that look like 8 0 6 1 1 0 0 5 2, and signs that are one upright or slanted line or
# a dot. After an answer was seen: d and j, which some fonts draw as capitals.
DIGIT_LIKE = frozenset("abdgijloqsyzBDGIJOQSZ")
SIGNS = "?&@#%$€+=<>*~^"
STRANGERS = "".join(c for c in string.ascii_letters if c not in DIGIT_LIKE) + SIGNS


@dataclass(frozen=True)
class Glyph:
    """One character of a font: uint8 (height, width), white ink on black."""

    image: np.ndarray
    character: str
    font: str

    @property
    def family(self) -> str:
        """Fonts whose names begin with the same word are one: all of ``playwrite-*``, say."""
        return self.font.split("-")[0]

    @property
    def is_digit(self) -> bool:
        return self.character.isdigit()

    @property
    def held_out(self) -> bool:
        """About a third of the families, chosen by their names' checksum."""
        return zlib.crc32(self.family.encode()) % 3 == 0


def load(folder: Path | str) -> tuple[list[Glyph], dict[str, str]]:
    """Digits and STRANGERS of all fonts under `folder`, sorted by font, and the fonts' versions.

    A character that a font lacks is left out.

    Raises:
        TrainingError: there is no such font, or one cannot be read.
    """
    glyphs, versions = [], {}
    for package in sorted(Path(folder).rglob("package.json")):
        name = package.parent.name
        path = package.parent / "files" / f"{name}-latin-400-normal.woff"
        if not path.is_file():
            continue
        try:
            versions[name] = json.loads(package.read_text("utf-8"))["version"]
            font = ImageFont.truetype(path, SIZE)
            lacking = _image(font, "\uffff")  # no character: what the font shows instead of one
            images = {character: _image(font, character) for character in string.digits + STRANGERS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path.parent.parent} is no font's package: {error!r}") from error
        glyphs += [
            Glyph(image, character, name)
            for character, image in images.items()
            if image.size and not np.array_equal(image, lacking)
        ]
    if not glyphs:
        raise TrainingError(
            f"{folder} holds no fonts: npm install --prefix {folder} @fontsource/caveat"
        )
    return glyphs, versions


def split(glyphs: list[Glyph]) -> tuple[list[Glyph], list[Glyph]]:
    """Those to train on and those of the families held out."""
    return [g for g in glyphs if not g.held_out], [g for g in glyphs if g.held_out]


def pages(glyphs: list[Glyph]) -> list[np.ndarray]:
    """Each alone on a page of its own, white ink on black."""
    return [np.pad(glyph.image, SIZE // 4) for glyph in glyphs]


def _image(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray:
    """The character's ink and nothing around it; (0, 0) where there is none."""
    page = Image.new("L", (4 * SIZE, 4 * SIZE))
    ImageDraw.Draw(page).text((SIZE, SIZE), character, fill=255, font=font)
    box = page.getbbox()
    return np.asarray(page.crop(box)) if box else np.zeros((0, 0), np.uint8)
