"""The warp: what it leaves alone, where it moves ink, and that it is seeded."""

import numpy as np

from training import augment


def affine(matrix) -> np.ndarray:
    return np.array([matrix], np.float32)


FLAT = np.zeros((1, 2, augment.GRID, augment.GRID), np.float32)


def dot(y: int, x: int) -> np.ndarray:
    image = np.zeros((1, 28, 28), np.float32)
    image[0, y, x] = 255
    return image


def warp(images, matrix, elastic=FLAT) -> np.ndarray:
    return np.asarray(augment.warp(images, affine(matrix), elastic))


def test_the_identity_changes_nothing():
    images = np.random.default_rng(0).uniform(0, 255, (1, 28, 28)).astype(np.float32)
    np.testing.assert_allclose(warp(images, [[1, 0, 0], [0, 1, 0]]), images, atol=1e-4)


def test_a_shift_moves_ink_by_whole_and_half_pixels():
    # The map goes from the new pixel to the old one, so the ink moves the other way.
    np.testing.assert_allclose(warp(dot(10, 10), [[1, 0, 2], [0, 1, -3]]), dot(8, 13), atol=1e-4)
    expected = (dot(10, 10) + dot(10, 11)) / 2
    np.testing.assert_allclose(warp(dot(10, 10), [[1, 0, 0], [0, 1, -0.5]]), expected, atol=1e-3)


def test_a_quarter_turn_moves_a_corner_and_what_comes_from_outside_is_page():
    turned = warp(dot(0, 0), [[0, -1, 0], [1, 0, 0]])
    assert turned[0, 0, 27] > 250 or turned[0, 27, 0] > 250
    white = np.full((1, 28, 28), 255, np.float32)
    assert not warp(white, [[1, 0, 100], [0, 1, 0]]).any()
    shifted = warp(white, [[1, 0, 3], [0, 1, 0]])
    np.testing.assert_allclose(shifted[0, :25], 255)
    np.testing.assert_allclose(shifted[0, 25:], 0)


def test_elastic_shifts_bend_locally():
    bend = FLAT.copy()
    bend[0, 1, 0, 0] = 1  # x of the upper left corner alone
    images = np.random.default_rng(0).uniform(0, 255, (1, 28, 28)).astype(np.float32)
    bent = warp(images, [[1, 0, 0], [0, 1, 0]], bend)
    np.testing.assert_allclose(bent[0, 6:, 6:], images[0, 6:, 6:], atol=1e-3)
    assert np.abs(bent - images)[0, :5, :5].max() > 10


def test_draws_are_seeded_and_within_bounds():
    first = augment.draw(np.random.default_rng(3), 1000)
    second = augment.draw(np.random.default_rng(3), 1000)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    affines, elastic = first
    assert affines.shape == (1000, 2, 3)
    assert elastic.shape == (1000, 2, augment.GRID, augment.GRID)
    assert np.abs(affines[:, :, 2]).max() <= augment.SHIFT
    determinant = np.linalg.det(affines[:, :, :2])
    assert np.exp(-2 * augment.SCALE) < determinant.min() < 0.9
    assert 1.1 < determinant.max() < np.exp(2 * augment.SCALE)
