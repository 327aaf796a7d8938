"""The routes of `serving.inference.triton_extensions`: what Triton's clients ask beside the protocol itself."""

from functools import partial

import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from serving.http.errors import json_answer
from serving.inference import repository_schemas, schemas
from serving.inference import triton_extensions as repository
from serving.inference.endpoints import Endpoint, Endpoints
from serving.inference.model_paths import ModelPaths
from serving.inference.models import Models
from serving.inference.tensors import ProtocolError


def add_repository(app: FastAPI, models: Models, endpoints: Endpoints, example: Endpoint) -> None:
    """Add the routes to `app`, before those whose path ends in a model's name.

    Args:
        app: gets the routes.
        models: the networks.
        endpoints: the same as the protocol offers them.
        example: the one that /docs shows.
    """
    paths = ModelPaths(endpoints, example)

    @app.get(
        "/v2/models/stats",
        response_model=repository_schemas.Statistics,
        summary="Counts and times of all networks in memory",
        tags=[schemas.SERVER],
    )
    async def statistics() -> Response:
        """Of the networks in memory: one is loaded when it is first asked for."""
        in_memory = repository.loaded(models, endpoints)
        return json_answer(repository.model_statistics(in_memory))

    @app.post(
        "/v2/repository/index",
        response_model=list[repository_schemas.IndexEntry],
        openapi_extra=repository_schemas.INDEX_BODY,
        summary="List the networks",
        tags=[schemas.SERVER],
    )
    async def repository_index(request: Request) -> Response:
        """All networks, and whether they can be used."""
        ready = _ready(await request.body())
        entries = partial(repository.index, models, endpoints, ready)
        return json_answer(await example.in_thread(entries))

    routes = APIRouter(tags=[schemas.NETWORKS])

    @routes.get(
        "/config", response_model=repository_schemas.Config, summary="A network's configuration"
    )
    async def model_config(model: paths.Chosen) -> Response:
        """The network as a configuration of Triton would describe it."""
        return json_answer(repository.model_config(model))

    @routes.get(
        "/stats",
        response_model=repository_schemas.Statistics,
        summary="A network's counts and times",
    )
    async def model_statistics(model: paths.Chosen) -> Response:
        """Counts and nanoseconds since the start, of the process that answers."""
        return json_answer(repository.model_statistics([model]))

    paths.include(app, routes)


def _ready(body: bytes) -> bool:
    """Whether only networks that are ready are wanted.

    Raises:
        ProtocolError: the body is no such question.
    """
    if not body.strip():
        return False
    try:
        question = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"the body is not valid JSON: {error}") from None
    ready = question.get("ready", False) if isinstance(question, dict) else None
    if not isinstance(ready, bool):
        raise ProtocolError("the body must be a JSON object; its field 'ready' true or false")
    return ready
