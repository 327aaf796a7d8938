"""Which files `serving.batch` reads, and in which order: folders, patterns, files, lists."""

import glob
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.images.files import PictureError, open_picture
from serving.batch.formats import ENDINGS, Block, InputError, Item, opened
from serving.batch.storage import Remote, is_url, listed, path_of
from serving.settings import Settings

STDIN = "-"  # a list of files is read there
_MOST_BYTES = 32 * 2**20  # of pictures handed to a worker at once
_BLOCK = 2**16  # bytes of a list that are read at once

Chunk = Block | list[Item]


class File(NamedTuple):
    """A file, its name in the table, and whether it may be something else than a picture."""

    path: str | Remote
    source: str
    any_format: bool


class Survey(NamedTuple):
    """What is seen from outside.

    `count` is how many images there are, None where that shows only in the end; `skipped`, the
    files in folders that are no pictures; `fingerprint` changes when a file's name, length or
    time does, and is None where the input cannot be read twice.
    """

    count: int | None
    skipped: int
    fingerprint: str | None


class Inputs:
    """All images of what was named, in a fixed order: as named, and in folders by name.

    Args:
        named: folders (with those in them), files (see `serving.batch.formats`), URLs of either,
            patterns as in ``"scans/**/*.png"``, and `STDIN`, which holds names of files, each with
            a line feed or with NUL behind.
        key, label: see `formats.opened`.

    Attributes:
        broken: files that ended before all of their images were read.
    """

    def __init__(self, named: Sequence[str], key: str | None = None, label: str | None = None):
        self._named, self._key, self._label = named, key, label
        self._skipped = self.broken = 0

    def survey(self) -> Survey:
        """Look at everything without reading images.

        Raises:
            InputError: what was named is not there, cannot be read, or holds no images.
        """
        if STDIN in self._named:
            return Survey(None, 0, None)
        count: int | None = 0
        self._skipped = 0
        seen = hashlib.sha256()
        files = 0
        for file in self.files():
            files += 1
            if self._label and not file.any_format:
                raise InputError("pictures hold no labels: leave --label-column out")
            try:
                status = _opener(file.path).stat()
                told = f"{status.st_size} {status.st_mtime_ns}"
            except OSError:
                told = "gone"
            seen.update(os.fsencode(f"{file.source}\0{told}\0"))
            inside = self._count(file) if file.any_format else 1
            count = None if count is None or inside is None else count + inside
        if not files:
            names = " ".join(map(repr, self._named))
            raise InputError(f"no pictures in {names}, only {self._skipped} other files")
        return Survey(count, self._skipped, seen.hexdigest())

    def chunks(self, size: int, files: Iterable[File] | None = None) -> Iterator[Chunk]:
        """All images in order, at most `size` at a time; what cannot be read is an item, too.

        Args:
            size: most images of a chunk.
            files: read these of `files` alone.

        Raises:
            InputError: see `survey`.
        """
        waiting: list[Item] = []
        held = 0
        self.broken = 0
        for piece in self._pieces(size, self.files() if files is None else files):
            is_block = isinstance(piece, Block)
            if waiting and (is_block or len(waiting) == size or held > _MOST_BYTES):
                yield waiting
                waiting, held = [], 0
            if is_block:
                yield piece
            else:
                waiting.append(piece)
                held += piece.image.nbytes if isinstance(piece.image, np.ndarray) else 0
                held += len(piece.image) if isinstance(piece.image, bytes) else 0
                held += piece.image.st_size if isinstance(piece.image, Remote) else 0
        if waiting:
            yield waiting

    @property
    def _is_one_file(self) -> bool:
        return len(self._named) == 1 and path_of(self._named[0]).is_file()

    def _count(self, file: File) -> int | None:
        try:
            with opened(_opener(file.path), file.source, self._key, 1, self._label) as (
                count,
                images,
            ):
                if self._is_one_file and isinstance(images, list):
                    open_picture(_opener(file.path).read_bytes(), Settings().max_pixels)
                return count
        except InputError:
            if self._is_one_file:
                raise
        except PictureError as error:
            raise InputError(
                f"{file.path}: {error}; or a folder, or many images as .npz, .npy, IDX, MNIST's "
                "CSV, Parquet, Arrow, tar, zip or JSON Lines"
            ) from error
        return None

    def _pieces(self, size: int, files: Iterable[File]) -> Iterator[Item | Block]:
        for file in files:
            # Who reads a picture says of pipes, links to nowhere and the like what is wrong.
            if not file.any_format or not _is_readable(file.path):
                yield Item(file.source, 0, file.path)
                continue
            read = 0
            try:
                how = self._key, size, self._label
                with opened(_opener(file.path), file.source, *how) as (_, images):
                    for image in images:
                        read += len(image.images) if isinstance(image, Block) else 1
                        yield image
            except InputError as error:
                if self._is_one_file and not read:
                    raise
                self.broken += 1
                yield Item(file.source, read, error)

    def files(self) -> Iterator[File]:
        """All files in order.

        Raises:
            InputError: see `survey`.
        """
        alone = len(self._named) == 1
        for named in self._named:
            path = Path(named)
            if named == STDIN:
                yield from map(_listed_file, _listed())
            elif is_url(named):
                above = "" if alone else f"{named.rstrip('/')}/"
                for name, file in listed(named):
                    if not name:
                        yield File(file, file.name if alone else named, True)
                    elif _is_picture(name):
                        yield File(file, above + name, False)
                    else:
                        self._skipped += 1
            elif path.is_dir():
                yield from self._folder(named, "" if alone else f"{named.rstrip('/')}/")
            elif os.path.lexists(path):
                yield File(named, path.name if alone else named, True)
            elif glob.has_magic(named):
                found = sorted(glob.glob(named, recursive=True))  # noqa: PTH207, any path, `**` with links
                files = [name for name in found if not Path(name).is_dir()]
                if not files:
                    raise InputError(f"no file is called like {named}")
                yield from (File(name, name, True) for name in files)
            else:
                raise InputError(f"no file or folder {named}")

    def _folder(self, folder: str, above: str) -> Iterator[File]:
        """Pictures by their endings, sorted by their whole names; hidden files are none."""
        try:
            with os.scandir(folder) as entries:
                found = [
                    (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name)
                    for entry in entries
                ]
        except OSError as error:
            raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
        for name in sorted(found):
            path = os.path.join(folder, name)  # noqa: PTH118, three times as fast
            if name.endswith("/"):
                yield from self._folder(path, above + name)
            elif _is_picture(name):
                yield File(path, above + name, False)
            else:
                self._skipped += 1


def _opener(path: str | Remote) -> Path | Remote:
    """Paths are texts, for there are many of them."""
    return Path(path) if isinstance(path, str) else path


def _listed_file(name: str) -> File:
    if not is_url(name):
        return File(name, name, True)
    try:
        return File(path_of(name), name, not _is_picture(name))
    except InputError:  # no URL: whoever opens it finds no such file
        return File(name, name, False)


def _is_picture(name: str) -> bool:
    stem, ending = os.path.splitext(name.rpartition("/")[2])  # noqa: PTH122, three times as fast
    return ending.lower() in ENDINGS and not stem.startswith(".")


def _is_readable(path: str | Remote) -> bool:
    try:
        return isinstance(path, Remote) or (Path(path).is_file() and os.access(path, os.R_OK))
    except ValueError:  # a name with NUL in it
        return False


def _listed() -> Iterator[str]:
    """Names on standard input, separated by NUL if there is one, else by line feeds."""
    stream = sys.stdin.buffer
    separator, rest = None, b""
    while block := stream.read1(_BLOCK):
        rest += block
        if separator is None and (b"\0" in rest or b"\n" in rest):
            separator = b"\0" if b"\0" in rest else b"\n"
        *names, rest = rest.split(separator or b"\0")
        yield from (os.fsdecode(name) for name in names if name)
    if rest:
        yield os.fsdecode(rest)
