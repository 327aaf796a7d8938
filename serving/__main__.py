"""Start the server: ``python -m serving --help`` lists the settings."""

import os
import signal
import socket
import sys
from typing import NoReturn

# Read by NumPy at import: waking threads costs more than the small products in
# preprocess.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvicorn

from serving.api import create_app
from serving.models import Models
from serving.predictor import ModelError
from serving.settings import Settings

DRAIN_SECONDS = 10  # for requests in flight


def main() -> None:
    """Run until SIGINT or SIGTERM; exit code 2 with one line when it cannot start."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn drains first and then raises the signal anew.
        signal.signal(number, lambda *_: sys.exit(0))
    settings = Settings.parse()
    try:
        models = Models(settings.model)
    except ModelError as error:
        _fail(str(error))
    listener = _listen(settings)
    app = create_app(models, settings)
    if settings.ui:
        # Read by gradio at import: no telemetry, nothing fetched from elsewhere.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_OFFLINE"] = "1"
        from serving.app import mount  # seconds of import that --no-ui need not pay

        app = mount(app, models, settings)
    config = uvicorn.Config(
        app,
        log_level=settings.log_level,
        access_log=False,  # `serving.access` writes it
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=settings.max_body_bytes,
        ws_per_message_deflate=False,  # deflating 60 kB of states costs more than it saves
    )
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            print(f"Scanline is at {url} and its API at {url}/docs (Ctrl-C ends it)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Each open page holds a stream that Gradio ends at this event, else never.
        for route in self.config.app.routes:
            if event := getattr(getattr(route, "app", None), "stop_event", None):
                event.set()
        await super().shutdown(sockets)


def _listen(settings: Settings) -> socket.socket:
    """Take the port before the slow imports, so that a taken one is told at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        _fail(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another with --host and --port"
        )
    return listener


def _fail(message: str) -> NoReturn:
    print(f"python -m serving: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
