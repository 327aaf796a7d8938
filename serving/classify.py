"""Image files to digits: decode, prepare, read. Nothing about HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from model import signature
from model.preprocess import Preprocessed, preprocess
from serving.pictures import PictureError, PictureTooLargeError, open_picture
from serving.predictor import Predictor

NO_INK = "no ink"
BUDGET = 4  # pictures of one request may together have so many times the pixels of one


@dataclass(frozen=True)
class File:
    """An image file as it came; `name` is None where the client gave none."""

    name: str | None
    data: bytes


def classify(
    files: Sequence[File], predictor: Predictor, max_pixels: int
) -> list[dict[str, Any] | PictureError]:
    """Read each file on its own; a bad one has its error in place of a result.

    Args:
        files: what was sent, in order.
        predictor: the network.
        max_pixels: most pixels of one picture; see also `BUDGET`.
    """
    results: list[dict[str, Any] | PictureError] = []
    images, places = [], []
    spent = 0
    for file in files:
        try:
            if spent > BUDGET * max_pixels:
                raise PictureTooLargeError(
                    f"the images before this one have more than {BUDGET * max_pixels} pixels "
                    "together: send fewer or smaller ones in a request"
                )
            picture = open_picture(file.data, max_pixels)
            spent += picture.width * picture.height
            prepared = _prepare(picture)
        except PictureError as error:
            results.append(error)
            continue
        if prepared.has_ink:
            places.append(len(results))
            images.append(prepared.image)
        results.append(_rejected(file.name, NO_INK))
    if images:
        rows = predictor.run(np.stack(images), [signature.PROBABILITIES])[signature.PROBABILITIES]
        for place, probabilities in zip(places, rows, strict=True):
            results[place] = _read(files[place].name, probabilities)
    return results


def _prepare(picture: Image.Image) -> Preprocessed:
    try:
        return preprocess(picture)
    except ValueError as error:
        raise PictureError(f"the image cannot be prepared: {error}") from error


def _read(name: str | None, probabilities: np.ndarray) -> dict[str, Any]:
    digit = int(probabilities.argmax())
    return {
        "file": name,
        "digit": digit,
        "confidence": float(probabilities[digit]),
        signature.PROBABILITIES: probabilities.tolist(),
        "rejected": False,
        "reason": None,
    }


def _rejected(name: str | None, reason: str) -> dict[str, Any]:
    return {
        "file": name,
        "digit": None,
        "confidence": None,
        signature.PROBABILITIES: None,
        "rejected": True,
        "reason": reason,
    }
