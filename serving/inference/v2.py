"""The Open Inference Protocol's routes under /v2.

Source: inference_rest.md of github.com/kserve/open-inference-protocol.
"""

from typing import Any

from fastapi import APIRouter, FastAPI, Response

from model import __version__
from serving.http.errors import json_answer
from serving.inference import binary_codec as binary
from serving.inference import infer_schema, schemas
from serving.inference.endpoints import Endpoint, Endpoints
from serving.inference.infer import InferRoute
from serving.inference.model_paths import MODEL, VERSION, ModelPaths

SERVER_VERSION = __version__
SERVER_METADATA = {
    "name": schemas.NAME,
    "version": SERVER_VERSION,
    "extensions": [binary.EXTENSION, "model_configuration", "statistics"],
}
INFER = f"{MODEL}/infer"


def add_protocol(app: FastAPI, endpoints: Endpoints, example: Endpoint, infer: InferRoute) -> None:
    """Add the routes to `app`.

    Args:
        app: gets the routes.
        endpoints: the networks.
        example: the one that /docs shows.
        infer: answers the inference requests.
    """
    paths = ModelPaths(endpoints, example)

    @app.get(
        "/v2",
        response_model=schemas.Server,
        summary="The server's name, version and extensions",
        tags=[schemas.SERVER],
    )
    async def server_metadata() -> Response:
        return json_answer(SERVER_METADATA)

    @app.get(
        "/v2/health/live",
        response_model=schemas.Live,
        summary="Does the server run?",
        tags=[schemas.HEALTH],
    )
    @app.head("/v2/health/live", include_in_schema=False)
    async def server_live() -> Response:
        return json_answer({"live": True})

    @app.get(
        "/v2/health/ready",
        response_model=schemas.Ready,
        summary="Does the server want requests?",
        tags=[schemas.HEALTH],
    )
    @app.head("/v2/health/ready", include_in_schema=False)
    async def server_ready() -> Response:
        return json_answer({"ready": True})

    def infer_model(model: paths.Name) -> Any:
        """Pixels in, every output of the network out, with no verdict on it.

        A network that was trained to tell digits from other drawings has an output `score`:
        how sure it is, 0..1, that this is no digit. `POST /classify` applies the thresholds.
        """

    def infer_version(model: paths.Name, version: paths.Version) -> Any:
        """The same of a model of which the version is known."""

    for path, described in (("", infer_model), (VERSION, infer_version)):
        app.post(
            f"{MODEL}{path}/infer",
            response_model=schemas.InferAnswer,
            openapi_extra=infer_schema.INFER_BODY,
            responses=infer_schema.INFER_ANSWERS,
            summary="Read prepared rows",
            tags=[schemas.INFERENCE],
            name="infer",
        )(described)
        app.router.routes[-1].app = infer  # FastAPI describes it, `infer` answers

    routes = APIRouter()

    @routes.get(
        "",
        response_model=schemas.Model,
        summary="What a network takes and gives",
        tags=[schemas.NETWORKS],
    )
    async def model_metadata(model: paths.Chosen) -> Response:
        return json_answer(model.metadata)

    @routes.get(
        "/ready",
        response_model=schemas.ModelReady,
        summary="Does a network want requests?",
        tags=[schemas.HEALTH],
    )
    @routes.head("/ready", include_in_schema=False)
    async def model_ready(model: paths.Chosen) -> Response:
        return json_answer({"name": model.name, "ready": True})

    paths.include(app, routes)
