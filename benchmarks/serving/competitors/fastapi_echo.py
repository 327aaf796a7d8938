"""A bare FastAPI route that sends the body back."""

import os

from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post(os.environ["ROUTE"])
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")
