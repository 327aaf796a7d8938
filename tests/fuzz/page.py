"""The page's routes, which are Gradio's: names, data and sessions that it did not give out."""

import base64
import json

import numpy as np

from serving.page.gradio_routes import API
from tests.fuzz import bodies, pictures

_ROOT = "/gradio_api"
_CALLS = (f"call/{API}", f"call/v2/{API}", "call/nope", "call/v2/nope", f"run/{API}", f"api/{API}")
_POSTS = ("queue/join", "cancel", "reset", "upload", "queue/join?__theme=x", "call/%00")
_GETS = (
    *("/", "/config", "/assets//etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/static/x"),
    *(f"{_ROOT}/{p}" for p in ("info", "openapi.json", "file=/etc/passwd", "queue/status", "x")),
    *(f"{_ROOT}/{p}" for p in ("queue/data", "queue/data?session_hash=x", "heartbeat/x")),
    *(f"{_ROOT}/call/{API}/{p}" for p in ("x", "%00", "..", "a" * 3000)),
    *("/docs", "/openapi.json", "/metrics", "/live", "/live/nope.js", "/live/%2e%2e/app.py"),
)


def broken(rng: np.random.Generator) -> tuple[str, str, bytes]:
    """Method, path and body."""
    if rng.integers(3) == 0:
        return "GET", _GETS[rng.integers(len(_GETS))], b""
    if rng.integers(3) == 0:
        return "POST", f"{_ROOT}/{_POSTS[rng.integers(len(_POSTS))]}", _job(rng)
    path = f"{_ROOT}/{_CALLS[rng.integers(len(_CALLS)) if rng.integers(2) else 0]}"
    return "POST", path, bodies.broken(rng) if rng.integers(4) == 0 else _job(rng)


def events_of(path: str, body: bytes) -> str | None:
    """Where the outcome of a call that was taken stands; None where there is none."""
    if not path.startswith(f"{_ROOT}/call/"):
        return None
    try:
        number = json.loads(body)["event_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return f"{_ROOT}/call/{API}/{number}"


def _job(rng: np.random.Generator) -> bytes:
    picture = base64.b64encode(pictures.broken(rng)).decode()
    values = (
        "x",
        "",
        None,
        5,
        [],
        {},
        {"path": "/etc/passwd"},
        {"url": "http://127.0.0.1:1/"},
        "=",
    )
    given = picture if rng.integers(2) else values[rng.integers(len(values))]
    session = str(rng.integers(2**60))
    body = {
        "data": [given] * int(rng.integers(0, 3)),
        "fn_index": [0, 1, 99, -1, "x", None][rng.integers(6)],
        # A session of its own: what two wait for, the first one takes (Gradio's way).
        "session_hash": [f"x{session}", "", None, 5, "y" * 3000 + session][rng.integers(5)],
        "event_id": "x",
    }
    for name in [name for name in body if rng.integers(4) == 0]:
        del body[name]
    return json.dumps(body).encode()
