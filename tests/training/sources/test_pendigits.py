"""Reading pen strokes in the published format, and every way in which a file can be wrong."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from training.errors import TrainingError
from training.sources import pendigits

HEAD = '.INCLUDE        dene.doc\n\n.LEXICON "0" "1"\n.HIERARCHY      DIGIT\n'
FOUR = """
.SEGMENT DIGIT    0-1 ? "4"
.COMMENT 4  1  117
.PEN_DOWN
 100  500
 100  250
.PEN_UP
.DT 100
.PEN_DOWN
   0    0
.PEN_UP
.DT 100
"""
ONE = """
.SEGMENT DIGIT    2 ? "1"
.COMMENT 1 30    2
.PEN_DOWN
 250  300
 250  200
.PEN_UP
.DT 100
"""
REAL = Path(os.environ.get("SCANLINE_DATA", "")) / pendigits.FILE
needs_file = pytest.mark.skipif(
    not REAL.is_file(), reason=f"SCANLINE_DATA names no folder with {pendigits.FILE}"
)


def save(folder: Path, text: str) -> Path:
    path = folder / pendigits.FILE
    path.write_text(text)
    return path


def test_strokes_labels_and_writers(tmp_path):
    path = save(tmp_path, HEAD + FOUR + ONE)
    four, one = pendigits.load(path)
    assert (four.label, four.writer, one.label, one.writer) == (4, 1, 1, 30)
    np.testing.assert_allclose(four.strokes[0], [[0.2, 0.0], [0.2, 0.5]])  # y down
    np.testing.assert_allclose(four.strokes[1], [[0.0, 1.0]])
    assert four.strokes[0].dtype == np.float32
    assert len(pendigits.load(tmp_path)) == 2  # the folder does as well


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no .SEGMENT line"),
        (" 47,100, 27, 81, 57, 37, 26,  0, 0\n", "no .SEGMENT line"),  # pendigits.tra
        (HEAD + FOUR.replace("0-1", "0-2"), "line 6: 3 strokes announced, 2 found"),
        (HEAD + FOUR + ONE.split(".PEN_UP")[0], "line 18: no .PEN_UP at the end"),
        (HEAD + FOUR + ONE.split(".PEN_DOWN")[0], "line 18: 1 strokes announced, 0 found"),
        (HEAD + FOUR.replace('"4"', '"x"'), r"is not \.SEGMENT DIGIT"),
        (HEAD + FOUR.replace(".COMMENT 4", ".COMMENT 5"), r"is not \.COMMENT 4 writer"),
        (HEAD + FOUR.replace("4  1  117", "4  a  117"), "invalid literal"),
        (HEAD + FOUR.replace(" 100  500", " 100  501"), r"outside 0\.\.500"),
        (HEAD + FOUR.replace(" 100  500", " 100"), "two numbers"),
        (HEAD + FOUR.replace(" 100  500", " 100  5x0"), "5x0"),
        (HEAD + FOUR.replace(" 100  500\n 100  250\n", ""), "PEN_UP without points"),
        (HEAD + FOUR + " 1 2\n", "outside .PEN_DOWN and .PEN_UP"),
    ],
)
def test_wrong_files_are_named_in_one_line(tmp_path, text, message):
    with pytest.raises(TrainingError, match=message) as raised:
        pendigits.load(save(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_missing_and_compressed_files(tmp_path):
    with pytest.raises(TrainingError, match="give the path of"):
        pendigits.load(tmp_path)
    (tmp_path / pendigits.FILE).write_bytes(b"\x1f\x9d\x90.IN")
    with pytest.raises(TrainingError, match="gzip -d"):
        pendigits.load(tmp_path)


def by_writers(numbers) -> list[pendigits.PenDigit]:
    return [pendigits.PenDigit([np.zeros((1, 2), np.float32)], 0, writer) for writer in numbers]


def test_the_same_writers_are_held_out_in_any_order():
    digits = by_writers([*range(1, 31)] * 2)
    training, unseen = pendigits.split(digits)
    assert {d.writer for d in unseen} == {9, 14, 21, 25, 26, 27}
    assert len(training) == 48
    assert not {d.writer for d in training} & {d.writer for d in unseen}
    fewer = {d.writer for d in pendigits.split(digits[::-1], held_out=3)[1]}
    assert len(fewer) == 3
    assert fewer < {9, 14, 21, 25, 26, 27}


@pytest.mark.parametrize("held_out", [0, 2])
def test_both_sides_need_a_writer(held_out):
    with pytest.raises(TrainingError, match="of 2 writers"):
        pendigits.split(by_writers([1, 2]), held_out)


@needs_file
def test_the_published_file():
    digits = pendigits.load(REAL)
    assert len(digits) == 7494
    writers = Counter(digit.writer for digit in digits)
    assert sorted(writers) == list(range(1, 31))
    assert {247, 249, 250} == set(writers.values())
    labels = Counter(digit.label for digit in digits)  # as in pendigits.names
    assert [labels[d] for d in range(10)] == [780, 779, 780, 719, 780, 720, 720, 778, 719, 719]
    assert len(pendigits.split(digits)[1]) == 1499
