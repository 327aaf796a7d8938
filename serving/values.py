"""Texts of the command line and the environment → values.

Each parser raises `argparse.ArgumentTypeError` with what is needed instead.
"""

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path


def text(value: str) -> str:
    """Anything but nothing."""
    if not value.strip():
        raise argparse.ArgumentTypeError("a value is needed, not an empty text")
    return value.strip()


def path(value: str) -> Path:
    """One file or folder."""
    return Path(text(value))


def paths(value: str) -> tuple[Path, ...]:
    """Parse a variable that may name several: with ``:`` between them (Windows: ``;``)."""
    return tuple(path(part) for part in text(value).split(os.pathsep))


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(value: str) -> int:
        # int() alone would take "1_000" and digits of other scripts.
        number = int(value) if value.isascii() and value.strip().isdecimal() else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"a whole number from {least} to {most} is needed, not {value!r}"
            )
        return number

    return parse


def switch(value: str) -> bool:
    """1 or 0, true or false, yes or no, on or off."""
    meanings = {"1": True, "true": True, "yes": True, "on": True}
    meanings |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return meanings[value.strip().lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"1 or 0 is needed, not {value!r}") from None


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """A parser of one of `words`, in any case."""

    def parse(value: str) -> str:
        if value.strip().lower() not in words:
            raise argparse.ArgumentTypeError(f"one of {', '.join(words)} is needed, not {value!r}")
        return value.strip().lower()

    return parse


def origins(value: str) -> tuple[str, ...]:
    """Origins as browsers name them, or ``*``, with commas between them."""
    found = tuple(part.strip().lower() for part in text(value).split(","))
    for origin in found:
        if origin != "*" and not re.fullmatch(r"https?://[^\s/?#@]+", origin):
            raise argparse.ArgumentTypeError(
                f"origins such as https://example.org are needed, with commas, not {origin!r}"
            )
    return found


def proxies(value: str) -> str:
    """Addresses and networks, or ``*``, with commas between them."""
    found = [part.strip() for part in text(value).split(",")]
    for address in found:
        try:
            if found != ["*"]:
                ipaddress.ip_network(address)
        except ValueError as error:
            raise argparse.ArgumentTypeError(
                f"addresses such as 10.0.0.0/8,192.168.1.2 are needed, or *: {error}"
            ) from None
    return ",".join(found)


def keys(value: str) -> tuple[str, ...]:
    """API keys, with commas between them."""
    found = tuple(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[\x21-\x7e]+", key) for key in found):
        # What is wrong with which stays unsaid: it would stand in a log.
        raise argparse.ArgumentTypeError(
            "a key of visible ASCII characters is needed, or several with commas between them"
        )
    return found
