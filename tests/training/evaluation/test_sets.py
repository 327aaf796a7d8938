"""Images to try a network on: moved, turned and drawn as they say."""

import numpy as np
import pytest

from model.images.preprocess import preprocess
from tests.support.sources import save_characters, save_fonts, save_pens
from training.data import Digits
from training.evaluation import sets
from training.sources import render


def dot(row: int, column: int, count: int = 1) -> np.ndarray:
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, row, column] = 255
    return images


@pytest.mark.parametrize("pixels", [0, 1, 5])
def test_shifted_to_all_four_sides(pixels):
    moved = sets.shifted(dot(10, 12, 100), pixels, np.random.default_rng(0))
    places = {tuple(np.argwhere(image)[0].tolist()) for image in moved}
    sides = {(10 - pixels, 12), (10 + pixels, 12), (10, 12 - pixels), (10, 12 + pixels)}
    assert places == sides
    assert (moved.sum(axis=(1, 2)) == 255).all()


def test_what_is_shifted_out_is_lost_and_the_directions_are_seeded():
    corner = dot(27, 27, 100)
    moved = sets.shifted(corner, 1, np.random.default_rng(0))
    assert 0 < moved.any(axis=(1, 2)).sum() < 100
    again = sets.shifted(corner, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(moved, again)


def test_turned_counter_clockwise():
    right = dot(13, 24) | dot(14, 24)
    up = sets.turned(right, 90)
    np.testing.assert_array_equal(np.argwhere(up[0]), [[3, 13], [3, 14]])
    np.testing.assert_array_equal(sets.turned(right, 0), right)


def test_sample_is_seeded_and_without_repetition():
    digits = Digits(np.arange(50)[:, None, None] * np.ones((28, 28)), np.arange(50) % 10)
    chosen = sets.sample(digits, 20, np.random.default_rng(0))
    assert len(set(chosen.images[:, 0, 0].tolist())) == len(chosen) == 20
    np.testing.assert_array_equal(chosen.labels, chosen.images[:, 0, 0] % 10)
    assert len(sets.sample(digits, 100, np.random.default_rng(0))) == 50


def test_seen_by_app_is_preprocess_of_each():
    images = np.stack([dot(3, 3)[0], np.zeros((28, 28), np.uint8)])
    images[0, 3:20, 3:6] = 200
    seen = sets.seen_by_app(images)
    np.testing.assert_array_equal(seen[0], preprocess(images[0]).image)
    assert not seen[1].any()


def test_only_writers_held_out_are_drawn(tmp_path):
    assert sets.pens(tmp_path) is None
    save_pens(tmp_path, writers=8)
    pens = sets.pens(tmp_path)
    assert len({pen.writer for pen in pens}) == 6
    assert len(pens) == 18
    digits = sets.drawn(pens, render.NORMAL, np.random.default_rng(0))
    assert digits.labels.tolist() == [pen.label for pen in pens]
    assert digits.images.shape == (18, 28, 28)
    assert digits.images.any(axis=(1, 2)).all()


def test_no_digits_with_and_without_the_alphabet(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "SCRIBBLES", 12)
    alone = sets.no_digits(tmp_path, np.random.default_rng(0))
    assert {name: len(images) for name, images in alone.items()} == {sets.SCRIBBLED: 12}
    save_characters(tmp_path)
    both = sets.no_digits(tmp_path, np.random.default_rng(0))
    assert len(both[sets.ALPHABET]) == 3  # of the alphabet held out, without its circle
    np.testing.assert_array_equal(both[sets.SCRIBBLED], alone[sets.SCRIBBLED])


def test_only_families_held_out_write(tmp_path):
    assert sets.written(tmp_path) is None
    save_fonts(tmp_path, "kalam", "caveat")
    written = sets.written(tmp_path)
    assert written.versions == {"kalam": "5.3.0"}
    assert written.digits.labels.tolist() == list(range(10))
    assert written.digits.images.shape == (10, 28, 28)
    assert written.letters.any(axis=(1, 2)).all()
