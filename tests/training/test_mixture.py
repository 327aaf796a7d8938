"""What a batch is made of."""

import os
from pathlib import Path

import numpy as np
import pytest

from training import mixture
from training.data import Digits
from training.mixture import NO_DIGIT, Part
from training.sources import omniglot, pendigits


def part(first: int, count: int, share: float, label: int) -> Part:
    """Images that carry their own number in their first two pixels."""
    numbers = np.arange(first, first + count)
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = numbers // 256, numbers % 256
    return Part(Digits(images, np.full(count, label, np.uint8)), share)


PARTS = [part(0, 100, 0.7, 1), part(1000, 30, 0.2, 2), part(2000, 5, 0.1, NO_DIGIT)]


def epoch(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    batches = mixture.batches(PARTS, 20, np.random.default_rng(seed))
    return [
        (images[:, 0, 0].astype(int) * 256 + images[:, 0, 1], labels) for images, labels in batches
    ]


def test_each_digit_of_the_first_part_once():
    batches = epoch()
    assert len(batches) == mixture.steps_an_epoch(PARTS, 20) == 100 // 14
    seen = np.concatenate([numbers[numbers < 1000] for numbers, _ in batches])
    assert len(seen) == len(set(seen)) == 7 * 14


def test_every_batch_has_every_share_and_the_right_labels():
    for numbers, labels in epoch():
        assert [(labels == label).sum() for label in (1, 2, NO_DIGIT)] == [14, 4, 2]
        expected = np.select([numbers < 1000, numbers < 2000], [1, 2], NO_DIGIT)
        np.testing.assert_array_equal(labels, expected)


def test_order_depends_on_the_seed_alone():
    for (first, _), (second, _) in zip(epoch(3), epoch(3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (epoch(3)[0][0] != epoch(4)[0][0]).any()


def test_mnist_alone_is_one_part():
    digits = PARTS[0].digits
    (only,) = mixture.digits_only(digits)
    assert (only.digits, only.share) == (digits, 1.0)


def test_like_use_is_clean_and_degraded_digits_with_their_labels():
    rng = np.random.default_rng(0)
    images = np.zeros((12, 28, 28), np.uint8)
    images[:, 5:23, 12:15] = rng.integers(150, 256, (12, 1, 1))
    digits = Digits(images, np.arange(12, dtype=np.uint8) % 10)
    clean, degraded = mixture.like_use(digits, seed=0)
    assert (len(clean), len(degraded)) == (24, 12)
    np.testing.assert_array_equal(clean.images[:12], images)
    np.testing.assert_array_equal(np.bincount(clean.labels), 2 * np.bincount(digits.labels))
    assert clean.images[12:].any(axis=(1, 2)).all()


def test_two_digits_that_touch_overlap_in_breadth():
    stroke = np.array([[0.0, 0.0], [0.4, 1.0]])
    pens = [pendigits.PenDigit([stroke], label, 1) for label in range(3)]
    for first, second in mixture.touching(pens, np.random.default_rng(0))[:50]:
        assert second[:, 0].min() <= first[:, 0].max()


def test_everything_holds_no_held_out_writer_and_no_held_out_alphabet(monkeypatch):
    folder = Path(os.environ.get("SCANLINE_DATA", ""))
    if not (folder / pendigits.FILE).is_file() or not (folder / omniglot.FILE).is_file():
        pytest.skip("SCANLINE_DATA names no folder with the other sources")
    drawn, pictured = [], []

    def to_images(drawings, *_):
        drawn.append(drawings)
        return np.zeros((len(drawings), 28, 28), np.uint8)

    def pictures_to_images(pictures, *_):
        pictured.append(pictures)
        return np.zeros((len(pictures), 28, 28), np.uint8)

    monkeypatch.setattr(mixture.render, "to_images", to_images)
    monkeypatch.setattr(mixture.render, "pictures_to_images", pictures_to_images)
    parts = mixture.everything(PARTS[0].digits, folder, seed=0, spoiled=0.1)
    assert sum(p.share for p in parts) == pytest.approx(1)
    _, held_out = pendigits.split(pendigits.load(folder))
    strange = {stroke.tobytes() for digit in held_out for stroke in digit.strokes}
    trained = {s.tobytes() for drawing in drawn for d in drawing for s in d}
    assert not strange & trained
    _, alphabet = omniglot.split(omniglot.load(folder))
    strange = {character.image.tobytes() for character in alphabet}
    assert not strange & {picture.tobytes() for picture in pictured[0]}
    assert set(parts[-1].digits.labels) == {NO_DIGIT}
