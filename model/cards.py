"""The card of a network: where it lies, and how it is read and written."""

import hashlib
import json
from pathlib import Path
from typing import Any

RELEASE = Path(__file__).resolve().parent / "release"  # the networks that come with this code
NAME = "card.json"  # of the one network of a folder


def own_path(network: Path) -> Path:
    """``DIR/X.card.json`` for ``DIR/X.onnx``, ``.keras`` or ``.npz``."""
    return network.with_suffix(f".{NAME}")


def card_path(network: Path) -> Path:
    """The network's own card if it is there, else the folder's ``card.json``, there or not."""
    own = own_path(network)
    return own if own.is_file() else network.with_name(NAME)


def read(path: Path) -> dict[str, Any]:
    """What a card holds; an empty one where there is no such file.

    Raises:
        ValueError: it cannot be read, is not a JSON object, or its hashes are not one.
    """
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:  # not JSON, or not UTF-8
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{path} must hold a JSON object")
    if not isinstance(card.get("sha256", {}), dict):
        raise ValueError(f"{path}: sha256 must be an object of file names and hashes")
    return card


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
