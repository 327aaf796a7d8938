"""Labelled digits from files as people have them: ``.npz``, IDX (also ``.gz``), MNIST's CSV.

- ``.npz``: arrays x_train, y_train, x_test and y_test, as Keras distributes MNIST;
- IDX: ``train-images-idx3-ubyte`` and its three companions, as at
  http://yann.lecun.com/exdb/mnist/, with or without ``.gz``;
- CSV: ``mnist_train.csv`` and ``mnist_test.csv``, a label and 784 pixels a line, with or without
  a line of names.
"""

import gzip
import zipfile
from pathlib import Path

import numpy as np

from model import signature

PARTS = ("train", "test")
_IDX = {"train": "train", "test": "t10k"}
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # IDX's third byte
_MOST = 4 * 2**30  # bytes of an unpacked array


def find(path: Path) -> Path | None:
    """The file that a folder's digits begin with, or `path` itself; None where there is none."""
    if not path.is_dir():
        return path if path.is_file() else None
    names = ("mnist.npz", "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz")
    names += ("train-images.idx3-ubyte", "mnist_train.csv", "mnist_train.csv.gz")
    return next((path / name for name in names if (path / name).is_file()), None)


def has_part(path: Path, part: str) -> bool:
    """Whether the file, or one beside it, holds "train" or "test" digits.

    Raises:
        ValueError: it cannot be read.
    """
    if zipfile.is_zipfile(path):
        names = {f"x_{part}.npy", f"y_{part}.npy"}
        with zipfile.ZipFile(path) as file:
            return names <= {*file.namelist()}
    return all(file.is_file() for file in _files(path, part))


def read(path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as they are in the file.

    Args:
        path: from `find`.
        part: "train" or "test".

    Raises:
        ValueError: a line that says what is wrong with the file.
    """
    if zipfile.is_zipfile(path):
        return _read_npz(path, part)
    files = _files(path, part)
    missing = next((file for file in files if not file.is_file()), None)
    if missing:
        raise ValueError(f"no file {missing} beside {path.name}")
    if len(files) == 1:
        return read_csv(files[0])
    images, labels = map(read_idx, files)
    return images, labels


def _files(path: Path, part: str) -> list[Path]:
    """IDX's two files or the table of a part, named as those of the training part are."""
    name = path.name
    if "idx3" in name:
        images = name.replace("train-", f"{_IDX[part]}-")
        return [
            path.with_name(n)
            for n in (images, images.replace("images", "labels").replace("idx3", "idx1"))
        ]
    if ".csv" in name:
        return [path.with_name(name.replace("train", part))]
    if path.suffix == ".npz":
        raise ValueError(f"{path} is not a readable .npz file")
    raise ValueError(
        f"{path} is neither .npz, nor IDX (train-images-idx3-ubyte), nor MNIST's CSV "
        "(mnist_train.csv)"
    )


def _read_npz(path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return file[f"x_{part}"], file[f"y_{part}"]
    except KeyError as error:
        raise ValueError(
            f"{path}: {error.args[0]}; the keys x_train, y_train, x_test and y_test are needed"
        ) from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error


def read_idx(path: Path) -> np.ndarray:
    """An IDX file, plain or gzipped: two zero bytes, a type, a rank, sizes, numbers (big-endian).

    Raises:
        ValueError: it is none, or cut short.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is not an IDX file")
    rank, kind = content[3], np.dtype(_TYPES[content[2]])
    start = 4 + 4 * rank
    if len(content) < start:
        raise ValueError(f"{path} is cut short")
    shape = np.frombuffer(content, ">u4", rank, 4).astype(int)
    if len(content) != start + int(np.prod(shape)) * kind.itemsize:
        raise ValueError(f"{path} has {len(content)} bytes, not those of {tuple(shape)} numbers")
    return np.frombuffer(content, kind, offset=start).reshape(shape)


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A table with a label and 784 pixels a line.

    Raises:
        ValueError: a line has something else.
    """
    lines = _content(path).decode("ascii", "replace").splitlines()
    if lines and not lines[0].split(",")[0].strip().isdecimal():
        lines = lines[1:]  # names of the columns
    if not lines:
        raise ValueError(f"{path} has no line of numbers")
    pixels = signature.STEPS * signature.PIXELS
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of numbers: {error}") from error
    if table.shape[1] != pixels + 1:
        raise ValueError(f"{path} has {table.shape[1]} columns; a label and {pixels} are needed")
    labels = table[:, 0].astype(int)
    return table[:, 1:].reshape(-1, signature.STEPS, signature.PIXELS), labels


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as file:
            content = file.read(_MOST + 1)
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if len(content) > _MOST:
        raise ValueError(f"{path} is larger than {_MOST:,} bytes unpacked")
    return content
