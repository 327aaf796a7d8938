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
from serving.verdict import Thresholds, judge

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
        results.append(result(file.name, None, None, predictor.thresholds))
    if images:
        wanted = (signature.PROBABILITIES, signature.SCORE)
        names = [name for name in predictor.output_names if name in wanted]
        arrays = predictor.run(np.stack(images), names)
        scores = arrays.get(signature.SCORE)
        for index, place in enumerate(places):
            results[place] = result(
                files[place].name,
                arrays[signature.PROBABILITIES][index],
                None if scores is None else float(scores[index, 0]),
                predictor.thresholds,
            )
    return results


def _prepare(picture: Image.Image) -> Preprocessed:
    try:
        return preprocess(picture)
    except ValueError as error:
        raise PictureError(f"the image cannot be prepared: {error}") from error


def result(
    name: str | None,
    probabilities: np.ndarray | None,
    score: float | None,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """The answer for one file; a rejected one keeps its best digit, so that a client may decide.

    Args:
        name: of the file.
        probabilities: (10,), or None where there is no ink.
        score: see `model.signature`; None where the network has none.
        thresholds: see `serving.verdict`.
    """
    verdict = judge(probabilities, score, thresholds)
    has_ink = probabilities is not None
    return {
        "file": name,
        "digit": int(probabilities.argmax()) if has_ink else None,
        "confidence": float(probabilities.max()) if has_ink else None,
        signature.PROBABILITIES: probabilities.tolist() if has_ink else None,
        signature.SCORE: score,
        "rejected": verdict.rejected,
        "reason": verdict.reason,
    }
