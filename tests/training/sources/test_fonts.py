"""Fonts as npm brings them: which characters, which hands are held out, and how damage is told."""

import pytest

from tests.support.sources import save_fonts
from training.errors import TrainingError
from training.sources import fonts


def test_digits_and_strangers_of_each_font(tmp_path):
    glyphs, versions = fonts.load(save_fonts(tmp_path, "a-hand", "kalam"))
    assert versions == {"a-hand": "5.3.0", "kalam": "5.3.0"}
    assert len(glyphs) == 2 * (10 + len(fonts.STRANGERS))
    one = next(glyph for glyph in glyphs if glyph.character == "1")
    height, width = one.image.shape
    assert height > width > 0
    for side in (one.image[0], one.image[-1], one.image[:, 0], one.image[:, -1]):
        assert side.any()
    assert not set(fonts.STRANGERS) & set("0123456789OolIsSzZB|/")


def test_a_family_is_held_out_whole(tmp_path):
    names = ["playwrite-at", "playwrite-nl", "kalam", "caveat", "caveat-brush", "reenie-beanie"]
    training, held_out = fonts.split(fonts.load(save_fonts(tmp_path, *names))[0])
    families = [{glyph.family for glyph in part} for part in (training, held_out)]
    assert families == [{"playwrite", "caveat"}, {"kalam", "reenie"}]


def test_what_is_no_font_is_told(tmp_path):
    with pytest.raises(TrainingError, match="npm install --prefix"):
        fonts.load(tmp_path)
    folder = save_fonts(tmp_path, "kalam")
    next(folder.rglob("*.woff")).write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="kalam is no font's package"):
        fonts.load(folder)
    save_fonts(tmp_path, "caveat")
    next(folder.rglob("caveat/package.json")).write_text("[")
    with pytest.raises(TrainingError, match="caveat is no font's package"):
        fonts.load(folder)
