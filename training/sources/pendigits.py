"""Digits as pen strokes, by 30 writers.

Source: Alpaydin and Alimoglu, "Pen-Based Recognition of Handwritten Digits" (1998), UCI
Machine Learning Repository, https://doi.org/10.24432/C5MG6K (CC BY 4.0), the UNIPEN file
``pendigits-orig.tra``. Each of 30 writers was asked for 250 digits in boxes of 500 x 500
tablet pixels, y up; 7,494 of the 7,500 are in the file. A digit of it::

    .SEGMENT DIGIT    6-7 ? "4"       strokes 6 to 7 of the file are a four
    .COMMENT 4  1  117                digit, writer 1..30, number 1..250 of the writer's
    .PEN_DOWN
     277  306                         x and y of the pen
    .PEN_UP
    .DT 100                           milliseconds until the next stroke

The file does not say what .COMMENT's numbers are. The counts do: the second takes 30 values,
247 to 250 digits each, and the 26 writers with all 250 have the same label at each value of
the third, as everyone was asked for the same digits in turn. (The numbers of the other four
have moved up.)
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import TrainingError

FILE = "pendigits-orig.tra"

_BOX = 500  # side of the tablet's box, pixels
_SEGMENT = re.compile(r'\.SEGMENT DIGIT\s+(\d+)(?:-(\d+))? \? "(\d)"')
_COMPRESSED = b"\x1f\x9d"  # the repository holds the file packed by Unix's compress


@dataclass(frozen=True)
class PenDigit:
    """One digit.

    Attributes:
        strokes: float32 (points, 2) each, x (right) and y (down) in units of the tablet's
            box, in the order in which they were drawn.
        label: 0..9.
        writer: 1..30.
    """

    strokes: list[np.ndarray]
    label: int
    writer: int


def load(path: Path | str) -> list[PenDigit]:
    """All digits in the order of the file; `path` is the file or a folder that holds it.

    Raises:
        TrainingError: no such file, another format, or a file that is cut short.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"no pen digits at {path}: give the path of {FILE}") from error
    if content.startswith(_COMPRESSED):
        raise TrainingError(f"{path} is compressed: unpack it with `gzip -d`, then try again")
    head, *segments = content.decode("ascii", errors="replace").split("\n.SEGMENT")
    if not segments or "\0" in head:
        raise TrainingError(f"{path} has no .SEGMENT line: {FILE} in the UNIPEN format is needed")
    line = 2 + head.count("\n")
    digits = []
    for segment in segments:
        try:
            digits.append(_parsed(".SEGMENT" + segment))
        except ValueError as error:
            raise TrainingError(f"{path}, digit at line {line}: {error}") from error
        line += 1 + segment.count("\n")
    return digits


def split(digits: list[PenDigit], held_out: int = 6) -> tuple[list[PenDigit], list[PenDigit]]:
    """The digits to train on, and those of `held_out` writers who are never trained on.

    Writers are ranked by a hash of their number: who is held out depends neither on the
    file's order nor on a random generator, and a smaller `held_out` gives a part of the same
    writers. Of the published file's, the six are 9, 14, 21, 25, 26 and 27 (1,499 digits).

    Raises:
        TrainingError: `held_out` does not leave a writer on each side.
    """
    writers = sorted({digit.writer for digit in digits}, key=_rank)
    if not 0 < held_out < len(writers):
        raise TrainingError(f"cannot hold {held_out} of {len(writers)} writers out")
    unseen = set(writers[:held_out])
    training = [digit for digit in digits if digit.writer not in unseen]
    return training, [digit for digit in digits if digit.writer in unseen]


def _rank(writer: int) -> str:
    return hashlib.sha256(f"pendigits writer {writer}".encode()).hexdigest()


def _parsed(segment: str) -> PenDigit:
    """One .SEGMENT with all that follows it; ValueError says what is wrong."""
    header, comment, *lines = (*segment.splitlines(), "", "")
    found = _SEGMENT.fullmatch(header)
    if not found:
        raise ValueError(f'{header!r} is not .SEGMENT DIGIT first-last ? "label"')
    first, last, label = found.groups()
    fields = comment.split()
    if len(fields) != 4 or fields[0] != ".COMMENT" or fields[1] != label:
        raise ValueError(f"{comment!r} is not .COMMENT {label} writer number")
    strokes = _strokes(lines)
    count = int(last or first) - int(first) + 1
    if len(strokes) != count:
        raise ValueError(f"{count} strokes announced, {len(strokes)} found: is the file whole?")
    return PenDigit(strokes, int(label), int(fields[2]))


def _strokes(lines: list[str]) -> list[np.ndarray]:
    strokes, points = [], None
    for line in lines:
        if line == ".PEN_DOWN":
            points = []
        elif line == ".PEN_UP":
            if not points:
                raise ValueError(".PEN_UP without points before it")
            strokes.append(_in_unit_square(points))
            points = None
        elif line and not line.startswith("."):
            if points is None:
                raise ValueError(f"{line!r} lies outside .PEN_DOWN and .PEN_UP")
            points.append(line.split())
    if points is not None:
        raise ValueError("no .PEN_UP at the end: is the file whole?")
    return strokes


def _in_unit_square(points: list[list[str]]) -> np.ndarray:
    if any(len(point) != 2 for point in points):
        raise ValueError("a point must be two numbers")
    stroke = np.array(points, dtype=np.int64)
    if stroke.min() < 0 or stroke.max() > _BOX:
        raise ValueError(f"a point lies outside 0..{_BOX}")
    stroke[:, 1] = _BOX - stroke[:, 1]
    return (stroke / _BOX).astype(np.float32)
