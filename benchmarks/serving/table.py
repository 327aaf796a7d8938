"""Rounds to a table: percentiles of a round, medians and ratios over the rounds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figures:
    """One measurement: right answers a second, and the times of them in ms."""

    rate: float
    p50: float
    p99: float


def figures(seconds: Sequence[float], duration: float) -> Figures:
    """From the time of every right answer.

    Args:
        seconds: of each answer.
        duration: seconds that all of them took.
    """
    if not len(seconds):
        return Figures(0.0, float("nan"), float("nan"))
    p50, p99 = np.percentile(np.asarray(seconds), (50, 99)) * 1000
    return Figures(len(seconds) / duration, float(p50), float(p99))


def median(rounds: Iterable[Figures]) -> Figures:
    """The median of each figure by itself."""
    rounds = list(rounds)
    names = ("rate", "p50", "p99")
    return Figures(*(statistics.median(getattr(one, name) for one in rounds) for name in names))


def ratio(ours: Mapping[int, Figures], theirs: Mapping[int, Figures]) -> float | None:
    """Median over the rounds that both have of how many times their rate ours is."""
    both = [ours[number].rate / theirs[number].rate for number in ours.keys() & theirs.keys()]
    return statistics.median(both) if both else None


def cell(one: Figures) -> str:
    """`7,375 (2.1 / 3.2)`: requests a second, p50 and p99 in ms."""
    return f"{one.rate:,.0f} ({_short(one.p50)} / {_short(one.p99)})"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(line)} |" for line in lines)
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
    )


def _short(milliseconds: float) -> str:
    """Two figures that count, no exponent."""
    digits = 2 if milliseconds < 1 else 1 if milliseconds < 10 else 0
    return f"{milliseconds:.{digits}f}"
