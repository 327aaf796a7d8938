"""How many brought pictures a network reads: ``python -m training.evaluation.pictures``.

The digits are those of the pen writers that training leaves out. What a kind looks like is drawn
anew for each picture; `model.images` was developed on other seeds than the reported one.
"""

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from model.images.files import PictureError, open_picture
from model.prediction import prepare
from model.predictor import Predictor
from training.errors import TrainingError
from training.evaluation import sets
from training.evaluation.pictures import drawings, frames, photos, several, tables  # noqa: F401
from training.evaluation.pictures.kinds import KINDS, SEVERAL
from training.sources.pendigits import PenDigit

COUNT = 20  # pictures of each kind


def outcomes(
    predictor: Predictor, digits: Sequence[PenDigit], seed: int, kinds: Sequence[str] = ()
) -> dict[str, Counter]:
    """Of each kind, how many were ``right`` and ``wrong`` (accepted both) and ``refused``.

    Of several digits in a picture every accepted answer is wrong.

    Args:
        seed: of the digits that are chosen and of their pictures, with the kind's name.
        kinds: all where there is none.
    """
    return {
        name: Counter(_outcome(predictor, *each) for each in pictures(digits, seed, name))
        for name in kinds or [*KINDS, *SEVERAL]
    }


def pictures(
    digits: Sequence[PenDigit], seed: int, name: str
) -> Iterator[tuple[bytes, int | None]]:
    """`COUNT` files of one kind, each with its label; None where there are several digits."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    for chosen in rng.choice(len(digits), (COUNT, 3), replace=len(digits) < 3 * COUNT):
        drawn = [digits[index] for index in chosen]
        if name in KINDS:
            yield KINDS[name](drawn[0].strokes, rng), drawn[0].label
        else:
            yield SEVERAL[name]([digit.strokes for digit in drawn], rng), None


def _outcome(predictor: Predictor, data: bytes, label: int | None) -> str:
    try:
        [answer] = predictor.predict([prepare(open_picture(data, 2_000_000))])
    except PictureError:
        return "refused"
    if answer.verdict.rejected:
        return "refused"
    return "right" if answer.digit == label else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.pictures")
    parser.add_argument("--data", type=Path, required=True, help="folder of pendigits-orig.tra")
    parser.add_argument("--network", type=Path, help="an .onnx file (default: the released one)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", help="only these")
    options = parser.parse_args()
    try:
        digits = sets.pens(options.data)
    except TrainingError as error:
        sys.exit(str(error))
    if digits is None:
        sys.exit(f"no pen digits in {options.data}: give the folder of pendigits-orig.tra")
    predictor = Predictor(options.network) if options.network else Predictor()
    found = outcomes(predictor, digits, options.seed, options.kinds)
    print("| kind | right | wrong | refused |\n|---|---|---|---|")
    for name, counts in found.items():
        cells = " | ".join(str(counts[each]) for each in ("right", "wrong", "refused"))
        print(f"| {name} | {cells} |")
    one = [counts for name, counts in found.items() if name in KINDS]
    total = COUNT * len(one) or 1
    right, wrong = (sum(counts[each] for counts in one) for each in ("right", "wrong"))
    below = sum(counts["right"] < 14 for counts in one)
    print(f"\n{len(one)} kinds: {right / total:.1%} right, {wrong / total:.1%} wrong;", end=" ")
    print(f"{below} below 14")
    refused = [counts["refused"] for name, counts in found.items() if name in SEVERAL]
    if refused:
        print(f"several digits: {sum(refused) / COUNT / len(refused):.1%} refused")


if __name__ == "__main__":
    main()
