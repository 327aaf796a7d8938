"""All kinds of pictures by name, as their modules fill them in."""

from collections.abc import Callable, Sequence

import numpy as np

Strokes = Sequence[np.ndarray]
Make = Callable[[Strokes, np.random.Generator], bytes]
KINDS: dict[str, Make] = {}
SEVERAL: dict[str, Callable[[Sequence[Strokes], np.random.Generator], bytes]] = {}  # of 3 digits


def kind(make: Make) -> Make:
    """Register a function from a digit's strokes to an image file, under its name."""
    KINDS[make.__name__.strip("_").replace("_", " ")] = make
    return make
