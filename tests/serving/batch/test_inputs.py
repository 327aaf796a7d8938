"""Where the images of a batch come from: which files, in which order, and formats in pieces."""

import base64
import gzip
import io
import json
import os
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from serving.batch.formats import IMAGES, Block, InputError, Item
from serving.batch.inputs import Inputs


def images(count=10, height=28, width=28):
    return np.random.default_rng(0).integers(0, 256, (count, height, width), np.uint8)


def png(image) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def save_pictures(top, *names):
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (28, 28)).save(top / name)


def items_of(*named, size=64, key=None, label=None):
    """All images one by one, and how many files were broken."""
    inputs = Inputs([str(each) for each in named], key, label)
    found = []
    for chunk in inputs.chunks(size):
        if isinstance(chunk, Block):
            chunk = chunk.items()
        assert len(chunk) <= size
        found += chunk
    return found, inputs.broken


def pixels_of(item):
    if isinstance(item.image, bytes):
        return np.asarray(Image.open(io.BytesIO(item.image)))
    return np.asarray(Image.open(item.image)) if isinstance(item.image, str) else item.image


# Folders, patterns, lists


def test_folder_with_all_below_sorted_and_others_counted(tmp_path):
    names = ["10.bmp", "a/1.jpeg", "a/z.PNG", "b.png", "c.webp", "d/e/f.tif", "x.gif"]
    save_pictures(tmp_path, *reversed(names))
    for name in ("notes.txt", "a/labels.csv", ".hidden.png", "none"):
        (tmp_path / name).write_text("x")
    found, _ = items_of(tmp_path, size=3)
    assert found == [Item(name, 0, str(tmp_path / name)) for name in names]
    survey = Inputs([str(tmp_path)]).survey()
    assert (survey.count, survey.skipped) == (7, 4)


def test_several_inputs_and_patterns_have_their_whole_names(tmp_path, monkeypatch):
    save_pictures(tmp_path, "a/b/1.png", "a/2.png", "c.png")
    np.save(tmp_path / "d.npy", images(2))
    monkeypatch.chdir(tmp_path)
    found, _ = items_of("c.png", "a", "d.npy", "a/**/*.png")
    assert [(item.source, item.index) for item in found] == [
        *(("c.png", 0), ("a/2.png", 0), ("a/b/1.png", 0), ("d.npy", 0), ("d.npy", 1)),
        *(("a/2.png", 0), ("a/b/1.png", 0)),
    ]


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_list_on_standard_input(tmp_path, monkeypatch, separator):
    save_pictures(tmp_path, "1.png", "\udcff.png")
    names = [str(tmp_path / name) for name in ("1.png", "none.png", "\udcff.png")]
    listed = b"".join(os.fsencode(name) + separator for name in names)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(listed))))
    assert [item.source for item in items_of("-")[0]] == names
    assert Inputs(["-"]).survey().fingerprint is None


def test_a_listed_address_that_is_none_is_one_image_that_cannot_be_read(monkeypatch):
    listed = io.BytesIO(b"s3://b/a b.png\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(listed)))
    [[item]] = Inputs(["-"]).chunks(4)
    assert (item.source, item.image) == ("s3://b/a b.png",) * 2


def test_fingerprint_changes_with_names_lengths_and_times(tmp_path):
    save_pictures(tmp_path, "a.png", "b.png")
    seen = set()
    for change in (
        lambda: None,
        lambda: os.utime(tmp_path / "a.png", (1, 1)),
        lambda: save_pictures(tmp_path, "c.png"),
        lambda: (tmp_path / "c.png").rename(tmp_path / "d.png"),
        lambda: (tmp_path / "d.png").unlink(),
    ):
        change()
        seen.add(Inputs([str(tmp_path)]).survey().fingerprint)
    assert len(seen) == 4  # the last is as the second


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "d.npz").write_bytes(b"not an archive")
    for name, message in (
        ("none", "no file or folder"),
        ("empty", "no pictures in .* only 0 other"),
        ("", "no pictures in .* only 1 other"),
        ("d.npz", r"d\.npz: not an image.* or many images as \.npz"),
    ):
        with pytest.raises(InputError, match=message):
            Inputs([str(tmp_path / name)]).survey()


# Formats


def save_idx(path, array):
    data = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(data + array.tobytes()))


def save_csv(path, array, header=""):
    lines = [",".join(map(str, (7, *image.ravel().tolist()))) for image in array]
    path.write_text(header + "\n".join(lines) + "\n")


def save_tar(path, array):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for i, image in enumerate(array):
            for ending, data in ((".png", png(image)), (".cls", b"7")):
                member = tarfile.TarInfo(f"{i:03d}{ending}")
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))


def save_zip(path, array):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("notes.txt", "7")
        for i, image in enumerate(array):
            file.writestr(f"{i:03d}.png", png(image))


def save_lines(path, array):
    texts = [base64.b64encode(png(image)).decode() for image in array]
    rows = [text if i % 2 else f"data:image/png;base64,{text}" for i, text in enumerate(texts)]
    rows[2:5] = [{"bytes": texts[2]}, array[3].tolist(), array[4].ravel().tolist()]
    path.write_text("".join(json.dumps({"label": 7, "image": row}) + "\n" for row in rows))


def save_parquet(path, array, columns="bytes"):
    arrow = pytest.importorskip("pyarrow")

    each = {
        "bytes": [png(image) for image in array],
        "struct": [{"bytes": png(image), "path": "x.png"} for image in array],
        "lists": [image.tolist() for image in array],
    }
    table = arrow.table({"label": [7] * len(array), "image": each[columns]})
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table, path, row_group_size=4)
        return
    create = arrow.ipc.new_file if path.suffix == ".feather" else arrow.ipc.new_stream
    with create(str(path), table.schema) as file:
        file.write_table(table)


WRITERS = {
    "d.npz": lambda path, array: np.savez(path, other=np.arange(3), **{IMAGES: array}),
    "e.npz": lambda path, array: np.savez_compressed(path, anything=array),
    "d.npy": np.save,
    "wide.npy": lambda path, array: np.save(path, array.reshape(-1, 784)),
    "colour.npy": lambda path, array: np.save(path, array[..., None]),
    "d-ubyte.gz": save_idx,
    "d.csv": save_csv,
    "head.csv": lambda path, array: save_csv(
        path, array, "label," + ",".join(f"pixel{i}" for i in range(784)) + "\n"
    ),
    "d.tar": save_tar,
    "d.tar.gz": save_tar,
    "d.zip": save_zip,
    "d.jsonl": save_lines,
    "d.parquet": save_parquet,
    "struct.parquet": lambda path, array: save_parquet(path, array, "struct"),
    "lists.parquet": lambda path, array: save_parquet(path, array, "lists"),
    "d.feather": save_parquet,
    "d.arrows": save_parquet,
}


@pytest.mark.parametrize("size", [1, 4, 64])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_images_whatever_its_name(tmp_path, name, size):
    expected = images()
    WRITERS[name](tmp_path / name, expected)
    path = (tmp_path / name).rename(tmp_path / "data")
    found, broken = items_of(path, size=size)
    assert broken == 0
    np.testing.assert_array_equal([pixels_of(item) for item in found], expected)
    if "tar" in name or "zip" in name:
        assert [item.source for item in found] == [f"data/{i:03d}.png" for i in range(10)]
    else:
        assert [(item.source, item.index) for item in found] == [("data", i) for i in range(10)]


def test_labels(tmp_path):
    for name in ("d.csv", "head.csv", "d.jsonl", "d.parquet", "d.feather", "d.arrows"):
        if name.startswith("d.") and name[2:] in ("parquet", "feather", "arrows"):
            pytest.importorskip("pyarrow")
        WRITERS[name](tmp_path / name, images())
        found, _ = items_of(tmp_path / name, size=4, label="label")
        assert [item.label for item in found] == [7] * 10, name
        if "csv" not in name:
            with pytest.raises(InputError, match="no column 'none'"):
                items_of(tmp_path / name, label="none")
    np.savez(tmp_path / "d.npz", images=images(), y=np.arange(10), few=np.arange(3))
    assert [each.label for each in items_of(tmp_path / "d.npz", size=4, label="y")[0]] == [
        *range(10)
    ]
    for key, message in (("none", "no array 'none'"), ("few", "10 images and 3 labels")):
        with pytest.raises(InputError, match=message):
            items_of(tmp_path / "d.npz", label=key)
    np.save(tmp_path / "d.npy", images())
    for path in (tmp_path / "d.npy", tmp_path):
        save_pictures(tmp_path, "1.png")
        with pytest.raises(InputError, match="no labels: leave --label-column out"):
            Inputs([str(path)], label="y").survey()


def test_large_images_come_in_smaller_pieces(tmp_path):
    np.save(tmp_path / "d.npy", np.zeros((3, 4000, 4000), np.uint8))
    chunks = Inputs([str(tmp_path / "d.npy")]).chunks(64)
    assert [len(chunk.images) for chunk in chunks] == [2, 1]


def test_arrays_and_columns_that_do_not_fit(tmp_path):
    def npz(**arrays):
        np.savez(tmp_path / "d", **arrays)
        (tmp_path / "d.npz").rename(tmp_path / "data")

    def lines(*rows):
        (tmp_path / "data").write_text("".join(json.dumps(row) + "\n" for row in rows))

    for make, key, message in (
        (
            lambda: npz(x=images(), y=images()),
            None,
            "no array 'images', only x, y: name one",
        ),
        (lambda: npz(x=images()), "z", "no array 'z', only x"),
        (lambda: npz(x=images()[0]), None, r"images must be numbers .* not uint8 \(28, 28\)"),
        (lambda: npz(x=images()[:0]), None, "images must be"),
        (lambda: npz(x=np.array([["a"]])), None, "images must be"),
        (lambda: npz(x=np.asfortranarray(images())), None, "ascontiguousarray"),
        (lambda: lines({"a": "x", "b": "y"}), None, "no column of images .* only a, b"),
        (lambda: lines({"a": "x", "b": "y"}), "c", "no column 'c', only a, b"),
        (lambda: (tmp_path / "data").write_text("1,2,3\n"), None, "3 columns; a label and 784"),
    ):
        make()
        with pytest.raises(InputError, match=message):
            items_of(tmp_path / "data", key=key)


def test_what_ends_too_early_gives_what_is_whole_and_an_error(tmp_path):
    for name in ("d.npy", "d-ubyte.gz", "d.tar.gz", "d.npz", "e.npz"):
        WRITERS[name](tmp_path / name, images(500))
        data = (tmp_path / name).read_bytes()
        if name.endswith("npz"):  # whose table of contents is at the end
            data = bytearray(data)
            data[len(data) // 2] ^= 255
        else:
            data = data[: len(data) // 2]
        (tmp_path / name).write_bytes(data)
        found, broken = items_of(tmp_path / name)
        assert broken == 1
        assert 100 < len(found) < 500 + 1, name
        assert "save it anew" in str(found[-1].image), name
        assert not any(isinstance(item.image, Exception) for item in found[:-1]), name


def test_broken_rows_are_errors_and_the_others_are_read(tmp_path):
    good = json.dumps({"image": images()[0].tolist()})
    rows = [good, "{", "3", '{"image": "%%%"}', '{"image": null}', '{"x": 1, "y": 2}', good]
    rows.append('{"image": [[1], [2, 3]]}')
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    found, _ = items_of(tmp_path / "d.jsonl")
    failed = [isinstance(item.image, InputError) for item in found]
    assert failed == [False, True, True, True, True, True, False, True]
    save_csv(tmp_path / "d.csv", images(6))
    lines = (tmp_path / "d.csv").read_text().splitlines()
    lines[1], lines[3] = "1,2,3", "x," + lines[3][2:]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    found, _ = items_of(tmp_path / "d.csv")
    failed = [isinstance(item.image, InputError) for item in found]
    assert failed == [False, True, False, True, False, False]
