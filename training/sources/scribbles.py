"""Drawings that are no digits, made up: scribbles, shapes, letters, dots, several digits.

Our own generators, under the project's licence. Kinds whose drawings could pass for a digit
are not among them (circle, single line, S, Z, ...), and scribbles are made busy enough for the
same reason: spirals have more than two turns, zigzags five legs at least.
"""

from collections.abc import Callable

import numpy as np

from training.sources.render import placed

# Points "x,y" of the unit square, y down; | begins a new stroke.
_FIGURES = {
    "A": "0,1 .5,0 1,1 | .2,.6 .8,.6",
    "E": "1,0 0,0 0,1 1,1 | 0,.5 .8,.5",
    "F": "1,0 0,0 0,1 | 0,.5 .8,.5",
    "H": "0,0 0,1 | 1,0 1,1 | 0,.5 1,.5",
    "K": "0,0 0,1 | .9,0 0,.55 .9,1",
    "M": "0,1 0,0 .5,.6 1,0 1,1",
    "N": "0,1 0,0 1,1 1,0",
    "R": "0,1 0,0 .7,0 .9,.25 .7,.5 0,.5 .9,1",
    "T": "0,0 1,0 | .5,0 .5,1",
    "W": "0,0 .25,1 .5,.4 .75,1 1,0",
    "X": "0,0 1,1 | 1,0 0,1",
    "Y": "0,0 .5,.5 1,0 | .5,.5 .5,1",
    "arrow": "0,.5 1,.5 | .65,.15 1,.5 .65,.85",
    "check mark": "0,.55 .35,1 1,0",
    "envelope": "0,0 1,0 1,.7 0,.7 0,0 .5,.4 1,0",
    "hash": ".3,0 .3,1 | .7,0 .7,1 | 0,.3 1,.3 | 0,.7 1,.7",
    "house": "0,.45 .5,0 1,.45 0,.45 0,1 1,1 1,.45",
    "plus": "0,.5 1,.5 | .5,0 .5,1",
    "square": "0,0 1,0 1,1 0,1 0,0",
    "star": "0,.38 1,.38 .19,1 .5,0 .81,1 0,.38",
    "triangle": "0,1 .5,0 1,1 0,1",
}
_DIGITS = (
    ".5,0 .1,.1 0,.5 .1,.9 .5,1 .9,.9 1,.5 .9,.1 .5,0",
    ".3,.2 .6,0 .6,1",
    "0,.25 .2,0 .8,0 1,.35 .5,.7 0,1 1,1",
    "0,.1 .5,0 1,.2 .8,.45 .4,.5 1,.6 1,.9 .4,1 0,.9",
    ".6,0 0,.6 1,.6 | .75,.3 .75,1",
    "1,0 .1,0 .1,.45 .7,.4 1,.7 .6,1 0,.95",
    ".8,0 .2,.3 0,.8 .5,1 1,.8 .7,.5 .05,.7",
    "0,0 1,0 .4,1",
    ".5,.5 0,.25 .5,0 1,.25 .5,.5 0,.75 .5,1 1,.75 .5,.5",
    "1,.3 .5,.5 0,.25 .5,0 1,.2 .9,.6 .7,1",
)

Strokes = list[np.ndarray]


def figure(text: str) -> Strokes:
    strokes = [stroke.split() for stroke in text.split("|")]
    return [np.array([point.split(",") for point in stroke], float) for stroke in strokes]


def _turns(count: float, points: int = 120) -> np.ndarray:
    return np.linspace(0, 2 * np.pi * count, points)


def _path(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([x, y], axis=1)


def smoothed(stroke: np.ndarray) -> np.ndarray:
    """Corners cut three times (Chaikin 1974); the ends stay."""
    for _ in range(3):
        near, far = stroke[:-1], stroke[1:]
        between = np.stack([0.75 * near + 0.25 * far, 0.25 * near + 0.75 * far], axis=1)
        stroke = np.concatenate([stroke[:1], between.reshape(-1, 2), stroke[-1:]])
    return stroke


def _scribble(rng) -> Strokes:
    corners = rng.uniform(0, 1, (rng.integers(9, 16), 2))
    return [smoothed(corners) if rng.random() < 0.6 else corners]


def _zigzag(rng) -> Strokes:
    ends = rng.integers(6, 11)
    return [_path(np.linspace(0, 1, ends), np.arange(ends) % 2 * rng.uniform(0.3, 1))]


def _spiral(rng) -> Strokes:
    t, spin = _turns(rng.uniform(2.5, 4), 240), rng.choice([-1, 1])
    return [_path(t * np.cos(t), spin * t * np.sin(t))]


def _loops(rng) -> Strokes:
    t = _turns(rng.uniform(2.5, 4.5), 200)
    return [_path(rng.uniform(0.2, 0.5) * t - np.cos(t), np.sin(t) * rng.uniform(1, 3))]


def _hatching(rng) -> Strokes:
    at = np.linspace(0, 1, rng.integers(4, 8))
    return [np.array([[x, 0], [x - 0.3, 1]]) for x in at]


def _dots(rng) -> Strokes:
    return [rng.uniform(0, 1, (1, 2)) for _ in range(rng.integers(1, 8))]


def _wave(rng) -> Strokes:
    t = _turns(rng.uniform(2.5, 4.5))
    return [_path(t, rng.uniform(1, 5) * np.sin(t))]


def _heart(_) -> Strokes:
    t = _turns(1)
    height = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [_path(16 * np.sin(t) ** 3, -height)]


def _smiley(rng) -> Strokes:
    face, smile, width = _turns(1), _turns(0.5, 20), rng.uniform(0.3, 0.6)
    eyes = [np.array([[x, -0.3], [x, -0.15]]) for x in (-0.35, 0.35)]
    mouth = _path(width * np.cos(smile), 0.15 + 0.4 * np.sin(smile))
    return [_path(np.sin(face), np.cos(face)), *eyes, mouth]


def _flower(rng) -> Strokes:
    t = _turns(1, 200)
    reach = 1 + rng.uniform(0.3, 0.6) * np.cos(rng.integers(5, 8) * t)
    return [_path(reach * np.cos(t), reach * np.sin(t))]


def _digit(rng) -> Strokes:
    number = int(rng.integers(0, len(_DIGITS)))
    strokes = figure(_DIGITS[number])
    return strokes if number in (1, 4, 7) else [smoothed(stroke) for stroke in strokes]


def _several_digits(rng) -> Strokes:
    step = rng.uniform(0.8, 1.1)
    return [
        stroke * (0.6, 1) + (place * step, rng.uniform(-0.1, 0.1))
        for place in range(rng.integers(2, 4))
        for stroke in _digit(rng)
    ]


def _scratched_out(rng) -> Strokes:
    (scratch,) = _zigzag(rng)
    return [*_digit(rng), scratch * (1.4, 1) + (-0.2, rng.uniform(0, 0.3))]


_SCRIBBLES = (_scribble, _zigzag, _spiral, _loops, _hatching, _dots, _wave)
_PICTURES = (_heart, _smiley, _flower, _several_digits, _scratched_out)
_KINDS: dict[str, Callable[[np.random.Generator], Strokes]] = {
    kind.__name__[1:].replace("_", " "): kind for kind in _SCRIBBLES + _PICTURES
} | {name: (lambda _, text=text: figure(text)) for name, text in _FIGURES.items()}

# Never trained on: of each sort (scribbles, shapes, letters, digits that are none) some.
HELD_OUT_KINDS = ("spiral", "hatching", "heart", "house", "arrow", "K", "R", "W", "scratched out")
TRAINING_KINDS = tuple(name for name in _KINDS if name not in HELD_OUT_KINDS)


def draw(
    rng: np.random.Generator, count: int, kinds: tuple[str, ...] = TRAINING_KINDS
) -> list[Strokes]:
    """`count` drawings, each of one of `kinds` and by an unsteady hand.

    Returns:
        Lists of strokes, float64 (points, 2) in the unit square, x right and y down.
    """
    picked = rng.integers(0, len(kinds), count)
    return [by_hand(_KINDS[kinds[kind]](rng), rng) for kind in picked]


def by_hand(strokes: Strokes, rng: np.random.Generator) -> Strokes:
    """Turned, sheared, stretched and shaken; half to nearly all of the square wide or high."""
    strokes = [_dense(stroke) for stroke in placed(strokes, 1.0, 0.5, 0.5)]
    angle, shear, stretch = rng.normal(0, (0.15, 0.15, 0.15))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]]) @ [[np.exp(stretch), 0], [shear, 1]]
    bend = rng.normal(0, 0.02, (2, 4, 2))  # two slow waves along the drawing, by x and by y
    phase = rng.uniform(0, 2 * np.pi, (2, 4, 2))
    waves = np.arange(1, 5)[:, None]

    def shaken(stroke: np.ndarray) -> np.ndarray:
        swing = sum(
            (bend[axis] * np.sin(3 * waves * stroke[:, axis, None, None] + phase[axis])).sum(axis=1)
            for axis in (0, 1)
        )
        return (stroke + swing + rng.normal(0, 0.02, 2)) @ linear

    return placed([shaken(stroke) for stroke in strokes], rng.uniform(0.5, 0.9), 0.5, 0.5)


def _dense(stroke: np.ndarray, pace: float = 0.05) -> np.ndarray:
    """The same way in steps of at most `pace`, so that straight lines can bend."""
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.union1d(length, np.arange(0, length[-1], pace))
    return np.stack([np.interp(at, length, stroke[:, axis]) for axis in (0, 1)], axis=1)
