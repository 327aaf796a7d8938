"""Reading the published archive, and what is left out of it."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.errors import TrainingError
from training.sources import omniglot

ROOT = "images_background_small1"
REAL = Path(os.environ.get("SCANLINE_DATA", "")) / omniglot.FILE
needs_file = pytest.mark.skipif(
    not REAL.is_file(), reason=f"SCANLINE_DATA names no folder with {omniglot.FILE}"
)


def png() -> bytes:
    """Black ink on white, 1 bit, as published."""
    page = np.full((105, 105), True)
    page[20:80, 50:53] = False
    file = io.BytesIO()
    Image.fromarray(page).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    names = [
        f"{ROOT}/Latin/character24/0706_01.png",
        f"{ROOT}/Latin/character24/0706_02.png",
        f"{ROOT}/Latin/character15/0697_01.png",  # o, which passes for 0
        f"{ROOT}/Korean/character01/0540_01.png",
        f"{ROOT}/Korean/character33/0572_01.png",  # a circle
    ]
    path = tmp_path / omniglot.FILE
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{ROOT}/Latin/", "")
        archive.writestr(f"__MACOSX/{ROOT}/Latin/character24/._0706_01.png", "no picture")
        for name in names:
            archive.writestr(name, png())
    return path


def test_characters_are_white_on_black(path):
    characters = omniglot.load(path.parent)
    assert [(c.alphabet, c.character) for c in characters] == [
        ("Korean", "character01"),
        ("Korean", "character33"),
        ("Latin", "character15"),
        ("Latin", "character24"),
        ("Latin", "character24"),
    ]
    image = characters[0].image
    assert image.dtype == np.uint8
    assert image.shape == (105, 105)
    assert image.sum() == 255 * 60 * 3


def test_what_passes_for_digits_is_left_out_and_an_alphabet_is_held_out(path):
    training, held_out = omniglot.split(omniglot.load(path))
    assert [(c.alphabet, c.character) for c in training] == [("Latin", "character24")] * 2
    assert [(c.alphabet, c.character) for c in held_out] == [("Korean", "character01")]


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(TrainingError, match="give the path of"):
        omniglot.load(tmp_path)
    path = tmp_path / omniglot.FILE
    path.write_bytes(b"PK no archive")
    with pytest.raises(TrainingError, match="cannot be read"):
        omniglot.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(TrainingError, match="holds no"):
        omniglot.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{ROOT}/Latin/character01/1.png", "no picture")
    with pytest.raises(TrainingError, match="cannot be read"):
        omniglot.load(path)


@needs_file
def test_the_published_archive():
    characters = omniglot.load(REAL)
    kinds = {(c.alphabet, c.character) for c in characters}
    assert (len(characters), len(kinds)) == (2720, 136)
    assert kinds >= omniglot.DIGIT_LIKE
    training, held_out = omniglot.split(characters)
    assert (len(training), len(held_out)) == (1220, 620)
