"""``POST /v2/models/{model}/infer`` over the tiny network: good bodies and bad ones."""

import json

import numpy as np
import pytest
from fastapi.testclient import TestClient

from model import signature
from serving import app as api
from serving.inference.models import Models
from tests.conftest import TINY_VERSION
from tests.support.calls import (
    BODY_TYPES,
    DEEP,
    INFER,
    MODEL,
    SETTINGS,
    bomb,
    error_of,
    png,
    request,
    seven,
)

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture(scope="module")
def predictor(models):
    return models.default


@pytest.fixture(scope="module")
def client(models):
    # A 500 must come as an answer here, as it does to a real client, not as an exception.
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, signature.STEPS, signature.PIXELS))


@pytest.fixture(autouse=True)
def still_answering(client):
    yield
    response = client.post("/classify", content=png(seven()), headers=BODY_TYPES)
    assert response.status_code == 200


@pytest.mark.parametrize("batch", [1, 4])  # one is answered inline, four in a thread
@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("path", [INFER, f"{MODEL}/versions/{TINY_VERSION}/infer"])
def test_infer_gives_what_the_network_gives(client, predictor, images, batch, datatype, path):
    body = request(np.repeat(images[:batch], 2, axis=0), datatype=datatype)
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["model_name"], answer["model_version"]) == ("tiny", TINY_VERSION)
    assert "id" not in answer
    expected = predictor.run(np.repeat(images[:batch], 2, axis=0))
    assert [output["name"] for output in answer["outputs"]] == list(expected)
    for output in answer["outputs"]:
        values = np.reshape(output["data"], output["shape"]).astype(np.float32)
        assert output["datatype"] == "FP32"
        np.testing.assert_array_equal(values, expected[output["name"]])


def test_infer_selects_outputs_and_echoes_the_id(client, images):
    wanted = [signature.hidden_forward(1), signature.PROBABILITIES]
    body = {**request(images[:1]), "id": "a-1", "outputs": [{"name": name} for name in wanted]}
    answer = client.post(INFER, json=body).json()
    assert answer["id"] == "a-1"
    assert [output["name"] for output in answer["outputs"]] == wanted


def test_the_score_is_an_output_like_any_other(doubting_model, images):
    models = Models([doubting_model])
    client = TestClient(api.create_app(models, SETTINGS))
    path = "/v2/models/doubting"
    described = client.get(path).json()["outputs"]
    assert {"name": signature.SCORE, "datatype": "FP32", "shape": [-1, 1]} in described
    assert [output["name"] for output in described] == signature.output_names(1, False, score=True)
    body = {**request(images), "outputs": [{"name": signature.SCORE}]}
    [output] = client.post(f"{path}/infer", json=body).json()["outputs"]
    assert output["shape"] == [len(images), 1]
    expected = models.default.run(images)[signature.SCORE].ravel()
    np.testing.assert_array_equal(np.float32(output["data"]), expected)


# --- What a client can get wrong --------------------------------------------------------

BAD_BODIES = {
    "empty": b"",
    "text": b"hello",
    "not an object": b"[]",
    "truncated PNG": png(seven())[:-60],
    "bomb": bomb(),
    "NaN": json.dumps(request(np.full((1, 28, 28), np.nan))).encode(),
    "infinity": json.dumps(request(np.full((1, 28, 28), np.inf))).encode(),
    "shape": json.dumps(request(np.zeros((1, 28, 27), int))).encode(),
    "count": json.dumps(request(np.zeros((1, 28, 28), int), data=[0])).encode(),
    "name": json.dumps(request(np.zeros((1, 28, 28), int), name="image")).encode(),
    "datatype": json.dumps(request(np.zeros((1, 28, 28), int), datatype="BYTES")).encode(),
    "batch": json.dumps(request(np.zeros((9, 28, 28), int))).encode(),
    "nested": b'{"inputs":' + b"[" * (7 * 2**20),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_inference_request(client, case):
    error_of(client.post(INFER, content=BAD_BODIES[case], headers=JSON), 400)


def test_too_large_a_body(client):
    message = error_of(client.post(INFER, content=DEEP, headers=JSON), 413)
    assert str(SETTINGS.max_body_bytes) in message
    error_of(client.post(INFER, content=iter([DEEP[: 2**20]] * 10), headers=JSON), 413)
    chunks = iter([bytes(2**20)] * 10)
    error_of(client.post("/classify", content=chunks, headers=BODY_TYPES), 413)


def test_largest_body_that_is_allowed_is_read(client):
    body = json.dumps(request(np.zeros((1, 28, 28), int))).encode()
    assert client.post(INFER, content=body.ljust(SETTINGS.max_body_bytes)).status_code == 200
    error_of(client.post(INFER, content=body.ljust(SETTINGS.max_body_bytes + 1)), 413)
