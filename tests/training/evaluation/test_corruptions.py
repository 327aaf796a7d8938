"""Each corruption does what its name says, to every image of its own, and is seeded."""

import numpy as np
import pytest

from training.evaluation.corruptions import CORRUPTIONS

WITHOUT_CHANCE = ("brightness", "canny_edges", "scale", "stripe")


@pytest.fixture
def images() -> np.ndarray:
    """Twelve soft-edged strokes: an L of its own size and place each."""
    images = np.zeros((12, 28, 28), np.uint8)
    for number, image in enumerate(images):
        left, bottom = 7 + number % 4, 20 + number % 3
        image[6:bottom, left : left + 3] = 255
        image[bottom - 3 : bottom, left : left + 10] = 255
        image[6:bottom, left - 1] = 120
    return images


def corrupted(name: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return CORRUPTIONS[name](images, np.random.default_rng(seed))


def test_there_are_the_fifteen():
    assert " ".join(sorted(CORRUPTIONS)) == (
        "brightness canny_edges dotted_line fog glass_blur impulse_noise motion_blur rotate "
        "scale shear shot_noise spatter stripe translate zigzag"
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_in_and_images_out(name, images):
    before = images.copy()
    result = corrupted(name, images)
    assert (result.dtype, result.shape) == (np.uint8, images.shape)
    assert (result != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(corrupted(name, images), result)
    assert corrupted(name, images[:0]).shape == (0, 28, 28)
    if name in WITHOUT_CHANCE:  # images have nothing to do with one another
        alone = np.concatenate([corrupted(name, images[i : i + 1]) for i in range(12)])
        np.testing.assert_array_equal(alone, result)
    else:  # chance differs from image to image and with the seed
        copies = np.repeat(images[:1], 12, axis=0)
        assert len(np.unique(corrupted(name, copies).reshape(12, -1), axis=0)) > 1
        assert (corrupted(name, copies, seed=1) != corrupted(name, copies)).any()


def centre(image: np.ndarray) -> np.ndarray:
    return np.array([(image.sum(axis=axis) @ np.arange(28)) / image.sum() for axis in (1, 0)])


def test_what_moves_the_ink_keeps_or_stretches_it_as_stated(images):
    for before, after in zip(images, corrupted("translate", images), strict=True):
        np.testing.assert_allclose(np.abs(centre(after) - centre(before)), 3, atol=1e-9)
    for name, share in (("scale", 0.7**2), ("rotate", 1), ("shear", 1 / np.cos(0.4))):
        np.testing.assert_allclose(corrupted(name, images).sum() / images.sum(), share, rtol=0.05)


def test_brightness_and_stripe(images):
    np.testing.assert_array_equal(
        corrupted("brightness", images), np.minimum(np.rint(images + 127.5), 255)
    )
    striped = 255 - images
    striped[:, :, 7:21] = images[:, :, 7:21]
    np.testing.assert_array_equal(corrupted("stripe", images), striped)


def test_noise_and_blur(images):
    noisy = corrupted("impulse_noise", np.full((50, 28, 28), 128, np.uint8))
    np.testing.assert_allclose((noisy != 128).mean(), 0.17, atol=0.01)
    np.testing.assert_allclose((noisy == 255).mean(), 0.085, atol=0.01)
    assert not corrupted("shot_noise", images)[images == 0].any()
    dot = np.zeros((200, 28, 28), np.uint8)
    dot[:, 14, 20] = 255
    mean = corrupted("motion_blur", dot).mean(axis=0)
    across, along = mean.sum(axis=1) > 0.5, mean.sum(axis=0) > 0.5
    assert 3 < across.sum() <= 2 * along.sum()
    np.testing.assert_allclose(mean.sum(), 255, rtol=0.05)


def test_what_lies_over_the_page(images):
    fog = corrupted("fog", images).astype(float)
    ink = images == 255
    assert 30 < fog[ink].mean() - fog[~ink].mean() < 110  # the page lighter, the contrast lower
    many = np.repeat(images, 10, axis=0)
    page = corrupted("spatter", many)[many == 0]
    assert page.max() <= 63
    assert 0.01 < (page > 40).mean() < 0.3
    for name, blank in (("dotted_line", np.arange(28) // 2 % 2 == 0), ("zigzag", [0, 1, 26, 27])):
        lined = corrupted(name, images).astype(int)
        assert (lined >= images).all()
        assert not (lined - images > 50)[:, :, blank].any()
        assert (lined - images > 50).any(axis=(1, 2)).all()


def test_canny_outlines_a_square():
    square = np.zeros((2, 28, 28), np.uint8)
    square[0, 8:20, 8:20] = 255
    outline, nothing = corrupted("canny_edges", square)
    assert not nothing.any()
    assert set(np.unique(outline)) == {0, 255}
    for lines in (outline, outline.T):
        assert set(np.flatnonzero((lines[10:18] > 0).any(axis=0))) <= {7, 8, 19, 20}
        assert ((lines[10:18] > 0).sum(axis=1) >= 2).all()
