"""How many digits a picture seems to show; a network that reads one would blend them."""

import numpy as np

from model.images.masks import spans_of

# Digits are at least so far apart, as a part of the ink's height; a broken stroke is hardly ever.
_GAP_BESIDE = 0.06
_GAP_BELOW = 0.04
_WHOLE = 0.6  # of the highest part's height: what is as high is a digit, and no stroke of one


def count_digits(ink: np.ndarray) -> int:
    """Digits with a straight gap between them, side by side or below each other; at least 1.

    Measured: 11 of MNIST's 10,000 test digits count as more than one. Of 1,000 pairs of them
    side by side 997 do, and 997 of 1,000 below each other.

    Args:
        ink: (height, width), 0 (page) to 255 (ink), some of it ink, cut out of its page.
    """
    mask = ink >= -(-int(ink.max()) // 4)  # what is fainter joins nothing
    spans = spans_of(mask)
    if all(span[-1] - span[0] < len(span) for span in spans):
        return 1
    columns = _parts(mask.any(axis=0), _GAP_BESIDE * len(mask))
    tall = max(len(mask) / 2, min(len(mask), 2 * mask.shape[1]))  # a column of digits is taller
    rows = _parts(mask.any(axis=1), _GAP_BELOW * tall)
    beside = [np.ptp(np.flatnonzero(mask[:, part].any(axis=1))) + 1 for part in columns]
    below = [len(part) for part in rows]
    return int(max(sum(h >= _WHOLE * max(heights) for h in heights) for heights in (beside, below)))


def _parts(inked: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of what is true, parted where more than `gap` of them in a row are false."""
    places = np.flatnonzero(inked)
    return np.split(places, np.flatnonzero(np.diff(places) > gap + 1) + 1)
