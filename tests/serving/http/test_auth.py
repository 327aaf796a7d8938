"""API keys, cookies, other sites' scripts, and who may open a WebSocket."""

import asyncio
import base64
import json

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from serving.app import create_app
from serving.http.auth import OriginGuard
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import save_tiny_model
from tests.support.calls import client_of

KEYS = ("new-key", "old-key")
SITE = "https://example.org"


@pytest.fixture(scope="module")
def guarded(tiny_model):
    with client_of([tiny_model], api_key=KEYS) as client:
        yield client


@pytest.fixture(autouse=True)
def no_cookies(guarded):
    yield
    guarded.cookies.clear()


def basic(key: str, name: str = "anyone") -> dict:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()}


def test_without_keys_everything_is_open(tiny_model):
    client = client_of([tiny_model])
    for headers in ({}, {"authorization": "Bearer anything"}):
        assert client.get("/v2", headers=headers).status_code == 200


def test_each_key_is_taken_in_each_way(guarded):
    for key in KEYS:
        for headers in (
            {"authorization": f"Bearer {key}"},
            {"authorization": f"bearer  {key}"},
            {"x-api-key": key},
            basic(key),
            basic(key, name=""),
        ):
            assert guarded.get("/v2", headers=headers).status_code == 200, headers
            guarded.cookies.clear()


def test_without_a_known_key_it_is_401(guarded):
    for headers in (
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer new-ke"},
        {"authorization": "Bearer new-keys"},
        {"authorization": "Bearer new-key,old-key"},
        {"authorization": b"Bearer \xff\xfe"},
        {"authorization": "Basic new-key"},
        {"authorization": "Basic !!!"},
        {"authorization": "Digest new-key"},
        basic(""),
        basic("", name="new-key"),
        {"x-api-key": ""},
        {"x-api-key": "NEW-KEY"},
        {"cookie": "scanline=new-key"},
        {"cookie": "scanline="},
        {"cookie": "scanline=%ff; ;=;"},
    ):
        answer = guarded.get("/v2", headers=headers)
        assert (answer.status_code, list(answer.json())) == (401, ["error"]), headers
        schemes = [value.split()[0] for value in answer.headers.get_list("www-authenticate")]
        assert schemes == ["Bearer", "Basic"]
        assert "set-cookie" not in answer.headers
    wrong = guarded.get("/v2", headers={"x-api-key": "new-keys"})
    assert "is not known" in wrong.json()["error"]
    assert "send it as" in guarded.get("/v2").json()["error"]


def test_keys_guard_all_but_health_checks(guarded):
    model = "/v2/models/tiny"
    for method in ("GET", "HEAD"):
        for path in ("/v2/health/live", "/v2/health/ready", f"{model}/ready"):
            assert guarded.request(method, path).status_code == 200, path
    for method, path in (
        ("GET", "/"),
        ("GET", model),
        ("POST", f"{model}/infer"),
        ("POST", "/classify"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("HEAD", "/v2"),
        ("GET", "/nothing"),
        ("GET", "/v2/models/ready"),  # a network of that name is no health check
        ("GET", "/v2/models/ready/versions/ready"),
        ("POST", "/v2/health/live"),  # it has a body, which would be read
        ("POST", f"{model}/ready"),
    ):
        assert guarded.request(method, path).status_code == 401, path
        assert guarded.request(method, path, headers={"x-api-key": KEYS[0]}).status_code != 401


def test_without_a_key_readiness_names_and_loads_nothing(tiny_model, tmp_path):
    for name in ("a", "ready"):
        save_tiny_model(tmp_path / f"{name}.onnx")
    models = Models([tiny_model, tmp_path])  # of which "a" and "ready" are not loaded at the start
    key = {"x-api-key": KEYS[0]}
    with client_of(models, api_key=KEYS) as client:
        paths = ("nope", "a", "tiny/versions/99", "a/versions/1")
        for method in ("GET", "HEAD"):
            told = [client.request(method, f"/v2/models/{path}/ready") for path in paths]
            assert [answer.status_code for answer in told] == [404, 503, 404, 503]
            [text] = {answer.text for answer in told}
        assert text == ""  # of HEAD
        text = client.get("/v2/models/nope/ready").text
        assert list(json.loads(text)) == ["error"]
        assert "tiny" not in text
        assert [network.name for network in models.loaded] == ["tiny"]
        # With a key it is as without keys.
        assert "'tiny'" in client.get("/v2/models/nope/ready", headers=key).json()["error"]
        assert client.head("/v2/models/a/ready", headers=key).is_success
        assert client.get("/v2/models/a/ready").status_code == 200


# --- Cookies ----------------------------------------------------------------------------


def test_a_password_becomes_a_cookie_that_ends_with_its_key(guarded, tiny_model):
    answer = guarded.get("/v2", headers=basic(KEYS[1]))
    [cookie] = answer.headers.get_list("set-cookie")
    assert KEYS[1] not in cookie
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert guarded.get("/v2").status_code == 200
    with client_of([tiny_model], api_key=KEYS[:1]) as client:
        client.cookies = guarded.cookies
        assert client.get("/v2").status_code == 401


def test_other_applications_cookies_do_no_harm_and_get_none_of_ours(tiny_model):
    with client_of([tiny_model], api_key=KEYS, root_path="/scanline") as client:
        cookie = client.get("/v2", headers=basic(KEYS[0])).headers["set-cookie"]
        assert "; Path=/scanline/;" in cookie
        client.cookies.clear()
        cookies = f'pref={{"a":1}}; ü; {cookie.partition(";")[0]}'
        assert client.get("/v2", headers={"cookie": cookies.encode()}).status_code == 200


def test_a_bearer_gets_no_cookie(guarded):
    answer = guarded.get("/v2", headers={"authorization": "Bearer new-key"})
    assert "set-cookie" not in answer.headers


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(tiny_model):
    models = Models([tiny_model])
    for trusted, is_secure in (
        ("127.0.0.1", False),
        ("10.0.0.0/8", True),
        ("*", True),
        ("10.1.2.3,::1", True),
    ):
        settings = Settings(ui=False, api_key=KEYS, forwarded_allow_ips=trusted)
        client = TestClient(create_app(models, settings), client=("10.1.2.3", 5))
        headers = basic(KEYS[0]) | {"x-forwarded-proto": "https", "x-forwarded-for": "8.8.8.8"}
        cookie = client.get("/v2", headers=headers).headers["set-cookie"]
        assert ("; Secure" in cookie) is is_secure, trusted


# --- Other sites ------------------------------------------------------------------------


def test_only_a_listed_site_may_read_answers_and_bring_a_key(tiny_model):
    client = client_of([tiny_model])
    answer = client.get("/v2", headers={"origin": SITE})
    assert "access-control-allow-origin" not in answer.headers
    with client_of([tiny_model], cors_origins=(SITE,), api_key=KEYS) as client:
        asking = {
            "origin": SITE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type, x-api-key",
        }
        answer = client.options("/classify", headers=asking)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "access-control-allow-credentials" not in answer.headers
        refused = client.get("/v2", headers={"origin": SITE})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == SITE
        other = client.options("/classify", headers=asking | {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_websocket_opens_for_our_page_a_listed_site_and_programs():
    async def stream(scope, receive, send):
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.close()

    client = TestClient(OriginGuard(stream, (SITE,)))
    for headers in (
        {},
        {"origin": SITE},
        {"origin": "http://testserver"},
        {"origin": "http://testserver:80"},
        {"origin": "https://public.example", "x-forwarded-host": "public.example"},
        {"origin": "https://public.example", "sec-fetch-site": "same-origin"},
    ):
        with client.websocket_connect("/live", headers=headers):
            pass
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://testserver.evil.example"},
        {"origin": "http://testserver:8080"},
        {"origin": "http://testserver:x"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    ):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect("/live", headers=headers),
        ):
            pass
        assert refused.value.status_code == 403
        assert "SCANLINE_CORS_ORIGINS" in refused.value.json()["error"]


def test_the_page_is_guarded_and_its_stream_opens_by_the_cookie(tiny_model):
    settings = Settings(api_key=KEYS)

    # Without a running loop Gradio makes some of its own and never closes them.
    async def made():
        return create_app(Models([tiny_model]), settings)

    with TestClient(asyncio.run(made())) as client:
        assert client.get("/").status_code == 401
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live"):
            pass
        assert client.get("/", headers=basic(KEYS[1])).status_code == 200
        with client.websocket_connect("/live") as stream:
            stream.send_text("no drawing")
            assert "error" in stream.receive_json()
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/live", headers={"origin": "https://evil.example"}),
        ):
            pass
