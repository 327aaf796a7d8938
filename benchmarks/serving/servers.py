"""What is compared: the command of each server, ours among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    """How to start one; `{port}`, `{model}` and `{free}` (another free port) are filled in.

    The first word of the command is a program of `environment`; without one it is of ours.
    """

    command: tuple[str, ...]
    environment: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


_UVICORN = ("uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "warning")
OURS = Server(("python", "-m", "serving", "--no-ui", "--port", "{port}", "--model", "{model}"))
FASTAPI_ONNX = Server((*_UVICORN, "fastapi_onnx:app"), "bare")
ECHOES = {
    "FastAPI route, echo only": Server((*_UVICORN, "fastapi_echo:app"), "bare"),
    "bare ASGI, echo only": Server((*_UVICORN, "asgi_echo:app"), "bare"),
}


def _mlserver(environment: str) -> Server:
    """Its adaptive batching is off: tried with one setting for a few seconds, it was slower."""
    return Server(
        ("mlserver", "start", "."),
        environment,
        {
            "MLSERVER_PARALLEL_WORKERS": "0",  # one core: in the process
            "MLSERVER_DEBUG": "false",
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{free}",
            "MLSERVER_METRICS_PORT": "{free}",
            "MLSERVER_GZIP_ENABLED": "false",
            "MLSERVER_MODEL_NAME": "benchmark",
            "MLSERVER_MODEL_IMPLEMENTATION": "with_mlserver.Digits",
        },
    )


RIVALS = {
    "LitServe 0.2.19": Server(("python", "-m", "with_litserve"), "litserve"),
    "MLServer 1.7.1": _mlserver("mlserver"),
    "MLServer 1.7.1 with httptools": _mlserver("mlserver-httptools"),
    "BentoML 1.4.39": Server(
        ("bentoml", "serve", "with_bentoml:Digits", "--port", "{port}", "--host", "127.0.0.1"),
        "bentoml",
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "Ray Serve 2.60.0": Server(
        ("python", "-m", "with_ray"),
        "ray",
        {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_USAGE_STATS_ENABLED": "0"},
    ),
}
