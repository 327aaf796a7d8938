"""Which commands made a network: its own, and before it those of the networks it grew from."""

import json
from pathlib import Path
from typing import Any

from training.folder import CONFIG


def commands(settings: dict[str, Any]) -> list[str]:
    """All commands in the order in which they must run, each one once.

    Args:
        settings: of a run (its ``config.json``), or of an average (`note`). A network that
            was not made here, or whose folder is gone, adds nothing.
    """
    training = settings.get("training", {})
    parents = [*settings.get("averaged", []), training.get("start"), training.get("teacher")]
    result = []
    for parent in filter(None, parents):
        result += commands(_settings_of(Path(parent)))
    if settings.get("command"):
        result.append(settings["command"])
    return list(dict.fromkeys(result))


def note(out: Path, averaged: list[Path], command: str) -> None:
    """Write beside the averaged network `out` what it was made of, for `commands`."""
    content = {"averaged": [path.as_posix() for path in averaged], "command": command}
    out.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n")


def _settings_of(network: Path) -> dict[str, Any]:
    for path in (network.with_suffix(".json"), network.with_name(CONFIG)):
        if path.is_file():
            return json.loads(path.read_text())
    return {}
