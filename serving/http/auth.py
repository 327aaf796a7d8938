"""Who may call: an API key, if one is set, and which sites' scripts may open the stream."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.errors import json_answer
from serving.http.limits import READINESS, is_health
from serving.inference.infer import LENGTH_HEADER
from serving.inference.models import Models
from serving.settings import Settings

_NO_KEY = (
    "an API key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`; "
    "a browser asks for it: any user name, and the key as password"
)
_NOT_READY = "not ready, or not here: a call with an API key is told more"
# As OpenAPI describes the three ways to bring a key; one of them is enough.
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic", "description": "any name; the key"},
}
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_COOKIE = "scanline"


class Keys:
    """The keys that are let in, and what stands for each in a cookie."""

    def __init__(self, keys: Sequence[str]):
        self._keys = [key.encode() for key in keys]
        self._tokens = [
            hmac.new(key, b"scanline cookie", hashlib.sha256).hexdigest().encode()
            for key in self._keys
        ]

    def token(self, key: bytes) -> bytes | None:
        """What a browser may keep in place of `key`; None where that is not one of them."""
        # All are compared, in constant time each: how long it takes says nothing.
        found = [hmac.compare_digest(key, known) for known in self._keys]
        return self._tokens[found.index(True)] if any(found) else None

    def admit(self, headers: Headers) -> bool:
        """Whether they bring a key as programs do, not as a password or cookie."""
        by_password, given = _given(headers)
        return not by_password and self.token(given) is not None

    def knows_token(self, token: bytes) -> bool:
        return any([hmac.compare_digest(token, known) for known in self._tokens])  # noqa: C419


class KeyGuard:
    """ASGI middleware: without one of `keys` only health checks are answered, and they in the
    same words for all networks, and without loading one.

    Browsers know how to ask for a name and a password (RFC 7617): the key is the password.
    They get a cookie then, because not every browser sends a password with a WebSocket's
    handshake.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str], models: Models):
        self._app = app
        self._keys = Keys(keys)
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith("/v2/health/"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        by_password, given = _given(headers)
        token = self._keys.token(given)
        if token is None and not self._keys.knows_token(_cookie(headers)):
            if scope["type"] == "http" and is_health(scope["path"]):
                await self._tell_readiness(scope, receive, send)
                return
            refusal = json_answer({"error": _NO_KEY}, 401)
            refusal.headers.append("WWW-Authenticate", 'Bearer realm="Scanline"')
            refusal.headers.append("WWW-Authenticate", 'Basic realm="Scanline", charset="UTF-8"')
            refusal.headers["Connection"] = "close"  # the body is not read
            await _refuse(refusal, scope, receive, send)
            return
        if token and by_password and scope["type"] == "http":
            send = _with_cookie(send, token.decode(), scope["scheme"] == "https")
        await self._app(scope, receive, send)

    async def _tell_readiness(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = READINESS.fullmatch(scope["path"])["model"]
        if name in self._models and name not in [known.name for known in self._models.loaded]:
            await json_answer({"error": _NOT_READY}, 503)(scope, receive, send)
            return
        await self._app(scope, receive, _wordless(send))


class OriginGuard:
    """ASGI middleware: a WebSocket is opened by our own page, by a listed site, or by a program.

    Browsers let every site open a WebSocket anywhere, with the visitor's password or cookie
    (RFC 6455, 10.2): the server must look who asks.

    Args:
        app: what is guarded.
        allowed: other sites' origins, ``https://example.org``, or ``*``.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]):
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._admits(Headers(scope=scope)):
            message = (
                "a page of another site may not open this stream: list that site in "
                "SCANLINE_CORS_ORIGINS, or have the proxy before this server pass Host on"
            )
            await _refuse(json_answer({"error": message}, 403), scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admits(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self._allowed or "*" in self._allowed:
            return True
        # A script can set none of these three; a proxy may have changed the host.
        if headers.get("sec-fetch-site") == "same-origin":
            return True
        site = _site(origin)
        scheme = urlsplit(origin).scheme
        hosts = headers.getlist("host") + headers.getlist("x-forwarded-host")
        return site is not None and site in [_site(f"{scheme}://{host}") for host in hosts]


def _site(url: str) -> tuple[str, int] | None:
    """Host and port; None where there is no host, as in ``null``."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _given(headers: Headers) -> tuple[bool, bytes]:
    """Whether it came as a password, and the key that a request brings; empty where none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return False, value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            name_and_key = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False, b""
        return True, name_and_key.partition(b":")[2]
    return False, headers.get("x-api-key", "").encode("latin-1")


def _cookie(headers: Headers) -> bytes:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return b""
    return found.value.encode() if found else b""


def _with_cookie(send: Send, token: str, is_secure: bool) -> Send:
    cookie = f"{_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
    cookie += "; Secure" if is_secure else ""

    async def send_cookie(event: Message) -> None:
        if event["type"] == "http.response.start":
            headers = [*event["headers"], (b"set-cookie", cookie.encode())]
            event = {**event, "headers": headers}
        await send(event)

    return send_cookie


def _wordless(send: Send) -> Send:
    """Keep the code of an error, and what says when to come back, but not its words."""
    words = json_answer({"error": _NOT_READY})
    is_error = False

    async def send_wordless(event: Message) -> None:
        nonlocal is_error
        if event["type"] == "http.response.start" and event["status"] >= 400:
            is_error = True
            kept = [pair for pair in event["headers"] if pair[0] in (b"retry-after", b"connection")]
            event = {**event, "headers": [*kept, *words.raw_headers]}
        elif is_error:
            event = {"type": "http.response.body", "body": words.body}
        await send(event)

    return send_wordless


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close", "code": 1008})
        return
    await refusal(scope, receive, send)


def describe_keys(app: FastAPI) -> None:
    """Have the OpenAPI document say that all but health checks need a key."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        document["components"]["securitySchemes"] = _SCHEMES
        document["security"] = [{name: []} for name in _SCHEMES]
        for path, operations in document["paths"].items():
            if is_health(path):
                for operation in operations.values():
                    operation["security"] = []
        return document

    app.openapi = described


def guard(app: FastAPI, settings: Settings, models: Models) -> None:
    """Let in who may call, by `settings`; inside of what this adds stands the rest."""
    app.add_middleware(OriginGuard, allowed=settings.cors_origins)
    if settings.api_key:
        app.add_middleware(KeyGuard, keys=settings.api_key, models=models)
        describe_keys(app)
    if settings.cors_origins:
        # No credentials: another site's page must bring the key itself, not use a visitor's.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "X-API-Key", "X-Request-Id", LENGTH_HEADER),
            expose_headers=("Retry-After", "WWW-Authenticate", "X-Request-Id", LENGTH_HEADER),
        )
