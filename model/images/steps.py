"""What a picture is on its way into MNIST's convention, for those who want to watch."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from PIL import Image


class Stage(StrEnum):
    """In the order in which `model.images.preprocess` records them."""

    PICTURE = "picture"  # upright, scaled down
    CLOSER = "closer"  # the part that is read, where it is not the whole: the ink is small, a frame
    GREY = "grey"
    INK = "ink"  # of a drawing, from here on 0 (page) to 255 (ink)
    CLEANED = "cleaned"  # the same of a photo: light, shadows, noise and dust are gone
    CROPPED = "cropped"  # the ink's box
    BOX = "box"  # its square in 20 x 20 pixels
    CENTRED = "centred"  # 28 x 28


# Gets a Pillow image (PICTURE, CLOSER) or an array (height, width), 0..255, to look at only.
Recorder = Callable[[Stage, Image.Image | np.ndarray], None]


def forget(_stage: Stage, _picture: Image.Image | np.ndarray) -> None:
    """Record nothing."""
