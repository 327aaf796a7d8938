"""Files with many images in them, told by their first bytes and streamed, never held whole.

``.npz`` and ``.npy``, IDX, MNIST's CSV, Parquet, Arrow, tar, zip and JSON Lines; all but Parquet,
Arrow and ``.npz`` also gzipped. What is none of these is one picture.
"""

import base64
import gzip
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image

from model import signature
from model.images.files import FORMATS

IMAGES = signature.IMAGES  # the array of an .npz, where no other is named
_COLUMNS = ("image", "img", "png", "jpg", IMAGES)  # of a table, where none is named
_LABELS = ("label", "class", "digit", "y")  # of MNIST's CSV
_IDX = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # by its third byte
_CSV = re.compile(rb'\s*"?(label|class|digit|y|pixel\w*|\d+(\.\d+)?)"?\s*,')
_MOST_BYTES = 32 * 2**20  # of images handed to a worker at once
_MOST_FILE = 256 * 2**20  # of a file inside a tar or zip
ENDINGS = frozenset(ending for ending, kind in Image.EXTENSION.items() if kind in FORMATS)


class InputError(Exception):
    """There is nothing to read or it cannot be read; the message says what to do."""


class Item(NamedTuple):
    """One image: a file's path, a file's bytes, an array as `prepare` takes it, or an error.

    It is the `index`th of its source. `label` is what the file calls it, if that was asked for.
    """

    source: str
    index: int
    image: str | bytes | np.ndarray | InputError
    label: Any = None


class Block(NamedTuple):
    """Images of one array, (count, height, width) or (count, height, width, 3 or 4)."""

    source: str
    start: int
    images: np.ndarray
    labels: Sequence[Any] | None = None

    def items(self) -> list[Item]:
        """The images one by one."""
        labels = [None] * len(self.images) if self.labels is None else self.labels
        return [
            Item(self.source, self.start + i, image, label)
            for i, (image, label) in enumerate(zip(self.images, labels, strict=True))
        ]


@contextmanager
def opened(
    path: Path, source: str, key: str | None, size: int, label: str | None = None
) -> Iterator[tuple[int | None, Iterable[Item | Block]]]:
    """Open a file by its first bytes; gives how many images it has, if it says, and the images.

    Args:
        path: the file.
        source: its name in the table.
        key: the array of an ``.npz``, the column of Parquet, Arrow or JSON Lines.
        size: most images of a `Block`.
        label: the array of an ``.npz``, or the column, that holds the labels, if they are wanted.

    Raises:
        InputError: it cannot be read, now or on the way, or has no such array or column.
    """
    with _told(path), ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("rb"))
        head = stream.peek(512)
        if head.startswith(b"\x1f\x8b"):
            stream = stack.enter_context(gzip.open(stream))
            head = stream.peek(512)
        if label and not _has_labels(head):
            raise InputError(f"{path} holds no labels: leave --label-column out")
        if head.startswith(b"PK\x03\x04"):
            archive = stack.enter_context(zipfile.ZipFile(stream))
            arrays = [name for name in archive.namelist() if name.endswith(".npy")]
            if not arrays and path.suffix.lower() != ".npz":
                if label:
                    raise InputError(f"{path} holds no labels: leave --label-column out")
                yield None, _zip(archive, source)
                return
            labels = None
            if label:
                with archive.open(_array_named(path, arrays, label)) as named:
                    labels = np.lib.format.read_array(named, allow_pickle=False).tolist()
            stream = stack.enter_context(archive.open(_array_named(path, arrays, key)))
            yield _array(stream, source, *_npy_header(stream), size, labels)
        elif head.startswith(b"\x93NUMPY"):
            yield _array(stream, source, *_npy_header(stream), size)
        elif len(head) > 8 and head[:2] == b"\0\0" and head[2] in _IDX and 2 <= head[3] <= 4:
            rank = stream.read(4)[3]
            shape = tuple(np.frombuffer(stream.read(4 * rank), ">u4").tolist())
            yield _array(stream, source, shape, np.dtype(_IDX[head[2]]), size)
        elif head[257:262] == b"ustar":
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            yield None, _tar(tar, source)
        elif head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
            yield _columns(stream, head, path, source, key, size, label)
        elif head.lstrip()[:1] == b"{":
            yield None, _json_lines(stream, source, key, label)
        elif _CSV.match(head):
            yield None, _csv(stream, source, size, label)
        else:
            yield 1, [Item(source, 0, str(path) if isinstance(path, Path) else path)]


def _has_labels(head: bytes) -> bool:
    table = (b"PK", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
    return head.startswith(table) or head.lstrip()[:1] == b"{" or bool(_CSV.match(head))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the readers raise on broken files into one line."""
    broken = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, tarfile.TarError)
    try:
        yield
    except broken as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path} cannot be read: {reason}: save it anew") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed by another tool
        raise InputError(f"{path} cannot be unpacked: {error}: pack it anew") from error


# Arrays


def _array_named(path: Path, arrays: list[str], key: str | None) -> str:
    names = [name.removesuffix(".npy") for name in arrays]
    wanted = key or (names[0] if len(names) == 1 else IMAGES)
    if wanted not in names:
        found = ", ".join(names) or "nothing"
        raise InputError(f"{path} has no array {wanted!r}, only {found}: name one of these")
    return f"{wanted}.npy"


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    one, two = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, fortran, dtype = (one if version == (1, 0) else two)(stream)
    if fortran:
        raise InputError("the array must be in C order: save np.ascontiguousarray(images)")
    return shape, dtype


def _array(
    stream: IO[bytes],
    source: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    size: int,
    labels: list[Any] | None = None,
) -> tuple[int, Iterator[Block]]:
    if len(shape) == 2 and shape[1] == signature.STEPS * signature.PIXELS:
        shape = (shape[0], signature.STEPS, signature.PIXELS)
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (3, 4))
    if dtype.kind not in "buif" or not fits or min(shape) < 1:
        raise InputError(
            f"{source}: images must be numbers 0..255, (n, height, width), n x 784, or with 3 or "
            f"4 colours behind, not {dtype} {shape}"
        )
    count, *each = shape
    if labels is not None and len(labels) != count:
        raise InputError(f"{source} has {count} images and {len(labels)} labels")
    length = int(np.prod(each)) * dtype.itemsize

    def blocks() -> Iterator[Block]:
        step = max(1, min(size, _MOST_BYTES // length))
        for start in range(0, count, step):
            wanted = min(step, count - start)
            data = stream.read(wanted * length)
            if whole := len(data) // length:
                images = np.frombuffer(data, dtype, whole * length // dtype.itemsize)
                those = labels and labels[start : start + whole]
                yield Block(source, start, images.reshape(-1, *each), those)
            if whole < wanted:
                raise ValueError(f"it ends after {start + whole} of {count} images")

    return count, blocks()


def _csv(
    stream: IO[bytes], source: str, size: int, wanted: str | None = None
) -> Iterator[Item | Block]:
    """A label and 784 pixels a line, or the pixels alone; the label first or where it is named."""
    pixels = signature.STEPS * signature.PIXELS
    first = stream.readline()
    names = first.decode("ascii", "replace").replace('"', "").strip().lower().split(",")
    label = next((i for i, name in enumerate(names) if name in (wanted, *_LABELS)), 0)
    lines: Iterable[bytes] = stream
    if all(re.fullmatch(r"[\d. ]+", name) for name in names):
        lines = chain([first], stream)
    if len(names) not in (pixels, pixels + 1):
        raise InputError(
            f"{source} has {len(names)} columns; a label and {pixels} pixels are needed"
        )
    lines, start = iter(lines), 0

    def block(piece: list[bytes], start: int) -> Block:
        table = np.loadtxt(piece, delimiter=",", ndmin=2)
        if len(table) != len(piece) or table.shape[1] != len(names):
            raise ValueError(f"{len(names)} numbers a line are needed")
        labels = None
        if len(names) > pixels:
            labels = table[:, label].astype(int).tolist() if wanted else None
            table = np.delete(table, label, axis=1)
        whole = ((table >= 0) & (table <= signature.WHITE) & (table % 1 == 0)).all()
        table = table.astype(np.uint8) if whole else table
        table = table.reshape(-1, signature.STEPS, signature.PIXELS)
        return Block(source, start, table, labels)

    while piece := list(islice(lines, size)):
        try:
            yield block(piece, start)
        except ValueError:
            for index, line in enumerate(piece, start):
                try:
                    yield from block([line], index).items()
                except ValueError as error:
                    yield Item(source, index, InputError(f"the line cannot be read: {error}"))
        start += len(piece)


# Archives of picture files


def _tar(archive: tarfile.TarFile, source: str) -> Iterator[Item]:
    for member in archive:
        if Path(member.name).suffix.lower() in ENDINGS and not member.isdir():
            name = f"{source}/{member.name}"
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                yield Item(name, 0, InputError("a link, not a file: pack the file itself"))
            elif member.size > _MOST_FILE:
                yield Item(name, 0, InputError(f"larger than {_MOST_FILE:,} bytes"))
            else:
                yield Item(name, 0, file.read())


def _zip(archive: zipfile.ZipFile, source: str) -> Iterator[Item]:
    for member in archive.infolist():
        if Path(member.filename).suffix.lower() in ENDINGS and not member.is_dir():
            name = f"{source}/{member.filename}"
            if member.file_size > _MOST_FILE:
                yield Item(name, 0, InputError(f"larger than {_MOST_FILE:,} bytes"))
                continue
            try:
                yield Item(name, 0, archive.read(member))
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
                yield Item(name, 0, InputError(f"it cannot be unpacked: {error}"))


# Tables with an image a row


def _json_lines(
    stream: IO[bytes], source: str, key: str | None, label: str | None
) -> Iterator[Item]:
    for index, line in enumerate(stream):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("it is no object")
            name = _column_named(list(row), key, f"line {index + 1} of {source}")
            if label and index == 0:
                _column_named(list(row), label, source)
            yield Item(source, index, _image(row[name]), row.get(label))
        except (ValueError, RecursionError) as error:
            yield Item(source, index, InputError(f"the line is no JSON: {error}"))
        except InputError as error:
            if index == 0:
                raise
            yield Item(source, index, error)


def _columns(
    stream: IO[bytes],
    head: bytes,
    path: Path,
    source: str,
    key: str | None,
    size: int,
    label: str | None,
) -> tuple[int | None, Iterator[Item]]:
    arrow = need_pyarrow(f"to read {path}")
    count = None
    if head.startswith(b"PAR1"):
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(stream)
        schema = file.schema_arrow
        name = _column_named(schema.names, key, source)
        count = file.metadata.num_rows
        batches = file.iter_batches(
            size, columns=[name, *([label] if label in schema.names else [])]
        )
    elif head.startswith(b"ARROW1"):
        file = arrow.ipc.open_file(stream)
        schema = file.schema
        name = _column_named(schema.names, key, source)
        batches = map(file.get_batch, range(file.num_record_batches))
    else:
        batches = arrow.ipc.open_stream(stream)
        schema = batches.schema
        name = _column_named(schema.names, key, source)

    if label:
        _column_named(schema.names, label, source)

    def items() -> Iterator[Item]:
        index = 0
        for batch in batches:
            labels = batch.column(label).to_pylist() if label else [None] * len(batch)
            for value, of_it in zip(batch.column(name), labels, strict=True):
                try:
                    image = _image(value.as_py())
                except InputError as error:
                    image = error
                yield Item(source, index, image, of_it)
                index += 1

    return count, items()


def _column_named(columns: list[str], key: str | None, source: str) -> str:
    fitting = [key] if key else [name for name in _COLUMNS if name in columns] or columns
    if (not key and len(columns) > 1 and fitting is columns) or fitting[0] not in columns:
        missing = f"no column {key!r}" if key else "no column of images that is called so"
        found = ", ".join(columns) or "nothing"
        raise InputError(f"{source} has {missing}, only {found}: name one of these")
    return fitting[0]


def _image(value: Any) -> bytes | np.ndarray | str:
    """A cell: bytes, base64, `{bytes, path}`, or nested lists of pixels."""
    if isinstance(value, dict) and value.keys() & {"bytes", "path"}:
        if value.get("bytes") is None and value.get("path"):
            return value["path"]
        value = value.get("bytes")
    if isinstance(value, bytes) and value:
        return value
    if isinstance(value, str) and value:
        try:
            return base64.b64decode(value.rpartition("base64,")[2], validate=True)
        except ValueError as error:
            raise InputError(f"the image is not base64: {error}") from error
    if isinstance(value, list):
        try:
            pixels = np.array(value)
        except ValueError as error:
            raise InputError("the rows of pixels are not equally long") from error
        if pixels.size == signature.STEPS * signature.PIXELS:
            pixels = pixels.reshape(signature.STEPS, signature.PIXELS)
        byte = (
            pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() < 256
        )
        return pixels.astype(np.uint8) if byte else pixels
    raise InputError("no image: bytes, base64 or lists of pixels are needed")


def need_pyarrow(purpose: str) -> Any:
    """The module.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(
            f"{purpose}, pyarrow is needed: pip install pyarrow (or scanline[parquet])"
        ) from error
    return pyarrow
