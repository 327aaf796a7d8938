"""What Triton's clients ask beside the protocol itself: configuration, statistics, an index.

Sources: docs/protocol/extension_model_configuration.md, extension_statistics.md and
extension_model_repository.md of github.com/triton-inference-server/server.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from model.predictor import ModelError
from serving.http.errors import broken_model, json_answer
from serving.inference import schemas
from serving.inference.endpoints import Endpoint, Endpoints
from serving.inference.rest import ModelPaths
from serving.inference.tensors import ProtocolError

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


def model_config(endpoint: Endpoint) -> dict[str, Any]:
    """The network as a configuration of Triton would describe it."""

    def tensors(nodes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "name": node["name"],
                "data_type": f"TYPE_{node['datatype']}",
                "dims": node["shape"][1:],  # Triton adds the batch itself
            }
            for node in nodes
        ]

    return {
        "name": endpoint.name,
        "platform": endpoint.metadata["platform"],
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": endpoint.max_batch,
        "input": tensors(endpoint.metadata["inputs"]),
        "output": tensors(endpoint.metadata["outputs"]),
        "instance_group": [{"name": endpoint.name, "kind": "KIND_CPU", "count": 1}],
        "default_model_filename": endpoint.predictor.path.name,
        "dynamic_batching": {"max_queue_delay_microseconds": 0},
    }


def model_statistics(*endpoints: Endpoint) -> dict[str, Any]:
    """Counts and nanoseconds since the start, of the process that answers."""
    return {
        "model_stats": [
            endpoint.statistics.describe(endpoint.name, endpoint.version) for endpoint in endpoints
        ]
    }


def repository_index(endpoints: Endpoints, ready: bool = False) -> list[dict[str, str]]:
    """All networks with their states; those not yet in memory are loaded, 20 ms each.

    Args:
        endpoints: the networks.
        ready: leave out those that cannot be used.
    """
    entries = []
    for name in endpoints.models:
        try:
            version, state, reason = endpoints(name).version, READY, ""
        except ModelError as error:
            if ready:
                continue
            version, state, reason = "", UNAVAILABLE, broken_model(error)
        entries.append({"name": name, "version": version, "state": state, "reason": reason})
    return entries


def add_triton_extensions(app: FastAPI, endpoints: Endpoints) -> None:
    """Add the routes to `app`, before those whose path ends in a model's name."""

    @app.get(
        "/v2/models/stats",
        response_model=schemas.Statistics,
        summary="Counts and times of all networks in memory",
        tags=[schemas.SERVER],
    )
    async def statistics() -> Response:
        """Of the networks in memory: one is loaded when it is first asked for."""
        return json_answer(model_statistics(*endpoints.loaded))

    @app.post(
        "/v2/repository/index",
        response_model=list[schemas.IndexEntry],
        openapi_extra=schemas.INDEX_BODY,
        summary="List the networks",
        tags=[schemas.SERVER],
        operation_id="repository_index",
    )
    async def index(request: Request) -> Response:
        """All networks, and whether they can be used."""
        entries = partial(repository_index, endpoints, _ready(await request.body()))
        default = endpoints(endpoints.models.default.name)
        return json_answer(await default.in_thread(entries))

    paths = ModelPaths(endpoints)
    paths.get(
        app,
        "/config",
        model_config,
        response_model=schemas.Config,
        summary="A network's configuration",
        tags=[schemas.NETWORKS],
    )
    paths.get(
        app,
        "/stats",
        model_statistics,
        response_model=schemas.Statistics,
        summary="A network's counts and times",
        tags=[schemas.NETWORKS],
    )


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
