"""Writing a file in one move: who reads it, or a full disk, never leaves or sees half of it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PART = ".part"  # ending of a file that is being written


@contextmanager
def atomic(path: Path, ending: str = PART, keep: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; at the end it is renamed to `path`.

    Args:
        path: the file to write or to replace, in a folder that exists.
        ending: of the temporary name, behind the whole name of `path`.
        keep: whether an unfinished file stays there when the block raises.

    Raises:
        OSError: the folder is not writable, or the disk is full.
    """
    part = path.with_name(path.name + ending)
    try:
        yield part
        with part.open("r+b") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except BaseException:
        if not keep:
            part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """As indented text, in one move."""
    with atomic(path) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
