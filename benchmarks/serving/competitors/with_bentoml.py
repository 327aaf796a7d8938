"""BentoML: a service with one API, as its guide says.

Metrics and the access log are off, which in a few rounds of seconds on a busy machine was not
slower. Its batching is off: it was tried with one setting, as briefly.
"""

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
