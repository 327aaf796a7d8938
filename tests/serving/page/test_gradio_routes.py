"""The Gradio app: our page at /, its API for `gradio_client`, and nothing that leads to files."""

import asyncio
import base64
import io
import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageDraw

from model.predictor import Predictor
from serving.app import create_app
from serving.inference.models import Models
from serving.page.gradio_routes import classifier
from serving.settings import Settings
from tests.support.running import running, url_of

# Gradio's own, in its figures on waiting times.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

SETTINGS = Settings(max_pixels=1_000_000)


@pytest.fixture(scope="module")
def client(tiny_model):
    # Without a running loop Gradio makes some of its own and never closes them.
    async def app():
        return create_app(Models([tiny_model]), SETTINGS)

    with TestClient(asyncio.run(app()), raise_server_exceptions=False) as client:
        yield client


def picture(*lines) -> bytes:
    image = Image.new("L", (100, 100), 255)
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=0, width=9)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


SEVEN = picture([(25, 20), (75, 20), (45, 85)])
SEVEN_TEXT = base64.b64encode(SEVEN).decode()


def call(client, image) -> str:
    """Call Gradio's endpoint as its documentation says; gives the last server-sent event."""
    started = client.post("/gradio_api/call/classify", json={"data": [image]})
    assert started.status_code == 200, started.text
    return client.get(f"/gradio_api/call/classify/{started.json()['event_id']}").text


def test_the_page_is_our_own_document(client):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in answer.text
    assert "<title>Scanline: watch a network read</title>" in answer.text
    assert re.findall(r'property="og:(\w+)"', answer.text) == ["type", "title", "description"]
    assert "radio" not in re.sub(r'type="radio"', "", answer.text)
    assert client.head("/").status_code == 200


def test_a_base64_text_and_a_data_url_are_read(client):
    for prefix in ("", "data:image/png;base64,"):
        answer = call(client, prefix + SEVEN_TEXT)
        assert "event: complete" in answer
        assert '"digit"' in answer
        assert '"rejected": false' in answer


def test_gradios_own_client_classifies_a_file(tmp_path):
    """The real server and the unmodified client; nothing of the file is left behind."""
    (tmp_path / "seven.png").write_bytes(SEVEN)
    (tmp_path / "words.txt").write_text("seven")
    cache = tmp_path / "cache"
    with running("--port", "0", GRADIO_TEMP_DIR=str(cache)) as process:
        gradio = Client(url_of(process), verbose=False, analytics_enabled=False)
        for image in (handle_file(tmp_path / "seven.png"), SEVEN_TEXT):
            assert gradio.predict(image, api_name="/classify")["digit"] == 7
        with pytest.raises(AppError, match="not an image"):
            gradio.predict(handle_file(tmp_path / "words.txt"), api_name="/classify")
        gradio.close()
        assert not [path for path in cache.rglob("*") if path.is_file()]


def test_what_an_upload_gives_is_the_file_itself(client):
    [path] = client.post("/gradio_api/upload", files={"files": ("x.png", SEVEN)}).json()
    assert base64.b64decode(path.partition(",")[2]) == SEVEN
    meta = {"_type": "gradio.FileData"}
    assert "event: complete" in call(client, {"path": path, "meta": meta})


def test_an_upload_is_one_file_that_a_call_can_carry(client):
    large = b"\0" * (SETTINGS.max_body_bytes * 3 // 4)
    two = [("files", ("a", SEVEN)), ("files", ("b", SEVEN))]
    for files, status in (({"files": ("x", large)}, 413), (two, 400)):
        answer = client.post("/gradio_api/upload", files=files)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_it_rejects_as_classify_does(doubting_model):
    read = classifier(Predictor(doubting_model), SETTINGS.max_pixels)
    answer = read(base64.b64encode(picture([(52, 15), (48, 85)])).decode())
    assert (answer["digit"], answer["rejected"], answer["reason"]) == (4, True, "not sure: 4 or 9")


def test_what_is_no_image_is_told_and_is_no_news_for_the_log(client, caplog, capfd):
    for image in ("", "not base64!", base64.b64encode(b"GIF89a, not really").decode()):
        assert "event: error" in call(client, image)
    assert "event: complete" in call(client, SEVEN_TEXT)
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


BODIES = [
    *(b"", b"[]", b"null", b"x", b"\xff", b"{}", b'{"data":null}', b'{"data":[]}'),
    *(b'{"data":["a","b"]}', b'{"data":[7]}', b'{"data":[null]}', b'{"image":7,"more":1}'),
    *(b'{"image":7}', b'{"data":["x"],"session_hash":""}'),
    b'{"data":[{"path":"/etc/passwd","meta":{"_type":"gradio.FileData"}}]}',
    b'{"data":[{"path":"http://127.0.0.1:1/","meta":{"_type":"gradio.FileData"}}]}',
    b'{"data":[{"path":7}]}',
]
FUNCTIONS = [
    b'{"data":["x"],"fn_index":99,"session_hash":"a"}',
    b'{"data":["x"],"fn_index":-1,"session_hash":"a"}',
    b'{"data":["x"],"fn_index":0,"session_hash":null}',
    b'{"data":["x"],"session_hash":"a"}',
]


def test_clients_mistakes_are_theirs(client, caplog, capfd):
    paths = ("cancel", "reset", "call/classify", "call/v2/classify", "queue/join")
    cases = [(path, body) for path in paths for body in BODIES]
    cases += [("queue/join", body) for body in FUNCTIONS]
    headers = {"content-type": "application/json"}
    for path, body in cases:
        answer = client.post(f"/gradio_api/{path}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
        assert list(answer.json()) == ["error"], (path, body)
        assert isinstance(answer.json()["error"], str)
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


def test_what_only_gradios_own_components_send_is_ignored(client, capfd):
    event = {"event_data": {"_data": 7, "target": 9}}
    odd = [{"batched": True}, event, {"event_data": "x"}, {"trigger_id": 99}]
    odd += [{"event_id": "zz"}, {"simple_format": True}]
    for number, more in enumerate(odd):
        session = f"s{number}"
        body = {"data": ["no image"], "fn_index": 0, "session_hash": session} | more
        assert client.post("/gradio_api/queue/join", json=body).is_success, more
        events = client.get("/gradio_api/queue/data", params={"session_hash": session}).text
        assert "image must be a file in base64" in events, more
    assert "Traceback" not in "".join(capfd.readouterr())


SPELLINGS = [
    str,
    lambda path: quote(path, safe=""),
    lambda path: quote(quote(path, safe=""), safe=""),
    lambda path: f"/{path}",
    lambda path: f"file://{path}",
    lambda path: "../" * 20 + path.lstrip("/"),
    lambda path: "%2e%2e/" * 20 + path.lstrip("/"),
    lambda path: f"{path}%00.png",
    lambda path: f"https://example.com{path}",
]
PREFIXES = ["file=", "file/", "/file=", "./file=", "heartbeat/../file=", "heartbeat/%2e%2e/file="]
PREFIXES = [f"/gradio_api/{prefix}" for prefix in [*PREFIXES, "proxy=", "stream/", "upload/"]]
PREFIXES += ["/file=", "/assets/", "/static/", "/svelte/", "/live/", "/live/core/"]


def test_no_spelling_leads_to_a_file_or_to_another_site(client, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    for prefix in PREFIXES:
        for spell in SPELLINGS:
            for path in (str(secret), "/etc/passwd"):
                answer = client.get(prefix + spell(path))
                assert 400 <= answer.status_code < 500, prefix + spell(path)
                assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "route",
    [
        *("POST /gradio_api/run/classify", "POST /gradio_api/api/classify"),
        *("POST /gradio_api/call/nope", "POST /gradio_api/call/v2/nope"),
        *("GET /gradio_api/call/nope/1", "POST /gradio_api/process_recording"),
        *("POST /gradio_api/component_server", "POST /gradio_api/vibe-edit"),
        *("POST /gradio_api/run-history/connect", "GET /gradio_api/deep_link"),
        *("GET /gradio_api/dev/reload", "POST /login", "GET /logout", "GET /monitoring/summary"),
        *("GET /theme.css", "GET /nope", "DELETE /", "PUT /config", "GET /gradio_api/queue/data"),
        "GET /gradio_api/heartbeat/x",  # never ends
    ],
)
def test_what_no_client_needs_is_not_there(client, route):
    answer = client.request(*route.split())
    assert answer.status_code in (404, 405, 422)
    assert list(answer.json()) == ["error"]


def test_other_sites_pages_may_not_read(client):
    for path in ("/", "/config", "/gradio_api/info"):
        answer = client.get(path, headers={"origin": "https://example.org", "host": "a.example"})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


def test_no_path_takes_more_than_the_largest_body(client):
    body = b'{"data": ["' + b"A" * SETTINGS.max_body_bytes + b'"]}'
    for path in ("call/classify", "queue/join", "upload", "any"):
        for content in (body, iter([body[: 2**20]] * 9)):
            answer = client.post(f"/gradio_api/{path}", content=content)
            assert (answer.status_code, list(answer.json())) == (413, ["error"]), path
