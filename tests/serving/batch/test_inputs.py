"""Where the images of a batch come from: which files, in which order, and in pieces."""

import base64
import gzip
import io
import json
import os
import tarfile
import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.images.files import PictureError
from serving.batch.inputs import KEY, InputError, chunks, open_input


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
    found = open_input([str(tmp_path)], raw=False)
    pieces = list(chunks(found.items(), 3))
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    items = list(chain.from_iterable(pieces))
    names = ["10.bmp", "a/1.jpeg", "a/z.PNG", "b.png", "c.webp", "d/e/f.tif", "x.gif"]
    assert [(item.source, item.index, item.image) for item in items] == [
        (name, 0, tmp_path / name) for name in names
    ]
    assert (found.count, found.skipped) == (7, 5)


def test_one_picture_whatever_its_ending(tmp_path):
    save_pictures(tmp_path, "seven.png")
    (tmp_path / "seven.png").rename(tmp_path / "seven")
    found = open_input([str(tmp_path / "seven")], raw=False)
    assert [list(chunk) for chunk in chunks(found.items(), 64)] == [
        [("seven", 0, tmp_path / "seven")]
    ]


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "d.npz").write_bytes(b"not an archive")
    for name, message in (
        ("none", "no file or folder"),
        ("empty", "no pictures"),
        ("", "no pictures .* only 1 other"),
        ("d.npz", r"d\.npz is nothing that can be read"),
    ):
        with pytest.raises(InputError, match=message):
            open_input([str(tmp_path / name)], raw=False)


# .npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("size", [1, 4, 10, 64])
def test_archive_in_pieces_is_the_array(tmp_path, save, size):
    expected = images()
    save(tmp_path / "d.npz", other=np.arange(3), **{KEY: expected})
    found = open_input([str(tmp_path / "d.npz")], raw=False)
    pieces = list(chunks(found.items(), size))
    assert max(map(len, pieces)) == min(size, 10)
    items = list(chain.from_iterable(pieces))
    np.testing.assert_array_equal([item.image for item in items], expected)
    assert [(item.source, item.index) for item in items] == [("d.npz", i) for i in range(10)]
    assert (found.count, found.skipped) == (10, 0)


def test_large_images_come_in_smaller_pieces(tmp_path):
    np.savez(tmp_path / "d.npz", **{KEY: images(3, 4000, 4000)})
    found = open_input([str(tmp_path / "d.npz")], raw=False)
    assert [len(chunk) for chunk in chunks(found.items(), 64)] == [2, 1]


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
            open_input([str(tmp_path / "d.npz")], raw)


def test_array_shorter_than_it_says(tmp_path):
    np.savez(tmp_path / "whole.npz", **{KEY: images()})
    with zipfile.ZipFile(tmp_path / "whole.npz") as archive:
        data = archive.read(f"{KEY}.npy")
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr(f"{KEY}.npy", data[:-1])
    with pytest.raises(InputError, match="ends too early"):
        open_input([str(tmp_path / "short.npz")], raw=False)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archive_with_a_broken_byte_is_told_when_reached(tmp_path, save):
    path = tmp_path / "d.npz"
    save(path, **{KEY: images(2000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    found = open_input([str(path)], raw=False)
    with pytest.raises(InputError, match=r"d\.npz cannot be read"):
        list(found.items())


# What else holds digits


def png(image) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def pixels(item) -> np.ndarray:
    image = item.image
    if isinstance(image, Path):
        image = image.read_bytes()
    return np.asarray(Image.open(io.BytesIO(image))) if isinstance(image, bytes) else image


def save_in_each_way(top, digits) -> list[Path]:
    """The same images as files of every kind."""
    (top / "folder").mkdir()
    named = {f"{i:02}.png": png(image) for i, image in enumerate(digits)}
    for name, content in named.items():
        (top / "folder" / name).write_bytes(content)
    np.savez(top / "a.npz", **{KEY: digits})
    np.save(top / "a.npy", digits)
    idx = b"\0\0\x08\3" + np.array(digits.shape, ">u4").tobytes() + digits.tobytes()
    (top / "images-idx3-ubyte").write_bytes(idx)
    (top / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    table = "\n".join(",".join(map(str, [7, *image.ravel()])) for image in digits)
    (top / "a.csv").write_text(table)
    (top / "named.csv").write_text("label," + ",".join(map(str, range(784))) + "\n" + table)
    with zipfile.ZipFile(top / "a.zip", "w") as archive:
        for name, content in named.items():
            archive.writestr(name, content)
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        with tarfile.open(top / name, mode) as archive:
            for member, content in named.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    lines = [json.dumps({"image": base64.b64encode(c).decode()}) for c in named.values()]
    (top / "a.jsonl").write_text("\n".join(lines) + "\n")
    (top / "a.jsonl.gz").write_bytes(gzip.compress((top / "a.jsonl").read_bytes()))
    (top / "rows.jsonl").write_text("\n".join(json.dumps({"image": d.tolist()}) for d in digits))
    return sorted(top.iterdir())


def test_every_kind_of_file_brings_the_same_images(tmp_path):
    digits = images(12, 28, 28)
    paths = save_in_each_way(tmp_path, digits)
    assert len(paths) == 13
    for path in paths:
        plain = path.rename(path.with_name(path.name.replace(".", "_")))  # told by its bytes
        found = open_input([str(plain)], raw=False)
        np.testing.assert_array_equal([pixels(item) for item in found.items()], digits, str(path))
        assert found.count in (12, None)


def test_several_inputs_are_named_with_what_they_are_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pictures(tmp_path, "a/1.png", "b/c/1.png", "d.png")
    np.save("e.npy", images(2, 28, 28))
    found = open_input(["d.png", "a", "b", "e.npy"], raw=True)
    named = [(item.source, item.index) for item in found.items()]
    assert named == [("d.png", 0), ("a/1.png", 0), ("b/c/1.png", 0), ("e.npy", 0), ("e.npy", 1)]
    assert found.count == 5
    found = open_input(["[ab]/**/*.png"], raw=False)
    assert [item.source for item in found.items()] == ["a/1.png", "b/c/1.png"]
    with pytest.raises(InputError, match=r"nothing is named \*\.tif"):
        open_input(["*.tif"], raw=False)


def test_names_on_standard_input(monkeypatch):
    lines = io.TextIOWrapper(io.BytesIO(b"a.png\n\nb c.png\r\nz\xff.png"))
    monkeypatch.setattr("sys.stdin", lines)
    found = open_input(["-"], raw=False)
    assert found.fingerprint is None
    names = [os.fsencode(item.source) for item in found.items()]
    assert names == [b"a.png", b"b c.png", b"z\xff.png"]


def test_bad_lines_of_json_are_rows_of_their_own(tmp_path):
    path = tmp_path / "a.jsonl"
    good = base64.b64encode(b"x").decode()
    lines = ["{", '{"other": 1}', '{"image": "?"}', '{"image": [[1, 300]]}', '{"image": [1]}']
    path.write_text("\n".join(["{}", *lines, json.dumps({"image": good}), "[]"]))
    *bad, last, other = (item.image for item in open_input([str(path)], raw=False).items())
    assert last == b"x"
    assert all(isinstance(image, PictureError) for image in [*bad, other])
    [first, *_] = open_input([str(path)], raw=False, key="other").items()
    assert "--key" in str(first.image)


def test_a_link_that_leads_nowhere_is_an_item_and_a_changed_file_another_input(tmp_path):
    save_pictures(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("none.png")
    found = open_input([str(tmp_path)], raw=False)
    assert [item.source for item in found.items()] == ["a.png", "b.png"]
    before = found.fingerprint
    assert open_input([str(tmp_path)], raw=False).fingerprint == before
    (tmp_path / "a.png").write_bytes(b"other")
    assert open_input([str(tmp_path)], raw=False).fingerprint != before


def test_broken_archives_are_told_when_reached(tmp_path):
    save_in_each_way(tmp_path, images(12, 28, 28))
    for name in ("a.tar.gz", "a.jsonl.gz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(InputError, match="save it anew"):
            list(open_input([str(path)], raw=False).items())
    for name in ("a.npy", "images-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(InputError, match="cannot be read"):
            open_input([str(path)], raw=False)
