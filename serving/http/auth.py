"""Who may call: an API key, if one is set, and which sites' scripts may open the stream."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.errors import json_answer
from serving.http.health import READINESS, is_health
from serving.http.limits import refuse

KEY_NAME = "scanline.key"  # in a request's scope: the name of its key

_NO_KEY = (
    "an API key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`; "
    "a browser asks for it: any user name, and the key as password"
)
UNKNOWN_KEY = "the API key that was sent is not known here"
_NOT_READY = "not ready, or not here: a call with an API key is told more"
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_COOKIE = "scanline"


class Keys:
    """The keys that are let in, by name, and what stands for each in a cookie."""

    def __init__(self, names: Mapping[str, str]):
        self._names = {key.encode(): name for key, name in names.items()}
        self._tokens = {_token(key): name for key, name in self._names.items()}

    def name_of(self, key: bytes) -> str | None:
        """The name of `key`; None where it is not one of them."""
        return _find(self._names, key)

    def name_of_token(self, token: bytes) -> str | None:
        """The same for what a browser keeps in place of a key."""
        return _find(self._tokens, token)


def _token(key: bytes) -> bytes:
    """What a browser may keep in place of `key`."""
    return hmac.new(key, b"scanline cookie", hashlib.sha256).hexdigest().encode()


def _find(names: Mapping[bytes, str], given: bytes) -> str | None:
    # All are compared, in constant time each: how long it takes says nothing.
    found = [name for known, name in names.items() if hmac.compare_digest(given, known)]
    return found[0] if found else None


class KeyGuard:
    """ASGI middleware: without one of `keys` only health checks are answered, and they in the
    same words for all networks, and without loading one.

    Browsers know how to ask for a name and a password (RFC 7617): the key is the password.
    They get a cookie then, because not every browser sends a password with a WebSocket's
    handshake.

    Args:
        app: the application.
        keys: that are let in.
        is_waiting: whether a network's name is known, but the network not yet in memory.
    """

    def __init__(self, app: ASGIApp, keys: Keys, is_waiting: Callable[[str], bool]):
        self._app = app
        self._keys = keys
        self._is_waiting = is_waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        by_password, given = given_key(headers)
        name = self._keys.name_of(given)
        by_password = by_password and name is not None
        name = name or self._keys.name_of_token(_cookie(headers))
        if name is None:
            problem = UNKNOWN_KEY if given else _NO_KEY
            await self._without_key(scope, receive, send, problem)
            return
        scope[KEY_NAME] = name
        if by_password and scope["type"] == "http":
            send = _with_cookie(scope, send, _token(given))
        await self._app(scope, receive, send)

    async def _without_key(self, scope: Scope, receive: Receive, send: Send, problem: str) -> None:
        if scope["type"] == "websocket":
            await refuse(scope, send, 401, problem)
        elif scope["method"] not in ("GET", "HEAD") or not is_health(scope["path"]):
            refusal = json_answer({"error": problem}, 401)
            refusal.headers.append("WWW-Authenticate", 'Bearer realm="Scanline"')
            refusal.headers.append("WWW-Authenticate", 'Basic realm="Scanline", charset="UTF-8"')
            await refusal(scope, receive, send)
        elif (asked := READINESS.fullmatch(scope["path"])) and self._is_waiting(asked["model"]):
            await json_answer({"error": _NOT_READY}, 503)(scope, receive, send)
        else:
            await self._app(scope, receive, _wordless(send))


class OriginGuard:
    """ASGI middleware: a WebSocket is opened by our own page, by a listed site, or by a program.

    Browsers let every site open a WebSocket anywhere, with the visitor's password or cookie
    (RFC 6455, 10.2): the server must look who asks.

    Args:
        app: the application.
        allowed: other sites' origins, ``https://example.org``, or ``*``.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]):
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self.admits(Headers(scope=scope)):
            message = (
                "a page of another site may not open this stream: list that site in "
                "SCANLINE_CORS_ORIGINS, or have the proxy before this server pass Host on"
            )
            await refuse(scope, send, 403, message)
            return
        await self._app(scope, receive, send)

    def admits(self, headers: Headers) -> bool:
        """Whether the page that sends `headers`, if it is one, may open a WebSocket."""
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


def given_key(headers: Headers) -> tuple[bool, bytes]:
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
    return cookie_parser(headers.get("cookie", "")).get(_COOKIE, "").encode()


def _with_cookie(scope: Scope, send: Send, token: bytes) -> Send:
    path = scope.get("root_path", "").encode()
    cookie = b"%b=%b; Path=%b/; HttpOnly; SameSite=Strict" % (_COOKIE.encode(), token, path)
    cookie += b"; Secure" if scope["scheme"] == "https" else b""

    async def send_cookie(event: Message) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], (b"set-cookie", cookie)]}
        await send(event)

    return send_cookie


def _wordless(send: Send) -> Send:
    """Keep the code of an error, and what says when to come back, but not its words."""
    words: Response = json_answer({"error": _NOT_READY})
    is_error = False

    async def send_wordless(event: Message) -> None:
        nonlocal is_error
        if event["type"] == "http.response.start" and event["status"] >= 400:
            is_error = True
            kept = [pair for pair in event["headers"] if pair[0] == b"retry-after"]
            event = {**event, "headers": [*kept, *words.raw_headers]}
        elif is_error:
            event = {"type": "http.response.body", "body": words.body}
        await send(event)

    return send_wordless
