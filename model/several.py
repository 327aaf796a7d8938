"""How many digits a picture seems to show; a network that reads one would blend them."""

import numpy as np

# Parts of the ink's height. Digits are at least so far apart, a broken stroke hardly ever is.
_GAP = 0.06
# A part of that height is a digit and no stroke of one: among those side by side, and among
# those below each other.
_BESIDE = 0.6
_BELOW = 0.3


def count_digits(ink: np.ndarray) -> int:
    """Digits with a straight gap between them, side by side or below each other; at least 1.

    Measured: 7 of MNIST's 10,000 test digits count as more than one. Of 1,000 pairs of them
    side by side 993 do, of 1,000 below each other 893: the others touch, or nearly.

    Args:
        ink: (height, width), 0 (page) to 255 (ink), some of it ink, cut out of its page.
    """
    mask = ink >= ink.max() / 4  # what is fainter joins nothing
    gap = _GAP * len(mask)
    beside = [mask[:, part].any(axis=1).nonzero()[0] for part in _parts(mask.any(axis=0), gap)]
    below = _parts(mask.any(axis=1), gap)
    return max(
        1,
        sum(np.ptp(rows) >= _BESIDE * len(mask) for rows in beside),
        sum(len(rows) >= _BELOW * len(mask) for rows in below),
    )


def _parts(inked: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of what is true, parted where more than `gap` of them in a row are false."""
    places = np.flatnonzero(inked)
    return np.split(places, np.flatnonzero(np.diff(places) > gap + 1) + 1)
