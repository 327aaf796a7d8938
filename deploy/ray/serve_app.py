"""The service on a Ray cluster: each replica is its whole application, without the page.

serve run deploy.ray.serve_app:app model=model/release

from the repository's root; ``deploy/ray/serve.yaml`` is for a cluster that runs already. Ray starts
and stops replicas with the load, one core each. ``SCANLINE_*`` variables, the key among them, are
read on the machine of each replica; Ray's own proxy takes the place of host, port and workers.
"""

from pathlib import Path

from pydantic import BaseModel, Field
from ray import serve
from starlette.types import ASGIApp

from model.predictor import RELEASE
from serving.settings import Settings

DEFAULTS = Settings()


class Arguments(BaseModel, extra="forbid"):
    """What `serve run deploy.ray.serve_app:app name=value` and ``serve.yaml`` can set."""

    model: Path = Field(RELEASE, description="a network, or a folder of them, on each machine")


def app(arguments: Arguments) -> serve.Application:
    """What Ray builds; called with what was given as ``name=value``."""
    model = arguments.model

    def replica() -> ASGIApp:
        from serving.app import create_app
        from serving.inference.models import Models

        settings = Settings.parse(["--no-ui", "--grpc-port", "0", "--model", str(model)])
        return create_app(Models(settings.model), settings)

    deployment = serve.deployment(
        serve.ingress(replica)(),
        name="Scanline",
        autoscaling_config={
            "min_replicas": 1,
            "max_replicas": 8,
            "target_ongoing_requests": 16,  # of a replica: as many as one batch takes with ease
            "upscale_delay_s": 5,
            "downscale_delay_s": 120,
        },
        max_ongoing_requests=DEFAULTS.max_concurrency,
        max_queued_requests=1024,  # beyond it Ray answers 503
        graceful_shutdown_timeout_s=DEFAULTS.drain_seconds,
        ray_actor_options={"num_cpus": 1},
    )
    return deployment.bind()
