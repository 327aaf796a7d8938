"""A server in this process, spoken to in bytes, with a note of what reached its application."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import numpy as np
import uvicorn

from serving.server import Config
from serving.settings import Settings

PATH = "/v2/models/tiny/infer"
ROUTE = 'route="/v2/models/{model}/infer"'
PIXELS = np.arange(784) % 256


def as_json(images=1, **more):
    data = np.tile(PIXELS, images).tolist()
    tensor = {"name": "images", "shape": [images, 28, 28], "datatype": "UINT8", "data": data}
    return json.dumps({"inputs": [tensor]} | more).encode()


def as_bytes(images=1):
    tensor = {"name": "images", "shape": [images, 28, 28], "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": 784 * images}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    body = head + np.tile(PIXELS, images).astype(np.uint8).tobytes()
    return body, {"Inference-Header-Content-Length": len(head)}


def http(body, headers=(), path=PATH, version="1.1"):
    lines = {"Host": "x", "Content-Length": len(body), **dict(headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/{version}\r\n{head}\r\n".encode() + body


class Client:
    """Speaks to the server in bytes, on a connection of its own."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, request):
        self.writer.write(request)

    async def answer(self):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        line, *lines = head.decode().strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(line.split()[1]), headers, body

    async def ask(self, request):
        self.send(request)
        return await self.answer()


class Running:
    def __init__(self, config, server, address):
        self.config, self.server = config, server
        self._address = address
        self.passed_on = []  # what reached the application
        self.clients = []

    async def connect(self):
        self.clients.append(Client(*await asyncio.open_connection(*self._address)))
        return self.clients[-1]


@asynccontextmanager
async def running(model, **settings):
    config = Config(Settings(ui=False, model=(model,), **settings))
    config.load()
    application = config.loaded_app
    server = uvicorn.Server(config)
    passed_on = []

    async def recorded(scope, receive, send):
        if scope["type"] == "http":
            passed_on.append(scope["path"])
        await application(scope, receive, send)

    config.loaded_app = recorded
    config.port = 0
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)  # sets the date
    found = Running(config, server, server.servers[0].sockets[0].getsockname())
    found.passed_on = passed_on
    try:
        yield found
    finally:
        for client in found.clients:
            client.writer.close()
            with suppress(ConnectionError):
                await client.writer.wait_closed()
        await server.shutdown()


def counts(found):
    return {
        key: value
        for line in found.config.application.state.metrics.render()[0].decode().splitlines()
        if not line.startswith("#")
        for key, value in [line.rsplit(" ", 1)]
        if key.startswith(("scanline_requests", "scanline_images", "scanline_executions"))
        or key.endswith("_count")
        or "_seconds_count" in key
    }
