"""The OpenAPI document tells the truth: schemathesis calls every operation as it is described,
and in every way that the description forbids. And it reads well in /docs."""

import re

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.app import create_app
from serving.inference import schemas
from serving.inference.models import Models
from serving.settings import Settings
from tests.support.calls import INFER, client_of, error_of, png, seven

MODELS = Models(Settings().model)
APP = create_app(MODELS, Settings(ui=False))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
# What a body must be beside its schema, JSON Schema cannot say: an image file, or as many numbers
# as another field tells. So a body that fits the schema may well be answered by 400.
EXCLUDED = [positive_data_acceptance]

pytestmark = pytest.mark.filterwarnings("ignore::Warning:schemathesis")


@SCHEMA.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_answers_as_described(case):
    excluded = EXCLUDED if case.method == "POST" else []
    if case.path == "/classify":  # whatever a form's part holds is bytes, so none violates a schema
        excluded = [*excluded, negative_data_rejection]
    case.call_and_validate(excluded_checks=excluded)


def document(**changes) -> dict:
    return create_app(MODELS, Settings(ui=False, **changes)).api.openapi()


def test_with_a_key_every_way_to_bring_it_is_described():
    described = document(api_key=("key",))
    schemes = described["components"]["securitySchemes"]
    assert {(kind["type"], kind.get("scheme"), kind.get("name")) for kind in schemes.values()} == {
        ("http", "bearer", None),
        ("http", "basic", None),
        ("apiKey", None, "X-API-Key"),
    }
    assert sorted(name for way in described["security"] for name in way) == sorted(schemes)
    free = {
        path
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if operation.get("security") == []
    }
    model = "/v2/models/{model}"
    assert free == {
        "/v2/health/live",
        "/v2/health/ready",
        f"{model}/ready",
        f"{model}/versions/{{version}}/ready",
    }


def test_without_a_key_none_is_described():
    described = document()
    assert "security" not in described
    assert "securitySchemes" not in described["components"]


@pytest.fixture(scope="module")
def client(tiny_model):
    with client_of([tiny_model]) as client:
        yield client


def operations(described: dict) -> list[dict]:
    return [item for path in described["paths"].values() for item in path.values()]


def examples(client: TestClient, path: str, status: str = "200") -> dict:
    """By name, as /docs has them for a POST."""
    answers = client.get("/openapi.json").json()["paths"][path]["post"]["responses"]
    content = answers[status]["content"]["application/json"]
    assert "$ref" in content["schema"]
    return {name: example["value"] for name, example in content["examples"].items()}


INFER_PATH = "/v2/models/{model}/infer"


def test_no_422_is_named_and_the_request_of_the_example_is_answered(client):
    described = client.get("/openapi.json").json()
    assert len(operations(described)) == 16
    for operation in operations(described):
        assert set(operation["responses"]) == {"200", "4XX", "503"}
    content = described["paths"][INFER_PATH]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]
    assert client.post(INFER, json=example).status_code == 200
    assert client.get("/docs").status_code == 200


def test_operations_are_named_in_words_and_for_programs():
    described = document()
    for operation in operations(described):
        # FastAPI makes titles of functions' names.
        assert operation["summary"] != operation["operationId"].replace("_", " ").title()
        assert operation["summary"].count(" ") >= 2
    names = {operation["operationId"] for operation in operations(described)}
    assert all(name.isidentifier() and "v2" not in name for name in names)
    assert {"classify", "infer", "infer_of_version", "model_ready", "server_ready"} <= names
    assert len(names) == 16


def test_every_tag_is_described_and_pictures_come_first():
    described = document()
    tags = [tag["name"] for tag in described["tags"]]
    assert tags[:2] == ["pictures", "inference"]
    assert all(tag["description"] for tag in described["tags"])
    assert {tag for operation in operations(described) for tag in operation["tags"]} == set(tags)


def test_every_verdict_has_an_example(client):
    shown = examples(client, "/classify")
    for example in shown.values():
        schemas.Classified.model_validate(example)
    # Null is there, not left out.
    reasons = {name: example["results"][0]["reason"] for name, example in shown.items()}
    assert reasons.pop("one of two files cannot be read") is reasons.pop("accepted") is None
    assert reasons.pop("not sure") == "not sure: 4 or 9"
    assert reasons == {name: name for name in ("no ink", "not a digit", "more than one digit")}


def test_examples_of_classify_are_as_the_server_answers(client):
    shown = examples(client, "/classify")
    files = [("file", ("seven.png", png(seven()))), ("file", ("notes.txt", b"no image"))]
    told = client.post("/classify", files=files).json()
    [accepted, broken] = shown["one of two files cannot be read"]["results"]
    assert [*told["results"][0]] == [*accepted]
    assert told["results"][1] == broken
    [error] = examples(client, "/classify", "4XX").values()
    assert client.post("/classify", content=b"no image").json() == error


def test_examples_of_infer_are_as_the_server_answers(client):
    described = client.get("/openapi.json").json()["paths"][INFER_PATH]["post"]
    request = described["requestBody"]["content"]["application/json"]["example"]
    [shown] = examples(client, INFER_PATH).values()
    told = client.post(INFER, json=request).json()
    assert [*told] == [*shown]
    assert (told["id"], len(told["outputs"])) == (shown["id"], len(shown["outputs"]))
    for key in ("name", "datatype", "shape"):
        assert told["outputs"][0][key] == shown["outputs"][0][key]
    [error] = examples(client, INFER_PATH, "4XX").values()
    request["inputs"][0]["shape"] = [1, 784]
    assert {"error": error_of(client.post(INFER, json=request), 400)} == error
    assert examples(client, "/v2/models/{model}/versions/{version}/infer")


def test_docs_load_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    files = re.findall(r"""<(?:script|link)[^>]+(?:src|href)="([^"]+)""", page)
    assert len(files) == 3  # style, script, icon
    for file in files:
        assert file.startswith("/")
        assert client.get(file).status_code == 200
