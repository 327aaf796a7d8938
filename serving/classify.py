"""Image files to digits: decode, prepare, read."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from model import signature
from model.images.files import PictureError, PictureTooLargeError, open_picture
from model.prediction import Prediction, Prepared, prepare
from model.predictor import Predictor
from serving.http.forms import File

BUDGET = 4  # pictures of one request may together have so many times the pixels of one


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
    prepared: list[Prepared | PictureError] = []
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
            prepared.append(prepare(picture))
        except PictureError as error:
            # Its traceback would hold the list, and both the pictures, until somebody looks for
            # such garbage.
            prepared.append(error.with_traceback(None))
    decoded(time.perf_counter() - started)
    readable = [each for each in prepared if isinstance(each, Prepared)]
    started = time.perf_counter()
    answers = iter(predictor.predict(readable))
    if inked := sum(each.digits > 0 for each in readable):
        computed(time.perf_counter() - started, inked)
    return [
        each if isinstance(each, PictureError) else result(file.name, next(answers))
        for file, each in zip(files, prepared, strict=True)
    ]


def result(name: str | None, answer: Prediction) -> dict[str, Any]:
    """The answer for the file `name`; a rejected one keeps its best digit for a client to judge."""
    probabilities = answer.probabilities
    return {
        "file": name,
        "digit": answer.digit,
        "confidence": answer.confidence,
        signature.PROBABILITIES: None if probabilities is None else probabilities.tolist(),
        signature.SCORE: answer.score,
        "rejected": answer.verdict.rejected,
        "reason": answer.verdict.reason,
    }
