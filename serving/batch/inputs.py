"""What `serving.batch` reads: pictures in folders, lists and archives, and arrays of many images.

A file is told by its first bytes, not by its name, and is read in pieces.
"""

import base64
import binascii
import glob
import gzip
import json
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from model import digit_files, signature
from model.images.files import FORMATS, PictureError, open_picture

KEY = signature.IMAGES  # of the array in an .npz
LIST = "-"  # names of pictures on standard input, a line each
_MOST_BYTES = 32 * 2**20  # of images handed to a worker at once
_ENDINGS = {ending for ending, kind in Image.EXTENSION.items() if kind in FORMATS}


class InputError(Exception):
    """There is nothing to read or it cannot be read; the message says what to do."""


class Item(NamedTuple):
    """One image, the `index`th of its source: a picture's file or its bytes, or uint8 (height,
    width); or what is wrong with it."""

    source: str
    index: int
    image: Path | bytes | np.ndarray | PictureError


class Input(Protocol):
    """Images in a fixed order.

    Attributes:
        count: how many; None where only reading tells.
        skipped: files that are no pictures, as far as is known.
        fingerprint: what tells it from others, as JSON; None where it can be read only once.
    """

    count: int | None
    skipped: int
    fingerprint: Any

    def items(self) -> Iterator[Item]:
        """All images in order.

        Raises:
            InputError: what looked fine from outside turns out broken.
        """


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """At most `size` images at a time, and fewer where they are large."""
    chunk, weight = [], 0
    for item in items:
        image = item.image
        size_of = image.nbytes if isinstance(image, np.ndarray) else 0
        size_of += len(image) if isinstance(image, bytes) else 0
        if chunk and (len(chunk) == size or weight + size_of > _MOST_BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append(item)
        weight += size_of
    if chunk:
        yield chunk


def open_input(names: Sequence[str], raw: bool, key: str = KEY) -> Input:
    """Look at files, folders (with those in them) and patterns, without reading their images.

    Args:
        names: what to read, in this order; `LIST` reads names from standard input.
        raw: the images must already be as the network wants them.
        key: the array in an .npz, or the field of a line of JSON.

    Raises:
        InputError: missing, unreadable, without images, or an array that does not fit.
    """
    found = [path for name in names for path in _named(name)]
    inputs = [_open(path, raw, key) for path in found]
    if len(inputs) == 1:
        return inputs[0]
    return Several([(str(path), each) for path, each in zip(found, inputs, strict=True)])


def _named(name: str) -> list[Path]:
    path = Path(name)
    if name == LIST or path.exists() or not glob.has_magic(name):
        return [path]
    matches = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207 (may be absolute)
    if not matches:
        raise InputError(f"nothing is named {name}")
    return matches


def _open(path: Path, raw: bool, key: str) -> Input:
    if str(path) == LIST:
        return Listed()
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise InputError(f"no file or folder {path}")
    try:
        with _unpacked(path) as file:
            first = file.read(512)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if first[:4] in (b"PK\3\4", b"PK\5\6"):  # the second: an empty one
        return _zipped(path, raw, key)
    if first[:6] == b"\x93NUMPY":
        return _mapped(path, raw)
    if first[257:262] == b"ustar":
        return Tar(path)
    if first[:4] == b"\0\0\x08\3" or first.lstrip()[:1].isdigit() or first[:6] == b"label,":
        return _digits(path, raw)
    if first.lstrip()[:1] == b"{":
        return Lines(path, "image" if key == KEY else key)
    try:
        open_picture(path.read_bytes(), 2**62)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except PictureError as error:
        raise InputError(
            f"{path} is nothing that can be read ({error}): give pictures, a folder, .npz, .npy, "
            "IDX, MNIST's CSV, .tar, .zip or lines of JSON"
        ) from error
    return Files([(path.name, path)])


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_packed else path.open("rb")


def _stamp(path: Path) -> list:
    about = path.stat()
    return [str(path), about.st_size, about.st_mtime_ns]


@dataclass
class Several:
    """One input after the other; what an item comes from is named with its input."""

    inputs: list[tuple[str, Input]]

    @property
    def count(self) -> int | None:
        counts = [each.count for _, each in self.inputs]
        return None if None in counts else sum(counts)

    @property
    def skipped(self) -> int:
        return sum(each.skipped for _, each in self.inputs)

    @property
    def fingerprint(self) -> Any:
        each = [[name, part.fingerprint] for name, part in self.inputs]
        return None if any(mark is None for _, mark in each) else each

    def items(self) -> Iterator[Item]:
        for name, each in self.inputs:
            for item in each.items():
                if name == LIST:
                    yield item
                else:
                    is_whole = item.source == Path(name).name
                    yield item._replace(source=name if is_whole else f"{name}/{item.source}")


@dataclass
class Files:
    """Picture files, as (name in the table, path)."""

    files: list[tuple[str, Path]]
    skipped: int = 0

    @property
    def count(self) -> int:
        return len(self.files)

    @property
    def fingerprint(self) -> Any:
        return [_stamp(path) if path.exists() else str(path) for _, path in self.files]

    def items(self) -> Iterator[Item]:
        return (Item(name, 0, path) for name, path in self.files)


class Listed:
    """Pictures that standard input names, a line each."""

    count, skipped, fingerprint = None, 0, None

    def items(self) -> Iterator[Item]:
        for line in sys.stdin.buffer:
            name = os.fsdecode(line.rstrip(b"\r\n"))
            if name:
                yield Item(name, 0, Path(name))


def _is_picture(name: str) -> bool:
    path = Path(name)
    return not path.name.startswith(".") and path.suffix.lower() in _ENDINGS


def _folder(top: Path) -> Files:
    """Pictures by their endings, sorted by name; hidden files, pipes and devices are none."""

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot read the folder {error.filename}: {error.strerror}")

    files, skipped = [], 0
    for folder, _, names in os.walk(top, onerror=refuse):
        for name in names:
            path = Path(folder, name)
            # A pipe or a device would never end; a link that leads nowhere has a row.
            is_there = path.is_file() or (path.is_symlink() and not path.exists())
            if not _is_picture(name) or not is_there:
                skipped += 1
            else:
                files.append((path.relative_to(top).as_posix(), path))
    if not files:
        known = ", ".join(FORMATS)
        raise InputError(f"no pictures ({known}) in {top}, only {skipped} other files")
    return Files(sorted(files), skipped)


def _zipped(path: Path, raw: bool, key: str) -> Input:
    with _told(path, "an archive"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith(".npy") for name in names):
        return Archive(path, raw, key)
    pictures = sorted(name for name in names if _is_picture(name))
    if not pictures:
        found = f"{len(names)} other files" if names else "nothing"
        raise InputError(f"{path} holds no pictures and no arrays, only {found}")
    return Zip(path, pictures, len(names) - len(pictures))


@dataclass
class Zip:
    """The pictures in a .zip."""

    path: Path
    names: list[str]
    skipped: int

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def fingerprint(self) -> Any:
        return _stamp(self.path)

    def items(self) -> Iterator[Item]:
        with _told(self.path, "an archive"), zipfile.ZipFile(self.path) as archive:
            for name in self.names:
                try:
                    yield Item(name, 0, archive.read(name))
                except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
                    yield Item(name, 0, PictureError(f"cannot be unpacked: {error}"))


@dataclass
class Tar:
    """The pictures in a .tar, also packed, in its order (WebDataset's shards)."""

    path: Path
    count: int | None = None
    skipped: int = field(default=0, init=False)

    @property
    def fingerprint(self) -> Any:
        return _stamp(self.path)

    def items(self) -> Iterator[Item]:
        with _told(self.path, "an archive"), tarfile.open(self.path, "r|*") as archive:
            for member in archive:
                if not member.isfile() or not _is_picture(member.name):
                    self.skipped += member.isfile()
                    continue
                yield Item(member.name, 0, archive.extractfile(member).read())


@dataclass
class Lines:
    """JSON Lines (also gzipped): in each an object whose `key` is a picture's bytes in base64, or
    rows of numbers 0..255."""

    path: Path
    key: str
    count: int | None = None
    skipped: int = 0

    @property
    def fingerprint(self) -> Any:
        return _stamp(self.path)

    def items(self) -> Iterator[Item]:
        with _told(self.path, "lines of JSON"), _unpacked(self.path) as file:
            for index, line in enumerate(file):
                yield Item(self.path.name, index, self._image(line))

    def _image(self, line: bytes) -> bytes | np.ndarray | PictureError:
        try:
            image = json.loads(line)[self.key]
            if isinstance(image, str):
                return base64.b64decode(image.partition(",")[2] or image, validate=True)
            rows = np.array(image, np.uint8)
            if rows.ndim == 2 and rows.size and np.array_equal(rows, image):
                return rows
        except (KeyError, TypeError):
            return PictureError(f"no {self.key!r} in this line: give its name by --key")
        except (ValueError, OverflowError, binascii.Error):
            pass
        return PictureError(f"{self.key!r} is neither base64 nor rows of whole numbers 0..255")


@dataclass
class Arrays:
    """uint8 (count, height, width): in memory, or mapped into it."""

    path: Path
    images: np.ndarray
    skipped: int = 0

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def fingerprint(self) -> Any:
        return _stamp(self.path)

    def items(self) -> Iterator[Item]:
        return (Item(self.path.name, i, np.asarray(im)) for i, im in enumerate(self.images))


def _mapped(path: Path, raw: bool) -> Arrays:
    with _told(path, ".npy"):
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    _check(f"{path}", images.shape, images.dtype, raw)
    return Arrays(path, images)


def _digits(path: Path, raw: bool) -> Arrays:
    """IDX or MNIST's CSV, also gzipped."""
    try:
        with _unpacked(path) as file:
            is_idx = file.read(2) == b"\0\0"
        images = digit_files.read_idx(path) if is_idx else digit_files.read_csv(path)[0]
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not is_idx:
        if not ((images >= 0) & (images <= signature.WHITE)).all():
            raise InputError(f"{path} must hold pixels 0..255")
        images = images.astype(np.uint8)
    _check(f"{path}", images.shape, images.dtype, raw)
    return Arrays(path, images)


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype, raw: bool) -> None:
    wanted = ("n", signature.STEPS, signature.PIXELS) if raw else ("n", "height", "width")
    named = f"{name} must be uint8 ({', '.join(map(str, wanted))})"
    if dtype != np.uint8 or len(shape) != 3 or (raw and shape[1:] != wanted[1:]):
        hint = " (without --raw any size is read)" if raw else ""
        raise InputError(f"{named}, not {dtype} {shape}{hint}")
    if min(shape) < 1:
        raise InputError(f"{named} with at least one pixel, not {shape}")


class Archive:
    """The array `key` of an .npz, streamed: stored or deflated, of any length.

    NumPy can map a lone .npy into memory, but of an .npz it reads an array whole.
    """

    skipped = 0

    def __init__(self, path: Path, raw: bool, key: str):
        self._path, self._member = path, f"{key}.npy"
        with _told(path, ".npz"), zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if key not in names:
                found = ", ".join(names) or "nothing"
                raise InputError(f"{path} has no array {key!r}, only {found}: name one by --key")
            with archive.open(self._member) as member:
                shape, fortran, dtype = _header(member)
                space = archive.getinfo(self._member).file_size - member.tell()
        named = f"{path}: {key!r}"
        _check(named, shape, dtype, raw)
        if fortran:
            raise InputError(f"{named} must be in C order: save np.ascontiguousarray(images)")
        self.count, *self._size = shape
        self._bytes = self._size[0] * self._size[1]
        if space < self.count * self._bytes:
            raise InputError(f"{path} is broken: {key!r} ends too early")

    @property
    def fingerprint(self) -> Any:
        return _stamp(self._path)

    def items(self) -> Iterator[Item]:
        size = max(1, 2**20 // self._bytes)  # images read at once
        with (
            _told(self._path, ".npz"),
            zipfile.ZipFile(self._path) as archive,
            archive.open(self._member) as member,
        ):
            _header(member)
            for start in range(0, self.count, size):
                data = member.read(min(size, self.count - start) * self._bytes)
                images = np.frombuffer(data, np.uint8).reshape(-1, *self._size)
                for i, image in enumerate(images, start):
                    yield Item(self._path.name, i, image)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype; leaves `member` at the first image."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)  # says so of any other version


_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error)


@contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """Turn what zipfile, tarfile, zlib and NumPy raise on broken files into one line."""
    try:
        yield
    except (OSError, EOFError, ValueError, *_BROKEN) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(f"{path} cannot be read as {kind}: {reason}: save it anew") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed by another tool
        raise InputError(f"{path} cannot be unpacked: {error}: use np.savez") from error
