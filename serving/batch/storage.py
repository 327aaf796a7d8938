"""Object storage by URL, as in ``s3://bucket/scans``: by pyarrow, or by fsspec as ``fsspec+...://``.

Credentials, region and endpoint come from the library's own environment variables and files.
"""

import io
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from model.images.files import PictureError
from serving.batch.formats import InputError, Item, need_pyarrow

_BUFFER = 2**20  # bytes of one request, where a file is read in pieces
_AT_ONCE = 16  # small objects are a matter of latency


def is_url(name: str) -> bool:
    """Whether it names something in object storage."""
    return re.match(r"[a-z][a-z0-9+.-]*://", name) is not None


@lru_cache(64)
def filesystem(url: str) -> tuple[Any, str]:
    """pyarrow's file system for a URL, and the path in it.

    Raises:
        InputError: it is no such URL, or a library for it is missing.
    """
    need_pyarrow(f"to open {url}")
    from pyarrow import fs

    with _told(url):
        return fs.FileSystem.from_uri(url)


class Remote(NamedTuple):
    """A file there, with what is asked of a `Path`. It is of the file system of `url`."""

    url: str
    path: str
    st_size: int = 0
    st_mtime_ns: int | None = 0

    def __str__(self) -> str:
        return self.url if filesystem(self.url)[1] == self.path else self.path

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    def stat(self) -> "Remote":
        """As it was listed."""
        return self

    def is_file(self) -> bool:
        with _told(self.url):
            return filesystem(self.url)[0].get_file_info(self.path).is_file

    def open(self, _mode: str = "rb") -> io.BufferedReader:
        return io.BufferedReader(filesystem(self.url)[0].open_input_file(self.path), _BUFFER)

    def read_bytes(self) -> bytes:
        with filesystem(self.url)[0].open_input_stream(self.path) as stream:
            return stream.read()


def path_of(name: str) -> Path | Remote:
    """What is called so, here or there."""
    return Remote(name, filesystem(name)[1]) if is_url(name) else Path(name)


def listed(url: str) -> Iterator[tuple[str, Remote]]:
    """A file, with an empty name; or all files in a folder and those in it, sorted by their names.

    Raises:
        InputError: there is none, or it may not be read.
    """
    system, top = filesystem(url)
    from pyarrow import fs

    with _told(url):
        found = [system.get_file_info(top)]
        if not found[0].is_file:
            found = system.get_file_info(fs.FileSelector(top, recursive=True))
    files = ((each.path.removeprefix(top).lstrip("/"), each) for each in found if each.is_file)
    for name, info in sorted(files, key=lambda file: file[0]):
        yield name, Remote(url, info.path, info.size, info.mtime_ns)


def fetched(items: Sequence[Item]) -> Sequence[Item]:
    """The items with bytes, read at the same time, in place of files in object storage."""
    remote = [row for row, item in enumerate(items) if isinstance(item.image, Remote)]
    if not remote:
        return items
    items = list(items)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        images = pool.map(_bytes_of, [items[row].image for row in remote])
        for row, image in zip(remote, images, strict=True):
            items[row] = items[row]._replace(image=image)
    return items


def _bytes_of(file: Any) -> bytes | PictureError:
    try:
        return file.read_bytes()
    except (OSError, ValueError, InputError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        return PictureError(f"the file cannot be read: {reason}")


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"no file or folder {url}; patterns are for files of this machine"
        ) from error
    except (OSError, ValueError, ImportError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise InputError(f"cannot open {url}: {error}") from error
