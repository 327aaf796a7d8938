"""Gradio's routes: what the page needs is there, and nothing leads to files or other sites."""

import asyncio
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.inference.models import Models
from serving.page.app import mount
from serving.settings import Settings

# Gradio's own, in its figures on waiting times.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


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
        ("POST", "/gradio_api/run/classify"),
        ("POST", "/gradio_api/api/classify"),
        ("POST", "/gradio_api/api/predict/"),
        ("POST", "/gradio_api/call/nope"),
        ("POST", "/gradio_api/call/v2/nope"),
        ("GET", "/gradio_api/call/nope/1"),
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


BODIES = [
    b"",
    b"[]",
    b"null",
    b"x",
    b"\xff",
    b"{}",
    b'{"data":null}',
    b'{"data":[]}',
    b'{"data":["a","b"]}',
    b'{"image":7,"more":1}',
]
FUNCTIONS = [
    b'{"data":["x"],"fn_index":99,"session_hash":"a"}',
    b'{"data":["x"],"fn_index":-1,"session_hash":"a"}',
    b'{"data":["x"],"fn_index":0,"session_hash":null}',
    b'{"data":["x"],"session_hash":"a"}',
]
MISTAKES = [
    *((path, body) for path in ("cancel", "reset") for body in BODIES),
    *((path, body) for path in ("call/classify", "call/v2/classify") for body in BODIES),
    *(("queue/join", body) for body in BODIES + FUNCTIONS),
]


@pytest.mark.parametrize(("path", "body"), MISTAKES)
def test_clients_mistakes_are_theirs(client, caplog, capfd, path, body):
    headers = {"content-type": "application/json"}
    answer = client.post(f"/gradio_api/{path}", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert list(answer.json()) == ["error"]
    assert isinstance(answer.json()["error"], str)
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "odd",
    [
        {"batched": True},
        {"event_data": {"_data": 7, "target": 9}},
        {"event_data": "x"},
        {"trigger_id": 99},
        {"event_id": "zz"},
        {"simple_format": True},
    ],
)
def test_what_only_gradios_own_components_send_is_ignored(client, capfd, odd):
    call = {"data": ["no image"], "fn_index": 0, "session_hash": str(odd)} | odd
    assert client.post("/gradio_api/queue/join", json=call).is_success
    events = client.get("/gradio_api/queue/data", params={"session_hash": str(odd)}).text
    assert "image must be a file in base64" in events
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_full_queue_is_told_as_everywhere(client, monkeypatch):
    queue = client.app.routes[-1].app.get_blocks()._queue
    monkeypatch.setattr(queue, "max_size", 0)
    answer = client.post("/gradio_api/call/classify", json={"data": ["x"]})
    assert (answer.status_code, list(answer.json())) == (503, ["error"])


def test_one_picture_is_decoded_at_a_time(client):
    functions = client.app.routes[-1].app.get_blocks().fns.values()
    assert [function.concurrency_limit for function in functions] == ["default"]
    assert client.app.routes[-1].app.get_blocks()._queue.default_concurrency_limit == 1


@pytest.mark.parametrize("path", ["/assets//etc/passwd", "/gradio_api/queue/data", "/nope"])
def test_errors_have_the_shape_of_all(client, path):
    answer = client.get(path)
    assert 400 <= answer.status_code < 500
    assert list(answer.json()) == ["error"]
