"""Digits as other schools teach them: our own strokes for forms that MNIST's writers hardly use.

A German 1 has a flag that may be longer than half its stem, a 7 a bar through it, a 4 is open at
its top or drawn in one stroke, an Italian 9 ends in a curl. Each form has twelve skeletons; the
last four are never trained on.
"""

from dataclasses import dataclass

import numpy as np

from training.sources.scribbles import by_hand, figure, smoothed

HELD_OUT = 4  # skeletons of each form, its last
MOVED = 0.05  # standard deviation of a corner's shift, of the skeleton's square

# (digit, whether its corners are round, skeletons as in `scribbles`)
FORMS = {
    "flagged 1": (
        1,
        False,
        (
            "0,.45 .45,0 .45,1",
            "0,.6 .55,0 .5,1",
            "0,.35 .4,0 .4,1",
            "0,.52 .28,.28 .5,0 .5,1",
            "0,.55 .6,0 .45,1",
            "0,.4 .5,0 .5,1 | .15,1 .85,1",
            "0,.7 .6,0 .55,1",
            "0,.5 .5,0 .65,1",
            "0,.3 .25,.2 .5,0 .48,.5 .5,1",
            ".05,.65 .65,0 .6,1",
            "0,.45 .3,.22 .55,0 .5,.5 .4,1",
            "0,.38 .42,0 .42,1 | .1,1 .75,1",
        ),
    ),
    "crossed 7": (
        7,
        False,
        (
            "0,0 .8,0 .35,1 | .25,.5 .75,.5",
            "0,.05 .9,0 .4,1 | .2,.55 .8,.5",
            "0,.15 0,0 .9,0 .4,1 | .25,.5 .85,.5",
            "0,.1 .2,0 .5,.1 .9,0 .5,.5 .3,1 | .2,.55 .75,.48",
            "0,0 .9,.05 .6,.4 .5,1 | .3,.5 .85,.5",
            ".05,0 .85,0 .7,.3 .55,.6 .5,1 | .3,.45 .9,.6",
            "0,0 1,0 .2,1 | .15,.45 .85,.45",
            "0,.12 .1,0 .9,0 .55,.45 .45,1 | .3,.42 .8,.38",
            "0,0 .8,0 .6,1 | .4,.5 .95,.5",
            "0,.05 .3,.12 .6,.1 .85,0 .5,.5 .35,1 | .15,.6 .7,.6",
            "0,0 .75,0 .3,1 | 0,.6 .7,.45",
            "0,.2 .05,0 .95,0 .35,1 | .2,.5 .9,.55",
        ),
    ),
    "open 4": (
        4,
        False,
        (
            "0,0 0,.55 .8,.55 | .65,.1 .65,1",
            ".2,0 0,.6 .9,.55 | .6,.2 .55,1",
            "0,0 .05,.45 .3,.58 .75,.5 | .8,0 .7,1",
            "0,0 0,.45 .3,.55 .7,.45 .75,0 .7,.5 .7,1",
            ".15,0 0,.5 .7,.5 .7,.05 .7,1",
            ".3,0 .05,.55 .95,.55 | .7,.3 .55,1",
            "0,.05 .1,.45 .5,.5 .8,.4 | .85,0 .75,.5 .7,1",
            "0,.1 0,.6 1,.6 | .75,0 .75,1",
            ".1,0 .05,.5 .4,.55 .9,.5 | .8,.15 .6,1",
            "0,0 0,.4 .15,.5 .7,.5 | .7,0 .7,1",
            ".25,0 0,.45 .1,.55 .85,.5 | .65,.05 .5,1",
            ".1,0 0,.4 .2,.52 .65,.45 .8,.02 .7,.45 .6,1",
        ),
    ),
    "curled 9": (
        9,
        True,
        (
            ".8,.2 .5,0 .1,.1 .05,.4 .4,.5 .8,.25 .85,.7 .6,1 .1,.95",
            ".85,.15 .45,0 0,.2 .1,.5 .6,.5 .85,.1 .85,.8 .5,1 .1,1 0,.85",
            ".7,.1 .3,0 0,.2 .15,.45 .6,.4 .75,.05 .8,.6 .7,.9 .4,1 .2,.9",
            ".9,.2 .6,0 .2,.05 .1,.35 .5,.5 .85,.3 .9,.65 .5,.95 0,1",
            ".8,.25 .6,0 .15,.05 0,.35 .35,.55 .75,.35 .8,.2 .8,.75 .45,1 .05,.9 .1,.75",
            ".75,.15 .4,0 0,.15 .05,.45 .55,.5 .75,.15 .7,.7 .4,.95 0,.95",
            ".9,.1 .5,0 .1,.2 .2,.5 .7,.4 .9,.1 .95,.6 .75,.95 .35,1 .15,.85",
            ".8,.3 .7,.05 .3,0 .05,.25 .25,.5 .65,.45 .85,.2 .8,.7 .55,1 .2,1 .05,.9",
            ".7,.2 .5,0 .1,.05 0,.4 .4,.5 .7,.2 .75,.75 .5,1 .1,.9",
            ".85,.2 .45,0 .05,.15 .1,.45 .55,.5 .85,.15 .9,.7 .55,1 0,.95 .05,.8",
            ".8,.1 .35,0 0,.3 .3,.5 .75,.35 .8,.05 .75,.6 .45,.9 .05,.95",
            ".9,.25 .65,0 .2,0 .05,.3 .3,.55 .8,.4 .9,.2 .85,.8 .6,1 .25,.95",
        ),
    ),
}


@dataclass(frozen=True)
class Letterform:
    """One digit: strokes (points, 2) in the unit square, its label and its form's name."""

    strokes: list[np.ndarray]
    label: int
    form: str


def draw(rng: np.random.Generator, count: int, held_out: bool = False) -> list[Letterform]:
    """`count` digits of each skeleton, each by an unsteady hand.

    For training the corners of a skeleton move, too, so that there are more forms than skeletons.

    Args:
        rng: of slant, proportion and jitter.
        count: of each skeleton.
        held_out: of the skeletons never trained on, not of the others.
    """
    drawn = []
    for form, (label, is_round, skeletons) in FORMS.items():
        for text in skeletons[-HELD_OUT:] if held_out else skeletons[:-HELD_OUT]:
            for _ in range(count):
                strokes = figure(text)
                if not held_out:
                    strokes = [stroke + rng.normal(0, MOVED, stroke.shape) for stroke in strokes]
                strokes = [smoothed(stroke) if is_round else stroke for stroke in strokes]
                drawn.append(Letterform(by_hand(strokes, rng), label, form))
    return drawn
