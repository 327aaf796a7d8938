"""FastAPI and ONNX Runtime as most people put them together, with orjson for speed."""

import os

import orjson
from fastapi import FastAPI, Request, Response
from v2 import Network, images_of

app = FastAPI()
network = Network()


@app.post(os.environ["ROUTE"])
async def infer(request: Request) -> Response:
    result = network.run(images_of(orjson.loads(await request.body())))
    return Response(orjson.dumps(network.answer(result)), media_type="application/json")
