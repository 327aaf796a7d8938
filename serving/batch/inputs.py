"""What `serving.batch` reads: a folder of pictures, one picture, or an .npz, bit by bit."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np
from PIL import Image

from model import signature
from model.images.files import FORMATS

KEY = signature.IMAGES  # of the array in an .npz
_MOST_BYTES = 32 * 2**20  # of arrays handed to a worker at once


class InputError(Exception):
    """There is nothing to read or it cannot be read; the message says what to do."""


class Item(NamedTuple):
    """One image: a picture file, or uint8 (height, width), `index`th of its source."""

    source: str
    index: int
    image: Path | np.ndarray


class Input(Protocol):
    """Images in a fixed order; `count` of them, and `skipped` files that are none."""

    count: int
    skipped: int

    def chunks(self, size: int) -> Iterator[list[Item]]:
        """All images in order, at most `size` at a time.

        Raises:
            InputError: what looked fine from outside turns out broken.
        """


def open_input(path: Path, raw: bool) -> Input:
    """Look at a folder (with those in it), a picture or an .npz without reading its images.

    Args:
        path: what to read.
        raw: the images must already be as the network wants them.

    Raises:
        InputError: missing, unreadable, without images, or an .npz without a fitting array.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise InputError(f"no file or folder {path}")
    return Archive(path, raw) if path.suffix.lower() == ".npz" else Files([(path.name, path)])


@dataclass
class Files:
    """Picture files, as (name in the table, path)."""

    files: list[tuple[str, Path]]
    skipped: int = 0

    @property
    def count(self) -> int:
        return len(self.files)

    def chunks(self, size: int) -> Iterator[list[Item]]:
        for start in range(0, self.count, size):
            yield [Item(name, 0, path) for name, path in self.files[start : start + size]]


def _folder(top: Path) -> Files:
    """Pictures by their endings, sorted by name; hidden files are none."""

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot read the folder {error.filename}: {error.strerror}")

    endings = {ending for ending, kind in Image.EXTENSION.items() if kind in FORMATS}
    files, skipped = [], 0
    for folder, _, names in os.walk(top, onerror=refuse):
        for name in names:
            path = Path(folder, name)
            # A pipe or a device would never end.
            if name.startswith(".") or path.suffix.lower() not in endings or not path.is_file():
                skipped += 1
            else:
                files.append((path.relative_to(top).as_posix(), path))
    if not files:
        known = ", ".join(FORMATS)
        raise InputError(f"no pictures ({known}) in {top}, only {skipped} other files")
    return Files(sorted(files), skipped)


class Archive:
    """The array `KEY` of an .npz, streamed: stored or deflated, of any length.

    NumPy can map a lone .npy into memory, but of an .npz it reads an array whole.
    """

    skipped = 0

    def __init__(self, path: Path, raw: bool):
        self._path = path
        with _told(path), zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if KEY not in names:
                found = ", ".join(names) or "nothing"
                raise InputError(f"{path} has no array {KEY!r}, only {found}: name it {KEY!r}")
            with archive.open(f"{KEY}.npy") as member:
                shape, fortran, dtype = _header(member)
                space = archive.getinfo(f"{KEY}.npy").file_size - member.tell()
        wanted = ("n", signature.STEPS, signature.PIXELS) if raw else ("n", "height", "width")
        named = f"{path}: {KEY!r} must be uint8 ({', '.join(map(str, wanted))})"
        if dtype != np.uint8 or len(shape) != 3 or (raw and shape[1:] != wanted[1:]):
            hint = " (without --raw any size is read)" if raw else ""
            raise InputError(f"{named}, not {dtype} {shape}{hint}")
        if min(shape) < 1:
            raise InputError(f"{named} with at least one pixel, not {shape}")
        if fortran:
            raise InputError(f"{named} in C order: save np.ascontiguousarray(images)")
        self.count, *self._size = shape
        self._bytes = self._size[0] * self._size[1]
        if space < self.count * self._bytes:
            raise InputError(f"{path} is broken: {KEY!r} ends too early")

    def chunks(self, size: int) -> Iterator[list[Item]]:
        size = max(1, min(size, _MOST_BYTES // self._bytes))
        with (
            _told(self._path),
            zipfile.ZipFile(self._path) as archive,
            archive.open(f"{KEY}.npy") as member,
        ):
            _header(member)
            for start in range(0, self.count, size):
                data = member.read(min(size, self.count - start) * self._bytes)
                images = np.frombuffer(data, np.uint8).reshape(-1, *self._size)
                yield [Item(self._path.name, start + i, im) for i, im in enumerate(images)]


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype; leaves `member` at the first image."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)  # says so of any other version


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what zipfile, zlib and NumPy raise on broken files into one line."""
    try:
        yield
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be read as .npz: {reason}: save it anew") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed by another tool
        raise InputError(f"{path} cannot be unpacked: {error}: use np.savez") from error
