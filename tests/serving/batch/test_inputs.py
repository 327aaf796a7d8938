"""Where the images of a batch come from: which files, in which order, and an .npz in pieces."""

import os
import zipfile
from itertools import chain

import numpy as np
import pytest
from PIL import Image

from serving.batch.inputs import KEY, InputError, open_input


def images(count=10, height=5, width=3):
    return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)


def save_pictures(top, *names):
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28)).save(top / name)


# Folders


def test_folder_with_all_below_sorted_and_others_counted(tmp_path):
    save_pictures(
        tmp_path, "b.png", "a/z.PNG", "a/1.jpeg", "c.webp", "d/e/f.tif", "10.bmp", "x.gif"
    )
    for name in ("notes.txt", "a/labels.csv", ".hidden.png", "none"):
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.png")
    found = open_input(tmp_path, raw=False)
    chunks = list(found.chunks(3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    items = list(chain.from_iterable(chunks))
    names = ["10.bmp", "a/1.jpeg", "a/z.PNG", "b.png", "c.webp", "d/e/f.tif", "x.gif"]
    assert [(item.source, item.index, item.image) for item in items] == [
        (name, 0, tmp_path / name) for name in names
    ]
    assert (found.count, found.skipped) == (7, 5)


def test_one_picture_whatever_its_ending(tmp_path):
    save_pictures(tmp_path, "seven.png")
    (tmp_path / "seven.png").rename(tmp_path / "seven")
    found = open_input(tmp_path / "seven", raw=False)
    assert [list(chunk) for chunk in found.chunks(64)] == [[("seven", 0, tmp_path / "seven")]]


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "d.npz").write_bytes(b"not an archive")
    for name, message in (
        ("none", "no file or folder"),
        ("empty", "no pictures"),
        ("", "no pictures .* only 1 other"),
        ("d.npz", r"d\.npz cannot be read as \.npz"),
    ):
        with pytest.raises(InputError, match=message):
            open_input(tmp_path / name, raw=False)


# .npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("size", [1, 4, 10, 64])
def test_archive_in_pieces_is_the_array(tmp_path, save, size):
    expected = images()
    save(tmp_path / "d.npz", other=np.arange(3), **{KEY: expected})
    found = open_input(tmp_path / "d.npz", raw=False)
    chunks = list(found.chunks(size))
    assert max(map(len, chunks)) == min(size, 10)
    items = list(chain.from_iterable(chunks))
    np.testing.assert_array_equal([item.image for item in items], expected)
    assert [(item.source, item.index) for item in items] == [("d.npz", i) for i in range(10)]
    assert (found.count, found.skipped) == (10, 0)


def test_large_images_come_in_smaller_pieces(tmp_path):
    np.savez(tmp_path / "d.npz", **{KEY: images(3, 4000, 4000)})
    found = open_input(tmp_path / "d.npz", raw=False)
    assert [len(chunk) for chunk in found.chunks(64)] == [2, 1]


def test_archive_that_does_not_fit(tmp_path):
    for arrays, raw, message in (
        ({"x": images()}, False, "no array 'images', only x"),
        ({}, False, "only nothing"),
        ({KEY: images() / 1}, False, r"must be uint8 \(n, height, width\), not float64"),
        ({KEY: images()[0]}, False, r"not uint8 \(5, 3\)"),
        ({KEY: images()[..., None]}, False, r"not uint8 \(10, 5, 3, 1\)"),
        ({KEY: images()[:0]}, False, "at least one pixel"),
        ({KEY: images()[:, :0]}, False, "at least one pixel"),
        ({KEY: images()}, True, r"uint8 \(n, 28, 28\), not uint8 \(10, 5, 3\) \(without --raw"),
        ({KEY: np.asfortranarray(images())}, False, "ascontiguousarray"),
        ({KEY: np.array([None])}, False, "must be uint8"),
    ):
        np.savez(tmp_path / "d.npz", **arrays)
        with pytest.raises(InputError, match=message):
            open_input(tmp_path / "d.npz", raw)


def test_array_shorter_than_it_says(tmp_path):
    np.savez(tmp_path / "whole.npz", **{KEY: images()})
    with zipfile.ZipFile(tmp_path / "whole.npz") as archive:
        data = archive.read(f"{KEY}.npy")
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr(f"{KEY}.npy", data[:-1])
    with pytest.raises(InputError, match="ends too early"):
        open_input(tmp_path / "short.npz", raw=False)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archive_with_a_broken_byte_is_told_when_reached(tmp_path, save):
    path = tmp_path / "d.npz"
    save(path, **{KEY: images(2000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    found = open_input(path, raw=False)
    with pytest.raises(InputError, match=r"d\.npz cannot be read"):
        list(found.chunks(100))
