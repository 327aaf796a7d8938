"""The page's way in for photos: ``POST /live/picture`` prepares a picture and shows how.

The body is an image file. The answer is JSON::

    {"inverted":  whether dark ink on a light page was turned round,
     "rows":      [[0..255 x 28] x 28], to be sent to `serving.page.stream` in place of strokes,
     "stages":    [{"name": one of model.images.steps.Stage, "image": a small PNG as a data: URL}]}

Nothing is stored. What cannot be read is told in {"error"}, as everywhere.
"""

import asyncio
import base64
import io
from concurrent.futures import Executor
from functools import partial

import numpy as np
from fastapi import FastAPI, Request, Response
from PIL import Image

from model.images.files import FORMATS, PictureError, open_picture
from model.prediction import prepare
from model.predictor import Predictor
from serving.http.errors import json_answer

PATH = "/live/picture"
_SIDE = 160  # longest side of a stage's picture, in pixels


def prepared_picture(data: bytes, max_pixels: int, predictor: Predictor) -> dict:
    """What the route answers for an image file; of several ways to see it, `predictor` chooses.

    Raises:
        PictureError: see `open_picture`; no ink, or more than one digit.
    """
    seen = prepare(open_picture(data, max_pixels))
    [answer] = predictor.predict([seen])
    seen = answer.prepared or seen
    if not seen.digits:
        raise PictureError("no ink is found: write the digit large and dark on plain paper")
    if seen.digits > 1:
        raise PictureError(
            f"{seen.digits} digits seem to be in it: cut the picture down to one, as the network "
            "reads one at a time"
        )
    return {
        "inverted": seen.inverted,
        "rows": seen.rows.astype(int).tolist(),
        "stages": [
            {"name": stage, "image": _small_png(picture)} for stage, picture in seen.stages.items()
        ],
    }


def _small_png(picture: Image.Image | np.ndarray) -> str:
    """The picture as a PNG in a data: URL, no larger than `_SIDE`."""
    if isinstance(picture, np.ndarray):
        small = Image.fromarray(picture.astype(np.uint8))
    elif picture.mode == "LAB":  # Pillow converts it only with a colour profile
        small = picture.getchannel("L")
    else:
        small = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def picture_config() -> dict:
    """What the page must know: the route, and the files' types that it takes."""
    return {"path": PATH.lstrip("/"), "types": [Image.MIME[kind] for kind in FORMATS]}


def add_picture_route(app: FastAPI, max_pixels: int, predictor: Predictor, pool: Executor) -> None:
    """Add the route to `app`; pictures of more than `max_pixels` are refused, `pool` prepares."""

    @app.post(PATH, include_in_schema=False)
    async def picture(request: Request) -> Response:
        work = partial(prepared_picture, await request.body(), max_pixels, predictor)
        return json_answer(await asyncio.get_running_loop().run_in_executor(pool, work))
