"""Ray Serve: one replica behind its own proxy, without FastAPI.

Its batching is off: tried with one setting, for two rounds of a few seconds on a busy machine,
it was not seen to be faster. That is no measurement of what it can do.
"""

import os
import signal

import orjson
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response
from v2 import Network, images_of


@serve.deployment(max_ongoing_requests=100, ray_actor_options={"num_cpus": 0})
class Digits:
    def __init__(self):
        self.network = Network()

    async def __call__(self, request: Request) -> Response:
        result = self.network.run(images_of(orjson.loads(await request.body())))
        return Response(orjson.dumps(self.network.answer(result)), media_type="application/json")


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Digits.bind(), route_prefix=os.environ["ROUTE"])
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
