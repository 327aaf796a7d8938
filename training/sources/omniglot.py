"""Characters of five alphabets: what people draw that is no digit.

Source: Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through probabilistic
program induction", Science 350 (2015), https://github.com/brendenlake/omniglot (MIT), the file
``images_background_small1.zip``: 136 characters, each drawn online by 20 people, as 1-bit PNGs
of 105 x 105 pixels at ``images_background_small1/<alphabet>/character<nn>/<id>_<drawer>.png``.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.errors import TrainingError

FILE = "omniglot-small1.zip"

# Never trained on. The largest, and its parts of syllables share few shapes with the other four,
# while half of Greek is in Latin: holding one of these out would test little that is new.
HELD_OUT_ALPHABET = "Korean"

# A character is left out whole where people's drawings of it can be read as a digit. Looked at
# as 28 x 28 images, all 20 drawings of each, with two hints: the share of drawings of which a
# network trained on MNIST alone was > 90 % sure *and* that lie as near to a digit of MNIST or
# `pendigits` (cosine of blurred images) as 95 % of other MNIST digits do. Of 40 characters with
# a share of 0.4 or more the eye kept f, λ, ψ, Balinese 10 and Korean 40, which are none; of the
# others it added 9. In doubt a character is left out: that costs 20 drawings, while the contrary
# teaches the network to refuse digits.
_DIGIT_LIKE = {
    "Latin": "01 02 07 09 12 15 17 19 25 26",  # a b g i l o q s y z: 9 6 9 1 1 0 9 5 4 2
    "Greek": "02 04 06 08 09 14 15 18",  # β δ ζ θ ι ξ ο σ: 8 8 3 8 1 3 0 0
    "Balinese": "05 14",  # 7 2
    "Early_Aramaic": "01 02 03 04 05 06 07 10 11 12 14 16 17 19 20",  # 4 9 7 4 3 4 1 2 7 ...
    "Korean": "05 10 12 21 22 27 28 33 37",  # ㅓ ㅘ ㅚ ㅣ ㄱ ㄹ ㅁ ㅇ ㅋ: 7 4 4 1 7 2 0 0 7
}
DIGIT_LIKE = frozenset(
    (alphabet, f"character{number}")
    for alphabet, numbers in _DIGIT_LIKE.items()
    for number in numbers.split()
)


@dataclass(frozen=True)
class Character:
    """One drawing: uint8 (height, width), white ink on black."""

    image: np.ndarray
    alphabet: str
    character: str


def load(path: Path | str) -> list[Character]:
    """All drawings, sorted by alphabet, character and drawer; `path` is the file or its folder.

    Raises:
        TrainingError: no such file, no .zip file, or one that holds no such characters.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in sorted(archive.namelist()) if _parts(name)]
            characters = [Character(_ink(archive.read(name)), *_parts(name)) for name in names]
    except FileNotFoundError as error:
        raise TrainingError(f"no characters at {path}: give the path of {FILE}") from error
    except (OSError, zipfile.BadZipFile) as error:  # Pillow's errors are OSErrors
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if not characters:
        raise TrainingError(f"{path} holds no <alphabet>/<character>/<name>.png: give {FILE}")
    return characters


def split(characters: list[Character]) -> tuple[list[Character], list[Character]]:
    """Those to train on and those of HELD_OUT_ALPHABET, both without DIGIT_LIKE."""
    strangers = [c for c in characters if (c.alphabet, c.character) not in DIGIT_LIKE]
    training = [c for c in strangers if c.alphabet != HELD_OUT_ALPHABET]
    return training, [c for c in strangers if c.alphabet == HELD_OUT_ALPHABET]


def _parts(name: str) -> tuple[str, str] | None:
    """(alphabet, character) of a picture's path, else None."""
    folders = name.split("/")
    if len(folders) < 3 or not name.endswith(".png") or name.startswith("__MACOSX"):
        return None
    return folders[-3], folders[-2]


def _ink(png: bytes) -> np.ndarray:
    return 255 - np.asarray(Image.open(io.BytesIO(png)).convert("L"))
