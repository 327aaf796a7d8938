"""Where the table of `serving.batch` goes: a file made of parts, which outlive a kill, or a stream.

A file's parts lie beside it, in a folder with `PARTS` behind its name: a manifest, which says what
is read and how, and numbered files of `CHUNKS` inferences each, every one whole or not there. At
the end they become the table, in one move.
"""

import fcntl
import gzip
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from model import cards
from model.files import atomic, write_json
from serving.batch.formats import need_pyarrow
from serving.batch.storage import filesystem, is_url
from serving.batch.table import Reader, Rows

PARTS = ".parts"
CHUNKS = 16  # inferences in a part
_MANIFEST = "manifest.json"
_GROUP = 2**16  # rows that Parquet keeps together
_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
_NAMED = {"stdin": 0, "stdout": 1, "stderr": 2}


class OutputError(Exception):
    """The table cannot be written; the message says what to do."""


def descriptor_of(output: str) -> int | None:
    """The open file that ``-``, ``/dev/stdout``, ``/dev/fd/63`` and the like mean."""
    if output == "-":
        return 1
    match = _DESCRIPTOR.fullmatch(output)
    return match and int(match[2] or _NAMED[match[1]])


def is_stream(output: str) -> bool:
    """Whether it is written as it comes: standard output, a pipe, a device, but no file."""
    if descriptor_of(output) is not None:
        return True
    path = Path(output)
    return path.exists() and not (path.is_file() or path.is_dir())


@contextmanager
def told(output: str, advice: str = "") -> Iterator[None]:
    """Turn what the system raises on writing into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        name = error.filename or output
        raise OutputError(f"cannot write {name}: {reason}{advice}") from error


def write_stream(output: str, reader: Reader, format: str, pieces: Iterable[Rows]) -> None:
    """Write rows as they come.

    Raises:
        OutputError: the disk is full, nobody reads any more, ....
    """
    number = descriptor_of(output)
    with (
        told(output),
        open(os.dup(number) if number is not None else output, "wb") as file,  # noqa: PTH123, a Path opens no descriptor
    ):
        _write(file, reader, format, (rows.content for rows in pieces))


@contextmanager
def staged(output: str) -> Iterator[str]:
    """The file to write; of a URL, one of this machine that is sent there when it is whole.

    Raises:
        InputError: see `storage.filesystem`.
        OutputError: it cannot be sent.
    """
    if not is_url(output):
        yield output
        return
    system, path = filesystem(output)
    from pyarrow import fs

    with told(output):
        system.get_file_info(path)  # what is wrong with keys or network shows before the work
    whole = Path(tempfile.mkdtemp(), Path(path).name)
    try:
        yield str(whole)
        with told(output, f"; the table is in {whole}"):
            fs.copy_files(str(whole), path, fs.LocalFileSystem(), system)
            whole.unlink()
    finally:
        if not whole.exists():
            shutil.rmtree(whole.parent)


class Parts:
    """A table file in the making.

    Args:
        output: the file; where it is a link, what that leads to.
        manifest: what the table depends on, in words: a change of any of them, and the parts are
            of another table. Without "the input", the parts serve nobody later.
        resume: go on with the parts that are there.

    Attributes:
        done: the counts of `Rows` in each part that is there.

    Raises:
        OutputError: it cannot be written, another run writes it, or the parts are of another table.
    """

    def __init__(self, output: Path, manifest: dict[str, Any], resume: bool):
        try:
            self._output = output.resolve()
        except RuntimeError as error:  # Python 3.11 and 3.12
            raise OutputError(f"cannot write {output}: a circle of links") from error
        self.folder = self._output.with_name(self._output.name + PARTS)
        self._old = self._check()
        with told(str(output)):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY)
            self._files: list[Path] = []
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._compare(manifest, resume)
                self._files = self._whole_files()
                write_json(self.folder / _MANIFEST, manifest)
            except BlockingIOError as error:
                os.close(self._lock)
                raise OutputError(f"another run is writing {output}: wait for it") from error
            except BaseException:
                os.close(self._lock)
                raise
        self.done = [tuple(map(int, file.name.split("-")[1:])) for file in self._files]

    def write(self, reader: Reader, format: str, pieces: Iterable[Rows]) -> None:
        """Write what is missing, put all together, and take the parts away.

        Args:
            pieces: from the chunk ``CHUNKS * len(done)`` on.

        Raises:
            OutputError: see `told`.
        """
        advice = "; make room, then go on with --resume"
        with told(str(self._output), advice):
            waiting: list[Rows] = []
            for rows in pieces:
                waiting.append(rows)
                if len(waiting) == CHUNKS:
                    self._write_part(reader, waiting)
                    waiting = []
            if waiting:
                self._write_part(reader, waiting)
            with atomic(self._output) as whole:
                whole.unlink(missing_ok=True)
                if self._old:
                    whole.touch(mode=0o600)
                    if (self._old.st_uid, self._old.st_gid) != (os.geteuid(), os.getegid()):
                        os.chown(whole, self._old.st_uid, self._old.st_gid)
                    whole.chmod(stat.S_IMODE(self._old.st_mode))
                with whole.open("wb") as file:
                    _write(file, reader, format, self._contents(format))
            while self._files:  # a kill leaves what can go on
                self._files.pop().unlink()

    def close(self) -> None:
        """Let another run have it; parts that were not put together stay for `resume`."""
        if not self._files:
            with suppress(OSError):
                self._forget()
                self.folder.rmdir()
        os.close(self._lock)

    def _check(self) -> os.stat_result | None:
        """The table that is there already, if it may be replaced."""
        if self._output.is_dir():
            raise OutputError(f"cannot write {self._output}: it is a folder, name a file")
        if not self._output.exists():
            return None
        old = self._output.stat()
        if not (old.st_mode & 0o222 and os.access(self._output, os.W_OK)):
            raise OutputError(f"cannot write {self._output}: it is read-only, name another file")
        if os.geteuid() not in (0, old.st_uid):
            raise OutputError(f"cannot write {self._output}: it is another user's, name another")
        return old

    def _compare(self, manifest: dict[str, Any], resume: bool) -> None:
        try:
            found = cards.read(self.folder / _MANIFEST)
        except ValueError as error:
            raise OutputError(f"{error}: delete {self.folder} to start anew") from error
        changed = [name for name in manifest if found.get(name) != manifest[name]]
        if found.get("the input") is None or not next(self.folder.glob("[0-9]*-*"), None):
            self._forget()
        elif not resume:
            raise OutputError(
                f"{self.folder} holds what a run that did not end has read: go on with --resume, "
                "or delete it to start anew"
            )
        elif changed:
            raise OutputError(
                f"cannot --resume: {' and '.join(changed)} changed since the run that wrote "
                f"{self.folder}: take the same, or delete it to start anew"
            )

    def _forget(self) -> None:
        for file in self.folder.iterdir():
            if re.fullmatch(rf"\d{{8}}(-\d+){{5}}(\.part)?|{_MANIFEST}(\.part)?", file.name):
                file.unlink()

    def _whole_files(self) -> list[Path]:
        """Parts without a gap; what lies behind one, or is not whole, goes."""
        found = sorted(self.folder.glob("[0-9]*-*"))
        whole = []
        for file in found:
            if re.fullmatch(rf"{len(whole):08d}(-\d+){{5}}", file.name):
                whole.append(file)
            else:
                file.unlink()
        return whole

    def _write_part(self, reader: Reader, pieces: list[Rows]) -> None:
        counts = (sum(rows[i] for rows in pieces) for i in range(1, 6))
        name = "-".join([f"{len(self._files):08d}", *map(str, counts)])
        with atomic(self.folder / name) as part:
            if isinstance(pieces[0].content, bytes):
                part.write_bytes(b"".join(rows.content for rows in pieces))
            else:
                arrow = need_pyarrow("to write Parquet")
                with arrow.ipc.new_stream(os.fspath(part), reader.schema()) as stream:
                    for rows in pieces:
                        stream.write_batch(rows.content)
        self._files.append(self.folder / name)

    def _contents(self, format: str) -> Iterator[Any]:
        for file in self._files:
            if format != "parquet":
                yield file.read_bytes()
                continue
            with need_pyarrow("to write Parquet").ipc.open_stream(file.read_bytes()) as stream:
                yield from stream


def _write(file: IO[bytes], reader: Reader, format: str, contents: Iterable[Any]) -> None:
    """A whole table."""
    if format == "parquet":
        _write_parquet(file, reader, contents)
        return
    # Without name and time, the same table has the same bytes.
    out = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if format.endswith(".gz") else file
    try:
        out.write(reader.head())
        for lines in contents:
            out.write(lines)
            out.flush()  # who reads a pipe need not wait
    finally:
        if out is not file:
            out.close()


def _write_parquet(file: IO[bytes], reader: Reader, contents: Iterable[Any]) -> None:
    arrow = need_pyarrow("to write Parquet")
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(file, reader.schema()) as writer:
        waiting: list[Any] = []

        def flush() -> None:
            writer.write_table(arrow.Table.from_batches(waiting, reader.schema()), _GROUP)
            waiting.clear()

        for batch in contents:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _GROUP:
                flush()
        if waiting:
            flush()
