"""BentoML: a service with one API, as its guide says; without metrics it is a little faster."""

import os
from typing import Any

import bentoml
from v2 import Network, images_of


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(route=os.environ["ROUTE"])
    async def infer(
        self,
        inputs: list[dict[str, Any]],
        outputs: list[dict[str, Any]],  # noqa: ARG002
    ) -> dict[str, Any]:
        return self.network.answer(self.network.run(images_of({"inputs": inputs})))
