"""Hostile input in small amounts; ``python -m tests.fuzz`` throws the same at a real server."""

import gc
import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from model import signature
from model.images.files import PictureError, open_picture
from model.prediction import prepare
from serving.app import create_app
from serving.inference.json_codec import parse_infer
from serving.inference.models import Models
from serving.inference.tensors import ProtocolError
from serving.settings import Settings
from tests.fuzz import bodies, forms, pictures, zipped
from tests.fuzz.__main__ import PEAK, judge, shares
from tests.fuzz.tally import Tally

OUTPUTS = [signature.PROBABILITIES, signature.STEP_PROBABILITIES]
MAX_BATCH, MAX_PIXELS = 8, 1_000_000
CASES = range(10)  # of 30 each
patient = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)


@pytest.fixture(scope="module")
def client(tiny_model):
    app = create_app(Models([tiny_model]), Settings(max_batch=MAX_BATCH, max_pixels=MAX_PIXELS))
    with TestClient(app) as client:  # which raises what the server did not expect
        yield client


@pytest.mark.parametrize("seed", CASES)
def test_broken_pictures_get_an_answer_or_a_clear_error(client, seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        answer = client.post("/classify", content=pictures.broken(rng))
        assert answer.status_code in (200, 400, 413, 415)
        assert ("error" in answer.json()) == (answer.status_code != 200)


def test_small_files_that_unpack_huge_are_refused_before_they_do(client):
    codes = [client.post("/classify", content=bomb).status_code for bomb in pictures.bombs()]
    assert codes[0] == 413
    assert set(codes) <= {400, 413, 415}


@pytest.mark.parametrize("seed", CASES)
def test_broken_requests_get_an_answer_or_a_clear_error(client, seed):
    rng = np.random.default_rng(seed)
    for number in range(30):
        body, headers = bodies.binary(rng) if number % 2 else (bodies.broken(rng), {})
        headers = {name: value.encode("utf-8") for name, value in headers.items()}
        answer = client.post("/v2/models/tiny/infer", content=body, headers=headers)
        assert answer.status_code in (200, 400)
        if answer.status_code == 400:
            assert answer.json()["error"]


# Starlette leaves the file of a part that never ends, which is in memory, to the collector.
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
@pytest.mark.parametrize("seed", CASES)
def test_broken_forms_get_an_answer_or_a_clear_error(client, seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        body, headers = forms.broken(rng)
        answer = client.post("/classify", content=body, headers=headers)
        assert answer.status_code in (200, 400, 413, 415)
        if answer.status_code != 200:
            assert answer.json()["error"]
    gc.collect()


@pytest.mark.parametrize("seed", CASES)
def test_damaged_compressed_bodies_get_an_answer_or_a_clear_error(client, seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        body, headers = zipped.broken(rng)
        answer = client.post("/v2/models/tiny/infer", content=body, headers=headers)
        assert answer.status_code in (200, 400, 413, 415)
        if answer.status_code != 200:
            assert answer.json()["error"]


def test_deep_json_is_refused_at_once(client):
    for depth in (1_000, 100_000, 1_000_000):
        for opening in (b"[", b'{"a":'):
            answer = client.post("/v2/models/tiny/infer", content=opening * depth)
            assert answer.status_code == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just(signature.IMAGES) | json_values,
        "shape": st.just([1, 28, 28]) | st.lists(st.integers()) | json_values,
        "datatype": st.sampled_from(["FP32", "UINT8", "BOOL"]) | json_values,
        "data": st.just([0] * 784) | json_values,
        "parameters": json_values,
    },
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "inputs": st.lists(tensors, max_size=2) | json_values,
        "outputs": st.lists(st.fixed_dictionaries({"name": json_values})) | json_values,
        "parameters": json_values,
    },
)


@patient
@given(requests | json_values, st.none() | st.integers(0, 300))
def test_the_parser_gives_images_or_says_what_is_wrong(request, header_length):
    body = json.dumps(request).encode()
    try:
        images = parse_infer(body, OUTPUTS, MAX_BATCH, header_length).images
    except ProtocolError:
        return
    assert images.shape[1:] == (signature.STEPS, signature.PIXELS)
    assert 0 <= images.min() <= images.max() <= signature.WHITE


@patient
@given(st.binary(max_size=400), st.none() | st.integers(0, 500))
def test_the_parser_meets_any_bytes(body, header_length):
    with pytest.raises(ProtocolError):
        parse_infer(body + b"\x00", OUTPUTS, MAX_BATCH, header_length)


@patient
@given(st.binary(max_size=400))
def test_any_bytes_are_a_picture_or_an_error(data):
    with pytest.raises(PictureError):
        open_picture(data, MAX_PIXELS)


@patient
@given(nps.arrays(np.uint8, nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=120)))
def test_every_picture_is_prepared(picture):
    rows, digits = prepare(picture)
    assert rows.shape == (signature.STEPS, signature.PIXELS)
    assert np.isfinite(rows).all()
    assert 0 <= rows.min() <= rows.max() <= signature.WHITE
    assert bool(digits) == bool(rows.any())


def test_the_fuzzers_shares_are_all_requests():
    assert shares(100_000, 12) == [8334] * 4 + [8333] * 8
    assert sum(shares(7, 12)) == 7


@pytest.mark.parametrize(
    ("memory", "requests", "troubles"),
    [
        ([100, 200, 300, 150, 300, 219], 2, []),
        ([100, 200, 300, 150, 400, 400], 2, ["memory grew"]),
        ([100, 200, PEAK + 1, 200, 200, 200], 2, ["memory was"]),
        ([100, 200, 200, 200, 200, 200], 3, ["2 requests were counted"]),
    ],
)
def test_the_fuzzer_judges_memory_and_count(memory, requests, troubles):
    tally = Tally()
    tally.add("json", 400, 0.1, b"")
    tally.add("json", 503, 0.1, b"")
    judge(tally, np.array(memory, float), requests)
    assert tally.count == len(troubles)
    assert all(map(str.startswith, tally.troubles, troubles))


def test_the_fuzzer_notices_failures_and_hangs():
    tally, other = Tally(), Tally()
    tally.add("json", 500, 0.1, b"x")
    tally.add("call", "INTERNAL", 0.1, b"x", bad=True)
    other.add("wire", None, 5.1, b"x")
    tally.merge(other)
    assert tally.count == 3
    assert tally.codes == {("json", "500"): 1, ("call", "INTERNAL"): 1, ("wire", "closed"): 1}
    assert "only after 5.10 s" in tally.troubles[2]
