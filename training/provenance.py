"""Which commands made a network: its own, and before it those of the networks it grew from."""

import json
from pathlib import Path
from typing import Any

from model import cards
from model.files import write_json
from training.config import several
from training.errors import TrainingError
from training.run_dir import CONFIG


def commands(settings: dict[str, Any], seen: frozenset[Path] = frozenset()) -> list[str]:
    """All commands in the order in which they must run, each one once.

    Args:
        settings: of a run (its ``config.json``), of an average (`note`), or a released
            network's card. A network of which nothing is known adds nothing.
        seen: networks on the way here, so that none is its own ancestor.

    Raises:
        TrainingError: what lies beside an ancestor cannot be read.
    """
    if "commands" in settings:  # a run's or a card's, complete
        return list(settings["commands"])
    training = settings.get("training", {})
    teachers = several(training.get("teacher"))
    parents = [*settings.get("averaged", []), training.get("start"), *teachers]
    result = []
    for parent in (Path(parent).resolve() for parent in parents if parent):
        if parent not in seen:
            result += commands(_settings_of(parent), seen | {parent})
    if settings.get("command"):
        result.append(settings["command"])
    return list(dict.fromkeys(result))


def note(out: Path, averaged: list[Path], command: str) -> None:
    """Write beside the averaged network `out` what it was made of, for `commands`."""
    content = {"averaged": [path.as_posix() for path in averaged], "command": command}
    write_json(_note_path(out), content)


def _note_path(network: Path) -> Path:
    return network.with_suffix(".lineage.json")


def _settings_of(network: Path) -> dict[str, Any]:
    for path in (_note_path(network), network.with_name(CONFIG), cards.card_path(network)):
        if path.is_file():
            try:
                settings = json.loads(path.read_text())
            except (OSError, ValueError) as error:
                raise TrainingError(f"{path} cannot be read: {error}") from error
            if not isinstance(settings, dict):
                raise TrainingError(f"{path} must hold a JSON object")
            return settings
    return {}
