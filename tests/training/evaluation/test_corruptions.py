"""Each corruption does what its name says, to every image of its own, and is seeded."""

import numpy as np
import pytest

from training.evaluation.corruptions import CORRUPTIONS

NAMES = sorted(CORRUPTIONS)
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
    assert " ".join(NAMES) == (
        "brightness canny_edges dotted_line fog glass_blur impulse_noise motion_blur rotate "
        "scale shear shot_noise spatter stripe translate zigzag"
    )


@pytest.mark.parametrize("name", NAMES)
def test_images_in_and_images_out(name, images):
    before = images.copy()
    result = corrupted(name, images)
    assert result.dtype == np.uint8
    assert result.shape == images.shape
    assert (result != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(corrupted(name, images), result)
    assert CORRUPTIONS[name](images[:0], np.random.default_rng(0)).shape == (0, 28, 28)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_CHANCE])
def test_chance_differs_from_image_to_image_and_with_the_seed(name, images):
    copies = np.repeat(images[:1], 12, axis=0)
    result = corrupted(name, copies)
    assert len(np.unique(result.reshape(12, -1), axis=0)) > 1
    assert (corrupted(name, copies, seed=1) != result).any()


@pytest.mark.parametrize("name", WITHOUT_CHANCE)
def test_images_have_nothing_to_do_with_one_another(name, images):
    alone = np.concatenate([corrupted(name, images[i : i + 1]) for i in range(12)])
    np.testing.assert_array_equal(alone, corrupted(name, images))


def centre(image: np.ndarray) -> np.ndarray:
    return np.array([(image.sum(axis=axis) @ np.arange(28)) / image.sum() for axis in (1, 0)])


def test_translate_moves_by_three_pixels_each_way(images):
    for before, after in zip(images, corrupted("translate", images), strict=True):
        np.testing.assert_allclose(np.abs(centre(after) - centre(before)), 3, atol=1e-9)


def test_scale_shrinks_to_seven_tenths(images):
    share = corrupted("scale", images).sum() / images.sum()
    np.testing.assert_allclose(share, 0.7**2, rtol=0.05)


def test_rotate_keeps_and_shear_stretches_the_ink(images):
    np.testing.assert_allclose(corrupted("rotate", images).sum(), images.sum(), rtol=0.02)
    stretched = images.sum() / np.cos(0.4)
    np.testing.assert_allclose(corrupted("shear", images).sum(), stretched, rtol=0.02)


def test_brightness_and_stripe(images):
    np.testing.assert_array_equal(
        corrupted("brightness", images), np.minimum(np.rint(images + 127.5), 255)
    )
    striped = corrupted("stripe", images)
    np.testing.assert_array_equal(striped[:, :, 7:21], images[:, :, 7:21])
    for columns in (slice(0, 7), slice(21, 28)):
        np.testing.assert_array_equal(striped[:, :, columns], 255 - images[:, :, columns])


def test_impulse_noise_hits_a_sixth_and_shot_noise_no_page(images):
    many = np.full((50, 28, 28), 128, np.uint8)
    noisy = corrupted("impulse_noise", many)
    np.testing.assert_allclose((noisy != 128).mean(), 0.17, atol=0.01)
    np.testing.assert_allclose((noisy == 255).mean(), 0.085, atol=0.01)
    shot = corrupted("shot_noise", images)
    assert not shot[images == 0].any()
    assert set(np.unique(shot)) <= {0, 85, 170, 255}


def test_motion_blur_spreads_sideways():
    dot = np.zeros((200, 28, 28), np.uint8)
    dot[:, 14, 20] = 255
    mean = corrupted("motion_blur", dot).mean(axis=0)
    across, along = mean.sum(axis=1) > 0.5, mean.sum(axis=0) > 0.5
    assert along.sum() > 6
    assert 3 < across.sum() <= 2 * along.sum()
    np.testing.assert_allclose(mean.sum(), 255, rtol=0.05)


def test_fog_lightens_the_page_and_lowers_the_contrast(images):
    fog = corrupted("fog", images).astype(float)
    assert (fog[images == 0].mean() > 50).all()
    ink = images == 255
    assert 30 < fog[ink].mean() - fog[~ink].mean() < 110


def test_spatter_greys_spots_of_the_page(images):
    spattered = corrupted("spatter", np.repeat(images, 10, axis=0))
    page = spattered[np.repeat(images, 10, axis=0) == 0]
    assert page.max() <= 63
    assert 0.01 < (page > 40).mean() < 0.3


@pytest.mark.parametrize("name", ["dotted_line", "zigzag"])
def test_lines_add_ink_and_take_none(name, images):
    lined = corrupted(name, images).astype(int)
    assert (lined >= images).all()
    reached = (lined - images > 50).any(axis=1).mean(axis=0)  # share of images, by column
    if name == "dotted_line":
        assert not reached[np.arange(28) // 2 % 2 == 0].any()
        assert (reached[[2, 3, 26]] > 0.5).all()
    else:
        assert not reached[[0, 1, 26, 27]].any()
        assert (reached[[4, 12, 24]] > 0.5).all()


def test_canny_outlines_a_square():
    square = np.zeros((2, 28, 28), np.uint8)
    square[0, 8:20, 8:20] = 255
    outline, nothing = corrupted("canny_edges", square)
    assert not nothing.any()
    assert set(np.unique(outline)) == {0, 255}
    assert not outline[11:17, 11:17].any()
    for lines in (outline, outline.T):
        sides = np.flatnonzero((lines[10:18] > 0).any(axis=0))
        assert set(sides) <= {7, 8, 19, 20}
        assert ((lines[10:18] > 0).sum(axis=1) >= 2).all()
