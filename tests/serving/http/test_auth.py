"""API keys, other sites' pages, and the Origin of WebSockets."""

import asyncio
import base64
import json

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from serving.app import create_app
from serving.inference.models import Models
from serving.page.app import mount
from serving.server import Config
from serving.settings import Settings
from tests.conftest import save_tiny_model

KEYS = ("new-key", "old-key")
SITE = "https://example.org"


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


def client_of(models, **changes) -> TestClient:
    settings = Settings(**{"ui": False, **changes})
    return TestClient(create_app(models, settings), raise_server_exceptions=False)


@pytest.fixture
def guarded(models):
    with client_of(models, api_key=KEYS) as client:
        yield client


def page_of(models, **changes) -> TestClient:
    settings = Settings(**changes)

    # Without a running loop Gradio makes some of its own and never closes them.
    async def mounted():
        return mount(create_app(models, settings), models, settings)

    return TestClient(asyncio.run(mounted()))


@pytest.fixture(scope="module")
def shared_page(models):
    with page_of(models, api_key=KEYS) as client:
        yield client


@pytest.fixture
def guarded_page(shared_page):
    yield shared_page
    shared_page.cookies.clear()


def basic(key: str, name: str = "anyone") -> dict:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()}


def test_without_a_key_everything_is_open(models):
    with client_of(models) as client:
        assert client.get("/v2").status_code == 200
        assert client.get("/v2", headers={"authorization": "Bearer anything"}).status_code == 200


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"bearer  {key}"},
        lambda key: {"x-api-key": key},
        basic,
        lambda key: basic(key, name=""),
    ],
)
def test_each_key_is_taken_in_each_way(guarded, key, headers):
    assert guarded.get("/v2", headers=headers(key)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
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
    ],
)
def test_without_a_known_key_it_is_401(guarded, headers):
    answer = guarded.get("/v2", headers=headers)
    assert answer.status_code == 401
    assert list(answer.json()) == ["error"]
    schemes = [value.split()[0] for value in answer.headers.get_list("www-authenticate")]
    assert schemes == ["Bearer", "Basic"]
    assert "key" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", "/v2/models/tiny"),
        ("POST", "/v2/models/tiny/infer"),
        ("POST", "/classify"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/live/core/main.js"),
        ("GET", "/live/config.json"),
        ("POST", "/live/picture"),
        ("GET", "/gradio_api/info"),
        ("POST", "/gradio_api/call/classify"),
        ("GET", "/nothing"),
    ],
)
def test_the_key_guards_the_page_and_all_else_but_health(guarded_page, method, path):
    assert guarded_page.request(method, path).status_code == 401
    assert guarded_page.request(method, path, headers=basic(KEYS[0])).status_code != 401


def test_health_is_open(guarded):
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready"):
        assert guarded.get(path).status_code == 200


@pytest.fixture
def several(tiny_model, tmp_path):
    """Networks of a folder, of which "a" and "ready" are not loaded at the start."""
    for name in ("a", "ready"):
        save_tiny_model(tmp_path / f"{name}.onnx")
    return Models([tiny_model, tmp_path])


def test_without_a_key_readiness_names_and_loads_nothing(several):
    with client_of(several, api_key=KEYS) as client:
        told = {
            path: client.get(f"/v2/models/{path}/ready")
            for path in ("nope", "a", "tiny/versions/99", "a/versions/1")
        }
        assert [answer.status_code for answer in told.values()] == [404, 503, 404, 503]
        [text] = {answer.text for answer in told.values()}
        assert list(json.loads(text)) == ["error"]
        assert "tiny" not in text
        assert client.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
        assert [network.name for network in several.loaded] == ["tiny"]
        # With a key it is as without keys.
        answer = client.get("/v2/models/nope/ready", headers={"x-api-key": KEYS[0]})
        assert "'tiny'" in answer.json()["error"]
        assert client.get("/v2/models/a/ready", headers={"x-api-key": KEYS[0]}).is_success
        assert client.get("/v2/models/a/ready").status_code == 200


def test_without_a_key_draining_is_told(several):
    with client_of(several, api_key=KEYS) as client:
        client.app.state.gate.ready = False
        answer = client.get("/v2/models/tiny/ready")
        assert (answer.status_code, list(answer.json())) == (503, ["error"])
        assert answer.headers["retry-after"]


def test_a_network_called_ready_is_no_health_check(several):
    with client_of(several, api_key=KEYS) as client:
        assert client.get("/v2/models/ready").status_code == 401
        assert client.get("/v2/models/ready/versions/ready").status_code == 401


@pytest.mark.parametrize(
    ("trusted", "is_secure"),
    [("127.0.0.1", False), ("10.0.0.0/8", True), ("*", True), ("10.1.2.3,::1", True)],
)
def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(models, trusted, is_secure):
    settings = Settings.parse(["--no-ui", "--forwarded-allow-ips", trusted], {})
    config = Config(settings.model_copy(update={"api_key": KEYS}))
    proxied = ProxyHeadersMiddleware(
        create_app(models, config.settings), config.forwarded_allow_ips
    )
    with TestClient(proxied, client=("10.1.2.3", 5)) as client:
        headers = basic(KEYS[0]) | {"x-forwarded-proto": "https"}
        assert ("; Secure" in client.get("/v2", headers=headers).headers["set-cookie"]) is is_secure


def test_a_password_becomes_a_cookie_which_opens_the_stream(guarded_page):
    with pytest.raises(WebSocketDisconnect), guarded_page.websocket_connect("/live"):
        pass
    answer = guarded_page.get("/", headers=basic(KEYS[1]))
    assert answer.status_code == 200
    [cookie] = answer.headers.get_list("set-cookie")
    assert KEYS[1] not in cookie
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert guarded_page.get("/v2").status_code == 200
    with guarded_page.websocket_connect("/live") as stream:
        stream.send_text("no drawing")
        assert "binary" in stream.receive_json()["error"]


def test_a_cookie_ends_with_its_key(models):
    with client_of(models, api_key=KEYS) as client:
        client.get("/v2", headers=basic("old-key"))
        cookies = client.cookies
        assert client.get("/v2").status_code == 200
    with client_of(models, api_key=("new-key",)) as client:
        client.cookies = cookies
        assert client.get("/v2").status_code == 401


def test_a_bearer_gets_no_cookie(guarded):
    answer = guarded.get("/v2", headers={"authorization": "Bearer new-key"})
    assert "set-cookie" not in answer.headers


def test_the_key_stands_in_no_text_of_the_settings(capsys):
    settings = Settings.parse(["--no-ui"], {"SCANLINE_API_KEY": "new-key, old-key"})
    assert settings.api_key == KEYS
    assert "new-key" not in repr(settings)
    for bad in ("", "a,,b", "with space", "ä"):
        with pytest.raises(SystemExit):
            Settings.parse([], {"SCANLINE_API_KEY": bad})
        text = capsys.readouterr().err
        assert "SCANLINE_API_KEY" in text
        assert repr(bad) not in text
    with pytest.raises(SystemExit):
        Settings.parse(["--api-key", "new-key"], {})


# --- Other sites ------------------------------------------------------------------------


def test_by_default_no_other_site_may_read_an_answer(models):
    with client_of(models) as client:
        answer = client.get("/v2", headers={"origin": SITE})
        assert "access-control-allow-origin" not in answer.headers


def test_a_listed_site_may_call_and_bring_a_key(models):
    with client_of(models, cors_origins=(SITE,), api_key=KEYS) as client:
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org", ("https://example.org",)),
        ("HTTPS://Example.org, http://[::1]:80", ("https://example.org", "http://[::1]:80")),
        ("*", ("*",)),
    ],
)
def test_origins_are_read(text, expected):
    assert Settings.parse([], {"SCANLINE_CORS_ORIGINS": text}).cors_origins == expected


@pytest.mark.parametrize("text", ["example.org", "https://a.org/", "https://a.org,", "ftp://a", ""])
def test_what_is_no_origin_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        Settings.parse([], {"SCANLINE_CORS_ORIGINS": text})
    assert "SCANLINE_CORS_ORIGINS" in capsys.readouterr().err


@pytest.fixture(scope="module")
def page(models):
    with page_of(models, cors_origins=(SITE,)) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": SITE},
        {"origin": "http://testserver"},
        {"origin": "http://testserver:80"},
        {"origin": "https://public.example", "x-forwarded-host": "public.example"},
        {"origin": "https://public.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_the_stream_opens_for_our_page_a_listed_site_and_programs(page, headers):
    with page.websocket_connect("/live", headers=headers) as stream:
        stream.send_text("")
        assert "error" in stream.receive_json()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://testserver.evil.example"},
        {"origin": "http://testserver:8080"},
        {"origin": "http://testserver:x"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_the_stream_stays_closed_for_other_sites(page, headers):
    with (
        pytest.raises(WebSocketDisconnect),
        page.websocket_connect("/live", headers=headers),
    ):
        pass
