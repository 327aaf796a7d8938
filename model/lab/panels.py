"""All panels by name, asked with texts: what the command does, and what a route will do."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.lab.bidirectional import bidirectional
from model.lab.clipping import clipping
from model.lab.parameters import parse
from model.lab.saturation import saturation
from model.lab.scalar_rnn import graph, inputs, paths
from model.lab.truncation import truncation

PANELS: dict[str, Callable[..., dict[str, Any]]] = {
    panel.__name__: panel
    for panel in (graph, paths, inputs, clipping, bidirectional, saturation, truncation)
}


def parameters(panel: str) -> Mapping[str, inspect.Parameter]:
    """What a panel can be asked for: name to type (`annotation`) and default."""
    return inspect.signature(PANELS[panel]).parameters


def answer(panel: str, texts: Mapping[str, str]) -> str:
    """Compute a panel from texts such as ``{"W": "0.9", "x": "0.5,-1"}``; the rest are defaults.

    Returns:
        Strict JSON, one line.

    Raises:
        ValueError: one line that says what is wrong: no such panel or parameter, a text that
            cannot be read, numbers out of range, or a result that is.
    """
    if panel not in PANELS:
        raise ValueError(f"no panel {panel[:40]!r}: it is one of {', '.join(PANELS)}")
    known, arguments = parameters(panel), {}
    for name, text in texts.items():
        if name not in known:
            raise ValueError(f"{panel} has no {name[:40]!r}: it has {', '.join(known)}")
        try:
            arguments[name] = parse(known[name].annotation, text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    with np.errstate(over="ignore", invalid="ignore"):
        found = PANELS[panel](**arguments)
    try:
        return json.dumps(found, allow_nan=False)
    except ValueError:
        raise ValueError("a result is too large for float64: choose smaller numbers") from None
