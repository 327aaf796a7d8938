"""Where the table goes: into a file in one move, in a way that can be resumed, or down a stream."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from model.files import PART, atomic, write_json

STREAM = "-"  # standard output
_REDIRECTED = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
_EVERY = 50  # pieces between two notes of how far the table is


class OutputError(Exception):
    """The table cannot be written or gone on with; the message says what to do."""


class Done(NamedTuple):
    """How much of a table is safely on the disk."""

    images: int = 0
    rejected: int = 0
    errors: int = 0
    pieces: int = 0
    size: int = 0  # bytes


class Table:
    """A table being written: bytes in, in the input's order.

    Attributes:
        done: how much of it was there already, for the input to skip.
    """

    def __init__(self, file: BinaryIO, done: Done, note: Callable[[Done], None]):
        self._file, self._note = file, note
        self.done = self._now = done

    def write(self, content: bytes, images: int, rejected: int, errors: int) -> Done:
        """Add a piece; what is written then."""
        self._file.write(content)
        self._now = Done(
            self._now.images + images,
            self._now.rejected + rejected,
            self._now.errors + errors,
            self._now.pieces + 1,
            self._now.size + len(content),
        )
        if self._now.pieces % _EVERY == 0:
            self._note(self._now)
        return self._now


def check(output: Path) -> None:
    """Refuse early what could not be written at the end.

    Raises:
        OutputError: a folder, a file that is read-only, or a folder that is not there.
    """
    if is_stream(output):
        return
    target = Path(os.path.realpath(output))
    if target.is_dir():
        raise OutputError(f"cannot write {output}: it is a folder, name a file")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {output}: there is no folder {target.parent}")
    if target.exists():
        # For root, os.access allows everything.
        if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):
            raise OutputError(f"cannot write {output}: it is read-only, name another file")
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {output}: the folder {target.parent} is read-only")


def is_stream(output: Path) -> bool:
    """Standard output, a pipe, a device: what is written as it comes, and never replaced."""
    # What a shell has redirected may be a regular file, but is the shell's.
    if str(output) == STREAM or str(output.absolute()).startswith(_REDIRECTED):
        return True
    try:
        mode = output.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def open_table(output: Path, run: dict[str, Any], resume: bool) -> Iterator[Table]:
    """Open the table for writing; a file appears under its name only when it is whole.

    Until then it is in ``FILE.part``, and ``FILE.resume`` tells how far it has come, of which
    run. A link's target is written; a file that is replaced leaves mode and owner to the new one.

    Args:
        output: a file, a stream (`is_stream`), or a link to one.
        run: what the table depends on (input, network, options): another run cannot resume it.
        resume: go on with what is there.

    Raises:
        OutputError: there is nothing to resume, or of another run.
        OSError: not writable, or the disk is full.
    """
    if is_stream(output):
        if resume:
            raise OutputError(f"--resume needs a file: {output} cannot be gone on with")
        with _stream(output) as file:
            yield Table(file, Done(), lambda _: None)
            file.flush()
        return
    target = Path(os.path.realpath(output))
    part, told = (target.with_name(target.name + ending) for ending in (PART, ".resume"))
    # Nothing there to go on with: stopped before it began, or never.
    is_begun = resume and told.exists() and part.exists()
    done = _read(told, part, run) if is_begun else Done()
    with atomic(target, keep=True) as part:
        with part.open("r+b" if is_begun else "wb") as file:
            if is_begun:
                file.truncate(done.size)
                file.seek(done.size)

            def note(now: Done) -> None:
                if now.size:
                    file.flush()
                    os.fsync(file.fileno())
                write_json(told, {"run": run, "done": now._asdict()})

            if not is_begun:
                note(done)
            yield Table(file, done, note)
        with suppress(FileNotFoundError):
            before = target.stat()
            shutil.copymode(target, part)
            if (before.st_uid, before.st_gid) != (part.stat().st_uid, part.stat().st_gid):
                os.chown(part, before.st_uid, before.st_gid)
    told.unlink(missing_ok=True)


@contextmanager
def _stream(output: Path) -> Iterator[BinaryIO]:
    if str(output) == STREAM:
        yield sys.stdout.buffer
    else:
        with output.open("wb") as file:
            yield file


def _read(told: Path, part: Path, run: dict[str, Any]) -> Done:
    """How far the table has come.

    Raises:
        OutputError: see `open_table`.
    """
    try:
        content = json.loads(told.read_text())
        before, done = content["run"], Done(**content["done"])
        if part.stat().st_size < done.size:
            raise ValueError("the table is shorter than it was")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{told} is damaged ({error}): start anew without --resume") from error
    changed = [name for name, value in run.items() if before.get(name) != value]
    if changed:
        raise OutputError(
            f"the {' and the '.join(changed)} changed since that run: start anew without --resume"
        )
    return done
