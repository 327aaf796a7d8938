"""Image files taken out of forms, whatever their headers say."""

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import save_tiny_model


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    model = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")
    app = create_app(Models([model]), Settings(ui=False))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def classify(client, charset: str, name: str):
    """Post a form with two files, neither of which is an image."""
    part = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nno image\r\n'
    )
    return client.post(
        "/classify",
        content=f"{part}{part}--x--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"},
    )


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("utf-7", "+2AA-.png"),  # half a surrogate pair
        ("unicode_escape", r"\ud800.png"),
        ("raw_unicode_escape", r"\ud800.png"),
        ("undefined", "a.png"),
        ("punycode", "a-\u00e9.png"),
        ("utf-8", "\u4e03.png"),
        ("nonsense", "\u4e03.png"),
    ],
)
def test_no_charset_of_the_clients_breaks_the_answer(client, charset, name):
    answer = classify(client, charset, name)
    assert answer.status_code == 200
    # A backslash in a quoted text escapes, or is of a path of Windows that is cut off.
    assert answer.json()["results"][0]["file"] in (name, name[1:])
    assert "not an image" in answer.json()["results"][0]["error"]
