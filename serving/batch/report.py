"""What a labelled table got wrong: the confusion matrix, and its worst errors as a picture."""

import csv
import gzip
import heapq
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.prediction import Prepared
from model.signature import DIGITS, PIXELS
from serving.batch.formats import Block, Item, need_pyarrow
from serving.batch.table import Reader, name_of

NONE = "none"  # the digit of what shows no ink or cannot be read
_COLUMNS = ("source", "index", "digit", "confidence", "label")
_WORST = 40  # errors in the picture
_MOST_LABELS = 20  # rows of the matrix; what is rarer is left out
_PAPER = 255
_CELL, _MARGIN, _SCALE, _ACROSS = 44, 40, 3, 8


class Report:
    """The right and wrong answers of a finished table with a column ``label``.

    Args:
        table: the file.
        format: one of `table.FORMATS`.

    Attributes:
        counts: how often each (label, digit) is there; `NONE` where there is no digit.
        worst: (confidence, source, index, label, digit) of the surest errors, the surest first.
    """

    def __init__(self, table: Path, format: str):
        self.counts: Counter[tuple[str, str]] = Counter()
        wrong: list[tuple[float, str, int, str, str]] = []
        for source, index, digit, confidence, label in _rows(table, format):
            if label in (None, ""):
                continue
            digit = NONE if digit in (None, "") else str(digit)
            self.counts[label, digit] += 1
            if digit not in (label, NONE):
                error = float(confidence), source, int(index), label, digit
                (heapq.heappush if len(wrong) < _WORST else heapq.heappushpop)(wrong, error)
        self.worst = sorted(wrong, key=lambda error: (-error[0], *error[1:]))

    @property
    def labels(self) -> list[str]:
        """The matrix's rows: the most frequent labels, sorted."""
        sums: Counter[str] = Counter()
        for (label, _), count in self.counts.items():
            sums[label] += count
        return sorted(label for label, _ in sums.most_common(_MOST_LABELS))

    @property
    def matrix(self) -> np.ndarray:
        """Counts, (labels, 11): the digits, then `NONE`."""
        rows = [[self.counts[label, digit] for digit in _HEAD] for label in self.labels]
        return np.array(rows, int).reshape(-1, len(_HEAD))

    def __str__(self) -> str:
        """The matrix as lines of text: a row for each label, a column for each answer."""
        lines = [["label", *_HEAD]]
        lines += [
            [label, *map(str, row)]
            for label, row in zip(self.labels, self.matrix.tolist(), strict=True)
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
            for line in lines
        )

    def picture(self, chunks: Iterable[Block | list[Item]], reader: Reader) -> Image.Image:
        """Matrix and worst errors, drawn.

        Args:
            chunks: the table's images, see `inputs.Inputs.chunks`.
            reader: what read them.
        """
        labels, matrix = self.labels, self.matrix
        images = _find({error[1:3] for error in self.worst}, chunks, reader)
        tile, step = PIXELS * _SCALE, PIXELS * _SCALE + 24
        left = 2 * _MARGIN + _CELL * (len(_HEAD) + 1)
        height = max(_CELL * (len(labels) + 2), step * -(-len(self.worst) // _ACROSS) + _CELL)
        page = Image.new("L", (left + _ACROSS * step + _MARGIN, height + 2 * _MARGIN), _PAPER)
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)

        def write(x: float, y: float, text: str, fill: int = 0) -> None:
            draw.text((x, y), text, fill, font, anchor="mm")

        write(_MARGIN + _CELL * (len(_HEAD) + 1) / 2, _MARGIN / 2, "read as, by label")
        for column, name in enumerate(_HEAD, 1):
            write(_MARGIN + _CELL * (column + 0.5), _MARGIN + _CELL / 2, name)
        for row, (label, counts) in enumerate(zip(labels, matrix.tolist(), strict=True), 1):
            y = _MARGIN + _CELL * row
            write(_MARGIN + _CELL / 2, y + _CELL / 2, label[:6])
            for column, count in enumerate(counts, 1):
                x, share = _MARGIN + _CELL * column, count / sum(counts)
                tone = int(_PAPER * (1 - share**0.5))  # so that few errors show
                draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), tone)
                if count:
                    middle = x + _CELL / 2 - 1, y + _CELL / 2 - 1
                    write(*middle, str(count), _PAPER if tone < _PAPER / 2 else 0)
        write(left + _ACROSS * step / 2, _MARGIN / 2, "the surest errors: label, answer")
        for place, (confidence, source, index, label, digit) in enumerate(self.worst):
            x, y = left + place % _ACROSS * step, _MARGIN + place // _ACROSS * step
            if (source, index) in images:
                rows = _PAPER - images[source, index].astype(np.uint8)
                page.paste(Image.fromarray(rows).resize((tile, tile)), (x, y))
            draw.rectangle((x, y, x + tile, y + tile), outline=160)
            write(x + tile / 2, y + tile + 10, f"{label[:6]}, {digit}: {100 * confidence:.0f} %")
        return page


_HEAD = [*map(str, range(DIGITS)), NONE]


def _rows(table: Path, format: str) -> Iterator[list[Any]]:
    """`_COLUMNS` of each row."""
    if format == "parquet":
        need_pyarrow("to read Parquet")
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(table) as file:
            for batch in file.iter_batches(columns=list(_COLUMNS)):
                for row in batch.to_pylist():
                    yield [row[name] for name in _COLUMNS]
        return
    csv.field_size_limit(sys.maxsize)  # of hidden states
    opener = gzip.open if format.endswith(".gz") else open
    with opener(table, "rt", encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file) if format.startswith("csv") else map(json.loads, file)
        for row in lines:
            yield [row[name] for name in _COLUMNS]


def _find(
    wanted: set[tuple[str, int]], chunks: Iterable[Block | list[Item]], reader: Reader
) -> dict[tuple[str, int], np.ndarray]:
    """What the network got of some images, float32 (28, 28) each."""
    found: dict[tuple[str, int], np.ndarray] = {}
    sources = {source for source, _ in wanted}
    for chunk in chunks:
        if len(found) == len(wanted):
            break
        if isinstance(chunk, Block):
            chunk = chunk.items() if name_of(chunk) in sources else []
        items = {(name_of(item), item.index): item for item in chunk}
        for key in wanted.intersection(items).difference(found):
            [seen] = reader.prepare([items[key]])
            if isinstance(seen, Prepared):
                found[key] = seen.rows
    return found
