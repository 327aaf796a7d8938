"""``POST /v2/models/{model}/infer``: pixels as JSON, as bytes, bare, compressed; and bad ones."""

import gzip
import json
import zlib

import numpy as np
import pytest

from model import signature
from serving.inference import json_codec
from serving.inference.tensors import ProtocolError
from tests.conftest import TINY_VERSION
from tests.support.calls import INFER, MODEL, client_of, request

MOST_BYTES, MOST_BATCH = 5 * 2**20, 6000
LENGTH = "inference-header-content-length"
IMAGES = np.random.default_rng(0).integers(0, 256, (3, signature.STEPS, signature.PIXELS))
DTYPES = {"FP32": "<f4", "UINT8": "u1", "FP64": "<f8"}
PROBABILITIES, STEPS, HIDDEN = OUTPUTS = signature.output_names(layers=1, bidirectional=False)
ALL_BYTES = {"parameters": {"binary_data_output": True}}


@pytest.fixture(scope="module")
def client(tiny_model):
    with client_of([tiny_model], max_body_bytes=MOST_BYTES, max_batch=MOST_BATCH) as client:
        yield client


@pytest.fixture(scope="module")
def run(client):
    return client.app.endpoints("tiny").predictor.run


def as_json(images=IMAGES, top=None, **changes) -> bytes:
    """A good request with some fields of its tensor changed; a change to `...` drops one."""
    body = request(images, **changes)
    tensor = body["inputs"][0]
    body["inputs"] = [{key: value for key, value in tensor.items() if value is not ...}]
    return json.dumps(body | (top or {})).encode()


def as_bytes(images=IMAGES, datatype="FP32", top=None, tail=b"", length=..., **changes):
    """The same with its pixels behind the JSON; the body and its headers."""
    data = images.astype(DTYPES[datatype]).tobytes()
    changes = {"data": ..., "parameters": {"binary_data_size": len(data)}} | changes
    head = as_json(images, top, datatype=datatype, **changes)
    length = len(head) if length is ... else length
    return head + data + tail, {} if length is None else {LENGTH: str(length)}


def arrays_of(response) -> dict[str, np.ndarray]:
    """An answer's outputs, whether numbers or bytes."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get(LENGTH, len(response.content)))
    kind = "application/octet-stream" if LENGTH in response.headers else "application/json"
    assert response.headers["content-type"] == kind
    rest, found = response.content[length:], {}
    for tensor in json.loads(response.content[:length])["outputs"]:
        assert tensor["datatype"] == "FP32"
        if "data" in tensor:
            values = np.float32(tensor["data"])
        else:
            size = tensor["parameters"]["binary_data_size"]
            values, rest = np.frombuffer(rest[:size], "<f4"), rest[size:]
        found[tensor["name"]] = values.reshape(tensor["shape"])
    assert rest == b""
    return found


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


# --- Good ones --------------------------------------------------------------------------


def test_it_gives_what_the_network_gives(client, run):
    many = np.repeat(IMAGES, 10, axis=0)  # more than the event loop's thread sees to
    for images in (IMAGES[:1], IMAGES, many):
        expected = run(images.astype(np.float32))
        for datatype in ("FP32", "UINT8"):
            nested = as_json(images, datatype=datatype, data=images.tolist())
            flat = as_json(images, datatype=datatype)
            for content, headers in (
                (flat, {}),
                (nested, {}),
                (flat, {LENGTH: str(len(flat))}),
                as_bytes(images, datatype),
                as_bytes(images, datatype, ALL_BYTES),
                (gzip.compress(flat), {"content-encoding": "gzip"}),
                (zlib.compress(nested), {"content-encoding": " Deflate"}),
            ):
                assert_same(
                    arrays_of(client.post(INFER, content=content, headers=headers)), expected
                )
        bare = images.astype("<f4").tobytes()
        answer = client.post(INFER, content=bare, headers={LENGTH: "0"})
        assert_same(arrays_of(answer), expected)
        assert LENGTH in answer.headers
    thirds = (IMAGES / 3).astype(np.float32)  # fractions are kept
    answer = client.post(f"{MODEL}/versions/{TINY_VERSION}/infer", content=as_json(thirds))
    assert_same(arrays_of(answer), run(thirds))
    assert "id" not in answer.json()
    assert (answer.json()["model_name"], answer.json()["model_version"]) == ("tiny", TINY_VERSION)


def test_which_outputs_come_and_which_of_them_in_bytes(client):
    for top, names, in_bytes in (
        ({"outputs": []}, OUTPUTS, []),
        ({"outputs": [{"name": HIDDEN, "parameters": {}}, {"name": STEPS}]}, [HIDDEN, STEPS], []),
        (ALL_BYTES, OUTPUTS, OUTPUTS),
        ({"parameters": {"binary_data_output": False, "timeout": 5, "mine": [{}]}}, OUTPUTS, []),
        (
            {"outputs": [{"name": STEPS, "parameters": {"binary_data": True}}, {"name": HIDDEN}]},
            [STEPS, HIDDEN],
            [STEPS],
        ),
        (
            {"outputs": [{"name": STEPS, "parameters": {"binary_data": False}}, {"name": HIDDEN}]}
            | ALL_BYTES,
            [STEPS, HIDDEN],
            [HIDDEN],
        ),
    ):
        answer = client.post(INFER, content=as_json(top=top | {"id": "ä 1"}))
        assert list(arrays_of(answer)) == names
        told = json.loads(answer.content[: int(answer.headers.get(LENGTH, 10**9))])
        assert told["id"] == "ä 1"
        found = [tensor["name"] for tensor in told["outputs"] if "data" not in tensor]
        assert found == in_bytes, top


def test_blank_images_are_no_scaled_ones(client):
    for datatype in ("FP32", "UINT8"):
        content = as_json(np.zeros((1, 28, 28), int), datatype=datatype)
        assert client.post(INFER, content=content).status_code == 200


def test_answers_are_compressed_for_those_who_ask_for_one_way(client):
    plain = client.post(INFER, content=as_json(), headers={"accept-encoding": "identity"})
    for accept, coding in (
        ("gzip", "gzip"),
        (" Deflate", "deflate"),
        ("gzip, deflate, br", None),  # what HTTP libraries send by themselves is no wish
        ("", None),
    ):
        answer = client.post(INFER, content=as_json(), headers={"accept-encoding": accept})
        assert answer.headers.get("content-encoding") == coding
        assert answer.content == plain.content
        is_smaller = int(answer.headers["content-length"]) < len(plain.content)
        assert is_smaller is (coding is not None)


def test_the_largest_body_that_is_allowed_is_read(client):
    assert client.post(INFER, content=as_json().ljust(MOST_BYTES)).status_code == 200
    assert client.post(INFER, content=as_json().ljust(MOST_BYTES + 1)).status_code == 413


def test_an_answer_has_a_limit_of_numbers_as_json_but_not_of_bytes(client, run):
    images = np.zeros((MOST_BATCH, 28, 28), np.uint8)
    content, headers = as_bytes(images, "UINT8")
    refused = client.post(INFER, content=content, headers=headers)
    assert refused.status_code == 400
    for word in (str(json_codec.MOST_NUMBERS), "fewer outputs", "binary_data_output"):
        assert word in refused.json()["error"]
    content, headers = as_bytes(images, "UINT8", {"outputs": [{"name": PROBABILITIES}]})
    assert client.post(INFER, content=content, headers=headers).status_code == 200
    content, headers = as_bytes(images, "UINT8", ALL_BYTES)
    found = arrays_of(client.post(INFER, content=content, headers=headers))
    assert_same({HIDDEN: found[HIDDEN][:1]}, {HIDDEN: run(np.float32(images[:1]))[HIDDEN]})


# --- Bad ones ---------------------------------------------------------------------------

ONE = IMAGES[:1]
VALUES = ONE.size
LISTS = "the body holds more than"
PIXELS = "images.data: must be pixels from 0"
SCALED = ONE / 255
BAD_JSON = [
    (b"", "the body is empty"),
    (b"hello", "not valid JSON"),
    (b"\xff\xfe{}", "not valid JSON"),
    (b"[]", "the body must be a JSON object"),
    (b"{}", "inputs: "),
    (as_json(top={"id": 7}), "id: must be a text, found 7"),
    (as_json(top={"inputs": {}}), "inputs: "),
    (as_json(top={"inputs": []}), "inputs: "),
    (as_json(top={"inputs": [1]}), "inputs: "),
    (as_json(top={"inputs": [{}, {}]}), "inputs: "),
    (as_json(name=...), "inputs[0].name: must be 'images', found nothing"),
    (as_json(name="image"), "inputs[0].name: must be 'images', found 'image'"),
    (as_json(name=["images"]), "inputs[0].name: "),
    (as_json(datatype=...), "images.datatype: must be FP32 or UINT8, found nothing"),
    (as_json(datatype="INT64"), "images.datatype: must be FP32 or UINT8, found 'INT64'"),
    (as_json(datatype={}), "images.datatype: "),
    (as_json(datatype="x" * 10**6), "images.datatype: "),
    (as_json(shape=...), "images.shape: must be [batch, 28, 28], found nothing"),
    *(
        (as_json(shape=shape), "images.shape: ")
        for shape in (
            *([28, 28], [1, 784], [1, 28, 27], [0, 28, 28], [-1, 28, 28], [True, 28, 28]),
            *([1.0, 28, 28], "1,28,28", [10**18, 28, 28]),
        )
    ),
    (as_json(shape=[6001, 28, 28]), "images.shape: 6001 images are too many, send at most 6000"),
    (as_json(data=...), "images.data: must be a list of numbers, found nothing"),
    (as_json(data="AAAA"), "images.data: must be a list of numbers, found 'AAAA'"),
    (as_json(ONE, data=[]), "images.data: shape [1, 28, 28] needs 784 values, found 0"),
    (as_json(ONE, data=[0] * 783), "images.data: shape [1, 28, 28] needs 784 values, found 783"),
    (as_json(ONE, shape=[2, 28, 28]), "images.data: shape [2, 28, 28] needs 1568 values"),
    (as_json(ONE, data=[[0] * 784]), "images.data: nested lists must have the shape"),
    (as_json(ONE, data=[[[0] * 28] * 27]), "images.data: nested lists must have the shape"),
    (as_json(ONE, data=[[[0] * 28] * 27 + [[0] * 27]]), "images.data: nested lists"),
    (as_json(ONE, data=[[[[0]] * 28] * 28]), "images.data: must hold numbers only, found [0]"),
    (as_json(ONE, data=["7"] * VALUES), "images.data: must hold numbers only, found '7'"),
    (as_json(ONE, data=[None] * VALUES), "images.data: must hold numbers only, found nothing"),
    (as_json(ONE, data=[True] * VALUES), "images.data: must hold numbers only, found True"),
    (as_json(ONE, data=[0] * 783 + [[0]]), "images.data: must hold numbers only, found [0]"),
    (as_json(ONE, data=[{}] * VALUES), "images.data: must hold numbers only, found {}"),
    (as_json(ONE, data=[0.5] * VALUES, datatype="UINT8"), "images.data: must hold whole numbers"),
    (as_json(ONE, data=[256] * VALUES, datatype="UINT8"), PIXELS),
    (as_json(ONE, data=[-1] * VALUES, datatype="UINT8"), PIXELS),
    *((as_json(ONE, data=[value] * VALUES), PIXELS) for value in (-0.5, 1e300, 2**64 - 1)),
    (as_json(np.full((1, 28, 28), np.nan)), "not valid JSON, which has no NaN or Infinity"),
    (as_json(np.full((1, 28, 28), np.inf)), "not valid JSON, which has no NaN or Infinity"),
    (as_json(SCALED), "scaled to 0..1: send raw values 0..255"),
    (as_json(ONE, data=[0, 1] * (VALUES // 2), datatype="UINT8"), "send raw values 0..255"),
    (as_json(np.full((1, 28, 28), 0.004)), "send raw values 0..255"),
    (as_json(np.concatenate([ONE, SCALED])), "send raw values 0..255"),
    (as_json(top={"outputs": {}}), "outputs: must be a list"),
    (as_json(top={"outputs": [PROBABILITIES]}), "outputs: must be a list of objects"),
    (as_json(top={"outputs": [{"name": "logits"}]}), "outputs[0].name: must be one of prob"),
    (as_json(top={"outputs": [{"name": STEPS}, {}]}), "outputs[1].name: must be one of"),
    (as_json(top={"outputs": [{"name": STEPS}] * 2}), "step_probabilities is asked for twice"),
    (as_json(parameters={"shared_memory_region": "a"}), "shared_memory_region: is not offered"),
    (as_json(parameters=[1]), "images.parameters: must be an object"),
    (as_json(top={"parameters": 1}), "parameters: must be an object"),
    (as_json(top={"parameters": {"binary_data_output": 1}}), "must be true or false, found 1"),
    *(
        (as_json(top={"outputs": [{"name": STEPS, "parameters": parameters}]}), message)
        for parameters, message in (
            ({"binary_data": "yes"}, "outputs[0].parameters.binary_data: must be true or false"),
            ({"classification": 3}, "outputs[0].parameters.classification: is not offered here"),
            ([1], "outputs[0].parameters: must be an object"),
        )
    ),
    # Deep and wide ones, which would take many times their size in memory.
    (b"[" * MOST_BYTES, LISTS),
    (b'{"a":' * (MOST_BYTES // 5), LISTS),
    (b"[" + b"[]," * (MOST_BYTES // 3 - 1) + b"[]", LISTS),
    (b'{"inputs":' * 1000 + b"0" + b"}" * 1000, "inputs: must be a list"),
    (b"[" * 1100 + b"]" * 1100, "not valid JSON"),
    (as_json(data=0).replace(b"0}", b"[" * 900 + b"0" + b"]" * 900 + b"}"), "nested lists"),
]
FOLLOW = "bytes of tensors must follow the JSON, found"
BAD_BYTES = [
    (as_bytes(length=10**6), "says 1000000 bytes of JSON, the body has"),
    (as_bytes(length=9), "not valid JSON"),
    (as_bytes(length=len(as_json(data=...)) - 1), "not valid JSON"),
    ((as_json(ONE, data=..., parameters={"binary_data_size": 3136}), {}), "send the header Infer"),
    (as_bytes(tail=b"x"), f"9408 {FOLLOW} 9409"),
    (as_bytes(parameters={}), f"0 {FOLLOW} 9408"),
    (as_bytes(data=ONE.tolist(), shape=[1, 28, 28], parameters=...), f"0 {FOLLOW} 9408"),
    *(
        (as_bytes(parameters={"binary_data_size": size}), message)
        for size, message in (
            (9407, "3 images in FP32 need 9408, found 9407"),
            (0, "3 images in FP32 need 9408, found 0"),
            (-1, "need 9408, found -1"),
            (True, "must be a number of bytes, found True"),
            ("9408", "must be a number of bytes, found '9408'"),
            (9408.0, "must be a number of bytes, found 9408.0"),
            (None, "must be a number of bytes, found nothing"),
        )
    ),
    (as_bytes(data=[0]), "leave it out, or leave out 'data'"),
    (as_bytes(datatype="FP64"), "images.datatype: must be FP32 or"),
    (as_bytes(IMAGES + 1), PIXELS),
    (as_bytes(IMAGES - 1.0), PIXELS),
    (as_bytes(IMAGES * np.nan), PIXELS),
    (as_bytes(IMAGES / 255), "send raw values 0..255"),
    *(
        ((body, {LENGTH: "0"}), message)
        for body, message in (
            (b"", "1 to 6000 images of 3136 bytes each (FP32), found 0 bytes"),
            (bytes(3135), "found 3135 bytes"),
            (bytes(784), "found 784 bytes"),
            (b"\xff" * 3136, PIXELS),
        )
    ),
    *(
        ((as_json(), {LENGTH: length}), "must be a number of bytes")
        for length in ("", "-1", "1_0", "9" * 5000, "0x10", "1.5", "²")
    ),
]
GOOD = as_json()
BAD_CODINGS = [
    (GOOD, "br", 415, "must be gzip or deflate"),
    (GOOD, "gzip, deflate", 415, "must be gzip or deflate"),
    (b"", "gzip", 400, "cut"),
    (GOOD, "gzip", 400, "not what Content-Encoding says"),
    (zlib.compress(GOOD), "gzip", 400, "not what Content-Encoding says"),
    (gzip.compress(GOOD)[:-5], "gzip", 400, "cut"),
    (gzip.compress(GOOD) + b"x", "gzip", 400, "longer"),
    (zlib.compress(bytes(50 * 2**20)), "deflate", 413, f"more than {MOST_BYTES} bytes"),
]


def test_what_is_wrong_is_told_in_one_short_line(client):
    cases = [(body, {}, 400, message) for body, message in BAD_JSON]
    cases += [(body, headers, 400, message) for (body, headers), message in BAD_BYTES]
    cases += [
        (body, {"content-encoding": coding}, status, message)
        for body, coding, status, message in BAD_CODINGS
    ]
    for body, headers, status, message in cases:
        headers = {name: value.encode() for name, value in headers.items()}
        response = client.post(INFER, content=body, headers=headers)
        assert (response.status_code, list(response.json())) == (status, ["error"]), message
        error = response.json()["error"]
        assert message in error, (body[:100], headers)
        assert len(error) < 300
    assert client.post(INFER, content=GOOD).status_code == 200


WEIRD = [None, True, 0, -1, 1.5, 1e300, 2**63, "", "images", [], [[]], {}, {"name": "x"}, [{}]]


def places(value) -> list:
    """Every container in `value` with a key into it."""
    keys = value if isinstance(value, dict) else range(min(len(value), 3))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def test_whatever_stands_anywhere_is_answered_or_a_protocol_error():
    outputs = [{"name": PROBABILITIES, "parameters": {"binary_data": True}}]
    good = as_json(ONE, {"id": "a", "outputs": outputs} | ALL_BYTES, data=ONE.tolist())
    refused = 0
    for number in range(len(places(json.loads(good)))):
        for weird in WEIRD:
            body = json.loads(good)
            container, key = places(body)[number]
            container[key] = weird
            try:
                json_codec.decode(json.dumps(body).encode(), OUTPUTS, 4)
            except ProtocolError:
                refused += 1
    assert refused > 100


def test_bytes_changed_dropped_and_added_are_answered_or_a_protocol_error():
    random = np.random.default_rng(1)
    good, headers = as_bytes(top={"id": "a"} | ALL_BYTES)
    refused = 0
    for _ in range(2000):
        body = bytearray(good)
        for _ in range(random.integers(1, 4)):
            place = random.integers(0, len(body) if random.random() < 0.3 else 200)
            match random.integers(0, 3):
                case 0:
                    body[place] = random.integers(0, 256)
                case 1:
                    del body[place : place + random.integers(1, 9)]
                case 2:
                    body[place:place] = random.bytes(3)
        lengths = int(headers[LENGTH]), random.integers(0, len(body) + 9)
        try:
            json_codec.decode(bytes(body), OUTPUTS, 4, int(random.choice(lengths)))
        except ProtocolError:
            refused += 1
    assert refused > 1000
