"""The OpenAPI document tells the truth: schemathesis calls every operation as it is described,
and in every way that the description forbids."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.api import create_app
from serving.models import Models
from serving.settings import Settings

SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(Models(Settings.model), Settings())
)
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
    return create_app(Models(Settings.model), Settings(**changes)).openapi()


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
