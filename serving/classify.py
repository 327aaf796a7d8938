"""Image files to digits: decode, prepare, read. Nothing about HTTP."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from model import signature
from model.images.digit_count import preprocess_counted
from model.images.files import PictureError, PictureTooLargeError, open_picture
from model.images.preprocess import Preprocessed
from model.predictor import Predictor
from model.verdict import Thresholds, judge

BUDGET = 4  # pictures of one request may together have so many times the pixels of one


@dataclass(frozen=True)
class File:
    """An image file as it came; `name` is None where the client gave none."""

    name: str | None
    data: bytes


def classify(
    files: Sequence[File],
    predictor: Predictor,
    max_pixels: int,
    decoded: Callable[[float], None] = lambda _: None,
    computed: Callable[[float, int], None] = lambda *_: None,
) -> list[dict[str, Any] | PictureError]:
    """Read each file on its own; a bad one has its error in place of a result.

    Args:
        files: what was sent, in order.
        predictor: the network.
        max_pixels: most pixels of one picture; see also `BUDGET`.
        decoded: is told the seconds that decoding and preparing took, of all files together.
        computed: is told the seconds and the images of the inference.
    """
    started = time.perf_counter()
    results: list[dict[str, Any] | PictureError] = []
    images, places, counts = [], [], []
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
            prepared, digits = _prepare(picture)
        except PictureError as error:
            # Its traceback would hold `results`, and both the pictures, until somebody looks for
            # such garbage.
            results.append(error.with_traceback(None))
            continue
        if prepared.has_ink:
            places.append(len(results))
            images.append(prepared.image)
            counts.append(digits)
        results.append(result(file.name, None, None, predictor.thresholds))
    decoded(time.perf_counter() - started)
    if images:
        wanted = (signature.PROBABILITIES, signature.SCORE)
        names = [name for name in predictor.output_names if name in wanted]
        started = time.perf_counter()
        arrays = predictor.run(np.stack(images), names)
        computed(time.perf_counter() - started, len(images))
        scores = arrays.get(signature.SCORE)
        for index, place in enumerate(places):
            results[place] = result(
                files[place].name,
                arrays[signature.PROBABILITIES][index],
                None if scores is None else float(scores[index, 0]),
                predictor.thresholds,
                counts[index],
            )
    return results


def _prepare(picture: Image.Image) -> tuple[Preprocessed, int]:
    try:
        return preprocess_counted(picture)
    except ValueError as error:
        raise PictureError(f"the image cannot be prepared: {error}") from error


def result(
    name: str | None,
    probabilities: np.ndarray | None,
    score: float | None,
    thresholds: Thresholds,
    digits: int = 1,
) -> dict[str, Any]:
    """The answer for one file; a rejected one keeps its best digit, so that a client may decide.

    Args:
        name: of the file.
        probabilities: (10,), or None where there is no ink.
        score: see `model.signature`; None where the network has none.
        thresholds: see `model.verdict`.
        digits: how many the picture seems to show.
    """
    verdict = judge(probabilities, score, thresholds, digits)
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
