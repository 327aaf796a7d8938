"""Gradio's routes: what the page needs is there, and nothing leads to files or other sites."""

import asyncio
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.api import create_app
from serving.app import mount
from serving.models import Models
from serving.settings import Settings


@pytest.fixture(scope="module")
def client(tiny_model):
    models, settings = Models([tiny_model]), Settings()

    # Without a running loop Gradio makes some of its own and never closes them.
    async def mounted():
        return mount(create_app(models, settings), models, settings)

    with TestClient(asyncio.run(mounted()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    path.write_text("a secret")
    return path


SPELLINGS = [
    str,
    lambda path: quote(path, safe=""),
    lambda path: quote(quote(path, safe=""), safe=""),
    lambda path: f"/{path}",
    lambda path: f"file://{path}",
    lambda path: "../" * 20 + path.lstrip("/"),
    lambda path: "..%2f" * 20 + path.lstrip("/"),
    lambda path: "%2e%2e/" * 20 + path.lstrip("/"),
    lambda path: "..\\" * 20 + path,
    lambda path: f"{path}%00.png",
    lambda path: f"{path}?x=.png",
    lambda path: f"/tmp/../{path}",
]
PREFIXES = [
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/gradio_api//file=",
    "/gradio_api/./file=",
    "/gradio_api/heartbeat/../file=",
    "/gradio_api/heartbeat/%2e%2e/file=",
    "/file=",
    "/file/",
    "/assets/",
    "/static/",
    "/svelte/",
    "/live/",
    "/gradio_api/proxy=",
    "/gradio_api/custom_component/1/client/component/",
]


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_spelling_leads_to_a_file(client, secret, prefix, spell):
    for path in (str(secret), "/etc/passwd", __file__):
        answer = client.get(prefix + spell(path))
        assert 400 <= answer.status_code < 500
        assert b"a secret" not in answer.content
        assert b"root:" not in answer.content
        assert b"PREFIXES" not in answer.content


@pytest.mark.parametrize("route", ["file=", "file/", "proxy="])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://example.com/", "//example.com/", "https://a.hf.space/"]
)
def test_nothing_is_fetched_for_others(client, route, url):
    assert client.get(f"/gradio_api/{route}{url}").status_code == 404
    assert client.get(f"/gradio_api/{route}{quote(url, safe='')}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/upload/"),
        ("POST", "/gradio_api//upload"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/component_server/"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/vibe-code"),
        ("POST", "/gradio_api/run-history/connect"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/gradio_api/dev/reload"),
        ("POST", "/login"),
        ("GET", "/logout"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("DELETE", "/"),
        ("PUT", "/config"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(client, method, path):
    answer = client.request(method, path)
    assert answer.status_code in (404, 405)
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/theme.css",
        "/gradio_api/info",
        "/gradio_api/startup-events",
        "/gradio_api/app_id",
    ],
)
def test_what_the_page_needs_is_there(client, path):
    assert client.get(path).status_code == 200


def test_gradio_keeps_no_telemetry_and_no_files(client):
    gradio = client.app.routes[-1].app
    assert gradio.get_blocks().analytics_enabled is False
    assert not gradio.get_blocks().allowed_paths
    assert gradio.get_blocks().max_file_size == Settings().max_body_bytes
