"""The service's predictor on a Ray cluster, behind the same Open Inference Protocol:

serve run deploy.ray.serve_app:app

from the repository's root; ``deploy/ray/serve.yaml`` is for a cluster that runs already. Each
replica is one process with one core, which reads requests and computes in batches: handing
them from one process to another would take longer than the network does. Ray starts and stops
replicas with the load.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field
from ray import serve
from starlette.exceptions import HTTPException as StarletteHTTPException

from model.predictor import RELEASE, ModelError, Predictor
from serving.http.bodies import BodyLimit
from serving.http.errors import broken_model, http_error, json_answer
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.json_codec import (
    Infer,
    ProtocolError,
    infer_answer,
    model_metadata,
    parse_infer,
)
from serving.inference.models import Models, UnknownModelError
from serving.settings import Settings

LIMITS = Settings()  # of a body and of a request: those of the service, by default
MOST_IMAGES = 32  # computed at a time
MODEL = "/v2/models/{model}"

Results = dict[str, np.ndarray]
api = FastAPI(title="Scanline on Ray", openapi_url=None)
api.add_middleware(BodyLimit, most=LIMITS.max_body_bytes, seconds=LIMITS.body_seconds)


class Arguments(BaseModel, extra="forbid"):
    """What `serve run deploy.ray.serve_app:app name=value` and ``serve.yaml`` can set."""

    model: Path = Field(RELEASE, description="a network, or a folder of them, on each machine")


@api.exception_handler(ProtocolError)
def _wrong_request(_: Request, error: ProtocolError) -> Response:
    return json_answer({"error": str(error)}, 400)


@api.exception_handler(UnknownModelError)
def _unknown_model(_: Request, error: UnknownModelError) -> Response:
    return json_answer({"error": str(error)}, 404)


@api.exception_handler(ModelError)
def _unusable_model(_: Request, error: ModelError) -> Response:
    return json_answer({"error": broken_model(error)}, 503)


api.add_exception_handler(StarletteHTTPException, http_error)


class Work(NamedTuple):
    """One request on its way through a batch."""

    predictor: Predictor
    request: Infer


def json_length(text: str | None) -> int | None:
    """What the header `LENGTH_HEADER` says.

    Raises:
        ProtocolError: it is no number of bytes.
    """
    if text is None:
        return None
    # int() alone would take "1_000", and fail at thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise ProtocolError(f"{LENGTH_HEADER}: must be a number of bytes")
    return int(text)


def size(batch: Sequence[Work]) -> int:
    """What counts in a batch: its images."""
    return sum(len(work.request.images) for work in batch)


def compute(batch: Sequence[Work]) -> list[Results]:
    """The outputs that each request wants; each network runs once for all that it is to read."""
    results: list[Results] = [{} for _ in batch]
    for predictor in dict.fromkeys(work.predictor for work in batch):
        places = [place for place, work in enumerate(batch) if work.predictor is predictor]
        wanted = [batch[place].request.outputs or predictor.output_names for place in places]
        names = [name for name in predictor.output_names if any(name in each for each in wanted)]
        images = [batch[place].request.images for place in places]
        outputs = predictor.run(np.concatenate(images), names)
        ends = np.cumsum([len(each) for each in images])[:-1]
        parts = {name: np.split(output, ends) for name, output in outputs.items()}
        for n, place in enumerate(places):
            results[place] = {name: parts[name][n] for name in wanted[n]}
    return results


@serve.deployment(
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": 8,
        "target_ongoing_requests": 16,  # a replica: as many as one batch takes with ease
        "upscale_delay_s": 5,
        "downscale_delay_s": 120,
    },
    max_ongoing_requests=LIMITS.max_concurrency,
    max_queued_requests=1024,  # beyond it Ray answers 503
    graceful_shutdown_timeout_s=LIMITS.drain_seconds,
    ray_actor_options={"num_cpus": 1},
)
@serve.ingress(api)
class Scanline:
    """A replica."""

    def __init__(self, model: Path):
        self._models = Models([model])

    def _network(self, name: str, version: str | None) -> Predictor:
        predictor = self._models.choose(name)
        if version not in (None, predictor.version):
            known = predictor.version
            raise HTTPException(404, f"no version {version[:80]!r} here: it is {known!r}")
        return predictor

    # Without waiting: what has queued while the last batch was computed is the next one.
    @serve.batch(max_batch_size=MOST_IMAGES, batch_wait_timeout_s=0, batch_size_fn=size)
    async def _batched(self, batch: list[Work]) -> list[Results]:
        return compute(batch)

    async def answer(
        self, model: str, version: str | None, body: bytes, header_length: int | None = None
    ) -> tuple[bytes, int | None]:
        """Answer an inference request's body; for callers inside the cluster, too.

        Raises:
            ProtocolError, UnknownModelError, HTTPException: what is wrong with the request.
            ModelError: the network cannot be used.
        """
        predictor = self._network(model, version)
        request = parse_infer(body, predictor.output_names, LIMITS.max_batch, header_length)
        work = Work(predictor, request)
        # Ray refuses what is larger than a batch may be.
        fits = size([work]) <= MOST_IMAGES
        results = await self._batched(work) if fits else compute([work])[0]
        return infer_answer(model, predictor.version, request, results)

    @api.post(MODEL + "/infer")
    @api.post(MODEL + "/versions/{version}/infer")
    async def infer(self, request: Request, model: str, version: str | None = None) -> Response:
        length = json_length(request.headers.get(LENGTH_HEADER))
        body = await request.body()
        content, length = await self.answer(model, version, body, length)
        if length is None:
            return Response(content, media_type="application/json")
        headers = {LENGTH_HEADER: str(length)}
        return Response(content, headers=headers, media_type="application/octet-stream")

    @api.get(MODEL)
    @api.get(MODEL + "/versions/{version}")
    async def describe(self, model: str, version: str | None = None) -> Response:
        predictor = self._network(model, version)
        nodes = predictor.inputs, predictor.outputs
        return json_answer(model_metadata(model, predictor.version, *nodes))

    @api.get(MODEL + "/ready")
    @api.get(MODEL + "/versions/{version}/ready")
    async def model_ready(self, model: str, version: str | None = None) -> Response:
        self._network(model, version)
        return json_answer({"name": model, "ready": True})

    @api.get("/v2/health/live")
    async def live(self) -> Response:
        return json_answer({"live": True})

    @api.get("/v2/health/ready")
    async def ready(self) -> Response:
        return json_answer({"ready": True})


def app(arguments: Arguments) -> serve.Application:
    """What Ray builds; called with what was given as ``name=value``."""
    return Scanline.bind(arguments.model)
