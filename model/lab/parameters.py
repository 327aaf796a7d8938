"""From texts, a command's or a query's, to a panel's arguments: by the type of each."""

import math
from typing import Any, NewType

Whole = NewType("Whole", int)  # from 0 on
Series = tuple[float, ...]
Vectors = tuple[Series, ...]

MOST_STEPS = 200


def number(text: str) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{text.strip()[:40]!r} is not a number")
    if not math.isfinite(value):
        raise ValueError(f"{text.strip()[:40]!r} is not a finite number")
    return value


def count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise ValueError(f"{text.strip()[:40]!r} is not a whole number above 0")
    return int(text)


def whole(text: str) -> Whole:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{text.strip()[:40]!r} is not a whole number from 0 on")
    return Whole(int(text))


def flag(text: str) -> bool:
    values = {"1": True, "true": True, "": True, "0": False, "false": False}
    if text not in values:
        raise ValueError(f"{text[:40]!r} is neither 1 nor 0")
    return values[text]


def series(text: str) -> Series:
    parts = text.split(",")
    if len(parts) > MOST_STEPS:
        raise ValueError(f"{len(parts)} numbers are too many, the most is {MOST_STEPS}")
    return tuple(number(part) for part in parts)


def vectors(text: str) -> Vectors:
    if text.count(",") + text.count(";") >= MOST_STEPS:
        raise ValueError(f"more than {MOST_STEPS} numbers are too many")
    return tuple(series(part) for part in text.split(";"))


PARSERS = {float: number, int: count, bool: flag, Series: series, Vectors: vectors}
PARSERS |= {Whole: whole, Whole | None: lambda text: whole(text) if text else None}


def parse(kind: Any, text: str) -> Any:
    """Read an argument of type `kind`, one of `PARSERS`.

    Raises:
        ValueError: a line that says what is wrong with the text.
    """
    return PARSERS[kind](text)
