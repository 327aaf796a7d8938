"""Health checks by HEAD, as load balancers make them: GET's answers without a body."""

import http.client

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.running import port_of, serving

READY = [
    "/v2/health/ready",
    "/v2/models/tiny/ready",
    f"/v2/models/tiny/versions/{TINY_VERSION}/ready",
]
HEALTH = ["/v2/health/live", *READY]


@pytest.fixture
def several(tiny_model, tmp_path):
    """Networks of which "late" is not loaded at the start."""
    save_tiny_model(tmp_path / "late.onnx")
    return Models([tiny_model, tmp_path])


def same_by_head(client: TestClient, path: str) -> int:
    """The status of both; it is the test's business which one that should be."""
    get, head = client.get(path), client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    names = ("content-type", "content-length", "retry-after")
    assert [head.headers.get(name) for name in names] == [get.headers.get(name) for name in names]
    return head.status_code


@pytest.mark.parametrize("keys", [(), ("key",)])
def test_head_is_get_without_a_body_and_needs_no_key(several, keys):
    with TestClient(create_app(several, Settings(api_key=keys))) as client:
        for path in HEALTH:
            assert same_by_head(client, path) == 200
        assert same_by_head(client, "/v2/models/none/ready") == 404
        client.app.state.gate.ready = False
        assert same_by_head(client, "/v2/health/live") == 200
        for path in READY:
            assert same_by_head(client, path) == 503


def test_head_without_a_key_loads_no_network(several):
    with TestClient(create_app(several, Settings(api_key=("key",)))) as client:
        assert same_by_head(client, "/v2/models/late/ready") == 503
        assert [network.name for network in several.loaded] == ["tiny"]
        assert client.head("/v2/models/late/ready", headers={"x-api-key": "key"}).is_success


def test_what_is_no_health_check_is_not_open(several):
    with TestClient(create_app(several, Settings(api_key=("key",)))) as client:
        assert client.head("/v2").status_code == 401
        assert client.head("/v2", headers={"x-api-key": "key"}).status_code == 405


def test_the_connection_goes_on_after_a_head(tiny_model):
    """Were a body sent, it would stand before the next answer."""
    with serving("--model", str(tiny_model)) as process:
        client = http.client.HTTPConnection("127.0.0.1", port_of(process), timeout=30)
        for path in HEALTH:
            for method in ("HEAD", "GET"):
                client.request(method, path)
                with client.getresponse() as answer:
                    assert answer.status == 200
                    assert bool(answer.read()) == (method == "GET")
        client.close()


def test_docs_show_each_health_check_once(several):
    paths = create_app(several, Settings()).openapi()["paths"]
    assert {method for path in paths if "health" in path for method in paths[path]} == {"get"}
    assert [*paths["/v2/models/{model}/ready"]] == ["get"]
