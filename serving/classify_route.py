"""``POST /classify``: picture files in, digits out."""

import asyncio
from concurrent.futures import Executor
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from model.images.files import PictureError
from serving.classify import classify
from serving.http.errors import json_answer
from serving.http.forms import image_files
from serving.http.metrics import Metrics
from serving.http.request_log import MODEL
from serving.inference import schemas
from serving.inference.models import Models
from serving.settings import Settings

PATH = "/classify"


def add_classify(
    app: FastAPI, models: Models, settings: Settings, pool: Executor, metrics: Metrics
) -> None:
    """Add the route to `app`; `pool` decodes and reads the pictures."""
    decoded = partial(metrics.decoded, PATH)
    name = models.default.name

    @app.post(
        PATH,
        response_model=schemas.Classified,
        openapi_extra=schemas.CLASSIFY_BODY,
        summary="Read pictures of digits",
        tags=[schemas.PICTURES],
        name="classify",
    )
    async def classify_route(
        request: Request,
        model: Annotated[
            str, Query(description="the network that reads them", examples=[*models])
        ] = name,
    ) -> Response:
        """Read image files: one as the body, or one and more as form data, any field name.

        An answer that is better not believed is `rejected`, with the `reason`:

        * `no ink`
        * `more than one digit`: there are several, apart from each other
        * `not a digit`: the network's `score` is above the `score` threshold of its card
        * `not sure: 4 or 9`: the best digit's probability is below the `confidence` threshold

        The best `digit` and all `probabilities` are there all the same (without ink they are
        null), so that a client can decide for itself. A network that has no `score`, or whose
        card has no such threshold, is spared that check.

        Among several files a bad one has an `error` in its place and spoils no other.
        """
        predictor = models.choose(model)
        request.scope[MODEL] = predictor.name
        files = await image_files(request, settings.max_batch)
        computed = partial(metrics.inferred, predictor.name)
        work = partial(classify, files, predictor, settings.max_pixels, decoded, computed)
        results = await asyncio.get_running_loop().run_in_executor(pool, work)
        if len(results) == 1 and isinstance(results[0], PictureError):
            raise results.pop()  # which must not hold itself
        for result in results:
            if isinstance(result, dict) and result["rejected"]:
                metrics.rejected(predictor.name, result["reason"])
        return json_answer(
            {
                "model": predictor.name,
                "results": [
                    {"file": file.name, "error": str(result)}
                    if isinstance(result, PictureError)
                    else result
                    for file, result in zip(files, results, strict=True)
                ],
            }
        )
