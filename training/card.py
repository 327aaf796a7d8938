"""The model card: what a network is, how it came to be and how good it is.

For machines it is JSON (where it lies: `model.cards`), for people Markdown.
"""

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSION = "1"  # of the released network; also the version in the inference protocol


def make(settings: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """Put a run's settings and figures together; `training.release` adds name and hashes."""
    training = settings["training"]
    return {
        "name": training["preset"],
        "version": VERSION,
        "preset": training["preset"],
        "network": settings["network"],
        "parameters": metrics["parameters"],
        "training_data": _training_data(settings),
        "command": settings["command"],
        "commands": settings.get("commands", [settings["command"]]),
        "commit": settings["commit"],
        "date": datetime.now(UTC).date().isoformat(),
        "seed": training["seed"],
        "epochs": training["epochs"],
        "best_epoch": metrics["best_epoch"],
        "wall_time_seconds": metrics["seconds"],
        "device": settings["device"],
        "temperature": metrics["calibration"]["temperature"],
        "thresholds": metrics["calibration"]["thresholds"],
        "validation": metrics["validation"],
        "test": metrics["test"],
        "licence": "Apache-2.0",
    }


def commit() -> str | None:
    """The commit of the code, marked where it had changes; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


# Of the first 50,000 training digits, images and labels: see `training.data.Digits.sha256`.
MNIST_SHA256 = "f81dd639134dd9b50ea9750b269189156d1ca498ca7de9b495e9e36ea76904b8"


def _training_data(settings: dict[str, Any]) -> str:
    training = settings["training"]
    count, digest = settings.get("data_count", 50_000), settings.get("data_sha256", MNIST_SHA256)
    digits = f"{count:,} digits that are not the usual part of MNIST (SHA-256 {digest[:12]})"
    if digest == MNIST_SHA256:
        digits = "MNIST (LeCun, Cortes, Burges), the first 50,000 of its training digits"
    if not training.get("mix"):
        return digits
    fonts = settings.get("fonts", {})
    named = ", ".join(f"{name} {version}" for name, version in sorted(fonts.items()))
    written = f"; digits, letters and signs of {len(fonts)} fonts of npm's @fontsource ({named})"
    return (
        f"{digits}, plain and degraded by own generators; 5,995 pen digits by 24 writers (UCI "
        "Pen-Based Recognition of Handwritten Digits, CC BY 4.0); own strokes of 1, 4, 7 and 9 as "
        "other schools teach them; as non-digits 1,220 characters of Omniglot (Lake et al. 2015, "
        f"MIT), own scribbles and pairs of pen digits that touch{written if fonts else ''}"
    )


def to_index(cards: Sequence[dict[str, Any]]) -> str:
    """One table of all networks in a folder, each with a link to its own card."""
    rows = "\n".join(
        f"| [{card['name']}]({card['name']}.md) | `{card['preset']}` | {card['parameters']:,} | "
        f"{_error(card['test'])} | {card['epochs']} | `{card['command']}` |"
        for card in cards
    )
    return f"""# Released networks

Written by `python -m training.release`, which adds one or replaces it. Of each there are
`NAME.keras`, `NAME.onnx`, `NAME.npz` (the weights as plain arrays), and its card: `NAME.md` and
`NAME.card.json`. App and API offer them all; the default is `scanline`.

| network | preset | parameters | MNIST test error | epochs | command |
|---|---|---|---|---|---|
{rows}
"""


def to_markdown(card: dict[str, Any]) -> str:
    """The model card for people (after Mitchell et al. 2019, Model Cards)."""
    validation, test = card["validation"], card["test"]
    commands = "<br>".join(f"`{command}`" for command in card.get("commands", [card["command"]]))
    kept = "The best epoch was chosen on the validation digits"
    if card["best_epoch"] == card["epochs"]:
        kept = "The last epoch was kept"
    minutes = round(card["wall_time_seconds"] / 60)
    rows = (8, 12, 15, 18, 22, 28)
    belief = test["belief_error_percent_by_row"]
    hashes = "\n".join(f"- `{name}`: `{value}`" for name, value in card["sha256"].items())
    return f"""# Model card: {card["name"]}, version {card["version"]}

Written by `python -m training.release`; the same figures for machines:
`{card["name"]}.card.json`.

{_what(card)}

Inputs, outputs and their units: `model/signature.py`.

| | |
|---|---|
| Network | `{json.dumps(card["network"])}` |
| Training data | {card["training_data"]} |
| Commands, in order | {commands} |
| Commit, date | {card["commit"]}, {card["date"]} |
| Last command's seed, epochs (best) | {card["seed"]}, {card["epochs"]} ({card["best_epoch"]}) |
| Last command's device, wall time | {card["device"]}, {minutes} minute{"s" * (minutes != 1)} |
| Validation error | {_error(validation)} |
| **Test error** | **{_error(test)}** |
| Licence | {card["licence"]} |

What the downward reader has right on the test set, by rows read:

| after row | {" | ".join(str(row) for row in rows)} |
|---{"|---" * len(rows)}|
| % right | {" | ".join(f"{100 - belief[row - 1]:.1f}" for row in rows)} |

{kept}; the test set had no part in any choice.

{_limits(card)}

SHA-256:

{hashes}
"""


def _what(card: dict[str, Any]) -> str:
    way = "from top to bottom"
    if card["network"]["bidirectional"]:
        way += " and from bottom to top"
    told = f"{card['description']}\n\n" if card.get("description") else ""
    return told + (
        f"A `{card['preset']}` network ({card['parameters']:,} parameters) of vanilla recurrent\n"
        f"layers reads the 28 rows of an image {way}, and says\n"
        "which digit 0 to 9 it is."
    )


def _limits(card: dict[str, Any]) -> str:
    """What the network is good for, by what it was trained on."""
    use = (
        "**Use it for** digits drawn or photographed alone, prepared by `model.images.preprocess`."
    )
    doubt = "answers with a digit whatever it is shown"
    if "score" in card["thresholds"]:
        told = f"`{card['name']}.evaluation.json`"
        doubt = f"overlooks some drawings that are no digit (how many: {told})"
    return f"""{use}
Thresholds for rejecting an answer: `{json.dumps(card["thresholds"])}`, chosen on validation
digits; probabilities are calibrated on them too (temperature {card["temperature"]}).

**Do not use it for** anything where a wrong digit does harm: it knows the hands of those who
wrote its training digits, and {doubt}."""


def _error(evaluation: dict[str, Any]) -> str:
    low, high = evaluation["interval_95_percent"]
    wrong, count = evaluation["wrong"], evaluation["count"]
    percent = evaluation["error_percent"]
    return f"{percent:.2f} % ({wrong} of {count:,}; 95 % interval {low:.2f} to {high:.2f} %)"
