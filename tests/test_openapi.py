"""The OpenAPI document tells the truth: schemathesis calls every operation as it is described,
and in every way that the description forbids."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

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
    case.call_and_validate(excluded_checks=EXCLUDED if case.method == "POST" else [])
