"""All panels by name, asked with texts: what the command does, and the page's routes."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model.lab import drawing as drawn
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


# The same exercises on a drawing, with the trained networks.
ON_DRAWING: dict[str, Callable[..., dict[str, Any]]] = {
    panel.__name__: panel
    for panel in (drawn.graph, drawn.inputs, drawn.clipping, drawn.saturation, drawn.truncation)
}


class UnknownPanelError(ValueError):
    """No panel has that name; the message lists the names there are."""


def parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a panel can be asked for: name to type (`annotation`) and default."""
    every = inspect.signature(function).parameters
    return {name: of for name, of in every.items() if of.annotation is not drawn.Drawing}


def answer(panel: str, texts: Mapping[str, str], drawing: drawn.Drawing | None = None) -> str:
    """Compute a panel from texts such as ``{"W": "0.9", "x": "0.5,-1"}``; the rest are defaults.

    Args:
        drawing: what to compute it on; None: on the sheet's scalar networks.

    Returns:
        Strict JSON, one line.

    Raises:
        UnknownPanelError: no such panel.
        ValueError: one line that says what is wrong: no such parameter, a text that cannot be
            read, numbers out of range, or a result that is.
    """
    panels = PANELS if drawing is None else ON_DRAWING
    if panel not in panels:
        where = "" if drawing is None else " on a drawing"
        raise UnknownPanelError(f"no panel {panel[:40]!r}{where}: it is one of {', '.join(panels)}")
    known, arguments = parameters(panels[panel]), {}
    for name, text in texts.items():
        if name not in known:
            raise ValueError(f"{panel} has no {name[:40]!r}: it has {', '.join(known)}")
        try:
            arguments[name] = parse(known[name].annotation, text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if drawing is not None:
        arguments["drawing"] = drawing
    with np.errstate(over="ignore", invalid="ignore"):
        found = panels[panel](**arguments)
    try:
        return json.dumps(found, allow_nan=False)
    except ValueError:
        raise ValueError("a result is too large for float64: choose smaller numbers") from None
