"""What Triton's clients ask beside the protocol itself: configuration, statistics, an index.

Sources: docs/protocol/extension_model_configuration.md, extension_statistics.md and
extension_model_repository.md of github.com/triton-inference-server/server.
"""

from collections.abc import Iterable
from typing import Any

from model.predictor import ModelError
from serving.http.errors import broken_model
from serving.inference.endpoints import Endpoint, Endpoints
from serving.inference.models import Models

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


def model_config(endpoint: Endpoint) -> dict[str, Any]:
    """A network's configuration, as far as this server knows such settings."""

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


def model_statistics(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The statistics of some networks."""
    return {
        "model_stats": [
            endpoint.statistics.describe(endpoint.name, endpoint.version) for endpoint in endpoints
        ]
    }


def loaded(models: Models, endpoints: Endpoints) -> list[Endpoint]:
    """The networks in memory: the others, which nobody has asked for, have no statistics."""
    return [endpoints(predictor.name) for predictor in models.loaded]


def index(models: Models, endpoints: Endpoints, ready: bool = False) -> list[dict[str, str]]:
    """All networks with their states; those not yet in memory are loaded, 20 ms each.

    Args:
        models: the networks.
        endpoints: the same as the protocol offers them.
        ready: leave out those that cannot be used.
    """
    entries = []
    for name in models:
        try:
            version, state, reason = endpoints(name).version, READY, ""
        except ModelError as error:
            if ready:
                continue
            version, state, reason = "", UNAVAILABLE, broken_model(error)
        entries.append({"name": name, "version": version, "state": state, "reason": reason})
    return entries
