"""The network that a route's path names, with or without its version."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path
from fastapi.routing import APIRoute

from serving.inference.endpoints import Endpoint, Endpoints

MODEL = "/v2/models/{model}"
VERSION = "/versions/{version}"
OF_VERSION = "_of_version"


def operation_id(route: APIRoute) -> str:
    """What clients that are generated from the OpenAPI document call the operation of `route`."""
    return route.name + (OF_VERSION if VERSION in route.path else "")


class ModelPaths:
    """Parameters of such routes.

    Args:
        endpoints: the networks.
        example: the one that /docs shows.

    Attributes:
        Name, Version: the path's parts, as text.
        Chosen: the network; an unknown one is answered by 404.
    """

    def __init__(self, endpoints: Endpoints, example: Endpoint):
        self.Name = Annotated[str, Path(examples=[example.name])]
        self.Version = Annotated[str, Path(examples=[example.version])]

        async def chosen(model: self.Name) -> Endpoint:
            return endpoints(model)

        self.Chosen = Annotated[Endpoint, Depends(chosen)]

        async def known_version(model: self.Chosen, version: self.Version) -> None:
            model.check_version(version)

        self._known_version = known_version

    def include(self, app: FastAPI, routes: APIRouter) -> None:
        """Add `routes`, whose paths follow the network's, to `app`."""
        app.include_router(routes, prefix=MODEL)
        known = [Depends(self._known_version)]
        app.include_router(routes, prefix=MODEL + VERSION, dependencies=known)
