"""Names, shapes and units of everything that goes into a network and comes out of it.

The only file that `model`, `training` and `serving` all share, so it imports nothing
but the standard library. Written out anywhere else, one of these names is a defect
(``tests/test_signature.py`` looks for them).

Every network of this project, whatever its preset and file format, has

===================== ==================== ==========================================
name                  shape, float32       meaning
===================== ==================== ==========================================
``images``            (batch, 28, 28)      input: pixels 0..255, white ink on black
``probabilities``     (batch, 10)          the answer; sums to 1
``score``             (batch, 1)           how sure it is that this is no digit at all,
                                           0..1; only networks trained for it have it
``step_probabilities`` (batch, 28, 10)     what the downward reader believes after
                                           rows 1..t; each row sums to 1
``hidden_forward_l``  (batch, 28, units)   states of layer l's downward reader
``hidden_backward_l`` (batch, 28, units)   states of layer l's upward reader, if any
===================== ==================== ==========================================

Both kinds of states are indexed by the row at which the reader stands: index t of
``hidden_backward_l`` has read rows 28 down to t + 1. Only ``hidden_forward_1`` is
causal in a bidirectional network: the readers above the first layer have seen the
whole image through the upward reader below them.
"""

STEPS = 28  # one step reads one row, top to bottom
PIXELS = 28  # pixels in a row
DIGITS = 10
WHITE = 255.0  # full ink; 0 is the page

IMAGES = "images"
PROBABILITIES = "probabilities"
STEP_PROBABILITIES = "step_probabilities"
SCORE = "score"

_FORWARD = "hidden_forward_"
_BACKWARD = "hidden_backward_"


def hidden_forward(layer: int) -> str:
    """Name of the states of layer `layer`'s downward reader; layers count from 1."""
    return f"{_FORWARD}{layer}"


def hidden_backward(layer: int) -> str:
    """Name of the states of layer `layer`'s upward reader; layers count from 1."""
    return f"{_BACKWARD}{layer}"


def layer_of(name: str) -> tuple[str, int] | None:
    """Take a state's name apart: ``hidden_backward_2`` is ``("backward", 2)``.

    Returns None for a name that is not a hidden state's.
    """
    for direction, prefix in (("forward", _FORWARD), ("backward", _BACKWARD)):
        number = name.removeprefix(prefix)
        if number != name and number.isdecimal():
            return direction, int(number)
    return None


def output_names(layers: int, bidirectional: bool, score: bool = False) -> list[str]:
    """All outputs of a network in their fixed order: answer, belief, score, states by layer."""
    names = [PROBABILITIES, STEP_PROBABILITIES] + [SCORE] * score
    for layer in range(1, layers + 1):
        names.append(hidden_forward(layer))
        if bidirectional:
            names.append(hidden_backward(layer))
    return names
