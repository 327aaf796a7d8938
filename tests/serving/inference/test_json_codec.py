"""Open Inference Protocol bodies, good and bad, without a server."""

import json

import numpy as np
import pytest

from model import signature
from serving.inference.json_codec import Infer, infer_answer, model_metadata, parse_infer
from serving.inference.tensors import ProtocolError

OUTPUTS = signature.output_names(layers=1, bidirectional=True)
IMAGE = np.random.default_rng(0).integers(0, 256, (signature.STEPS, signature.PIXELS))
VALUES = IMAGE.size


def body(top=None, **changes) -> bytes:
    """A good request for one image with some fields changed; a change to `...` drops one."""
    tensor = {
        "name": signature.IMAGES,
        "shape": [1, *IMAGE.shape],
        "datatype": "FP32",
        "data": IMAGE.ravel().tolist(),
    }
    tensor = {key: value for key, value in {**tensor, **changes}.items() if value is not ...}
    request = {"inputs": [tensor], **(top or {})}
    return json.dumps({k: v for k, v in request.items() if v is not ...}).encode()


def parse(data: bytes, max_batch: int = 4) -> Infer:
    return parse_infer(data, OUTPUTS, max_batch)


@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_flat_and_nested_data_of_both_datatypes(datatype, nested, batch):
    images = np.stack([np.roll(IMAGE, shift) for shift in range(batch)])
    data = images.tolist() if nested else images.ravel().tolist()
    request = parse(body(shape=list(images.shape), datatype=datatype, data=data))
    assert request.images.dtype == np.float32
    np.testing.assert_array_equal(request.images, images)
    assert (request.id, request.outputs) == (None, None)


def test_fractions_are_kept():
    data = (IMAGE / 3).ravel().tolist()
    np.testing.assert_array_equal(parse(body(data=data)).images[0], (IMAGE / 3).astype(np.float32))


SCALED = np.where(IMAGE > 200, IMAGE / 255, 0)


@pytest.mark.parametrize("peak", [0.004, 0.5, 1, 1.0])
def test_pixels_scaled_to_1_are_not_taken_for_faint_ones(peak):
    data = (SCALED * peak / SCALED.max()).tolist()
    with pytest.raises(ProtocolError, match=r"send raw values 0\.\.255"):
        parse(body(data=[data]))
    bright = IMAGE.tolist()
    with pytest.raises(ProtocolError, match=r"scaled to 0\.\.1"):
        parse(body(shape=[2, *IMAGE.shape], data=[bright, data]))


def test_blank_images_and_ones_in_uint8_are_no_scaled_ones():
    blank = np.zeros((1, *IMAGE.shape), int)
    for datatype in ("FP32", "UINT8"):
        assert not parse(body(data=blank.tolist(), datatype=datatype)).images.any()
    ones = parse(body(data=[1] * VALUES, datatype="UINT8"))
    assert (ones.images == 1).all()


def test_id_and_outputs():
    wanted = [{"name": OUTPUTS[2], "parameters": {}}, {"name": OUTPUTS[0]}]
    request = parse(body({"id": "ä 1", "outputs": wanted, "parameters": {"x": 1}}))
    assert request.id == "ä 1"
    assert request.outputs == [OUTPUTS[2], OUTPUTS[0]]
    assert parse(body({"outputs": []})).outputs is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the body is empty"),
        (b"hello", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"{}", "inputs: "),
        (body({"id": 7}), "id: must be a text, found 7"),
        (body({"inputs": {}}), "inputs: "),
        (body({"inputs": []}), "inputs: "),
        (body({"inputs": [1]}), "inputs: "),
        (body({"inputs": [{}, {}]}), "inputs: "),
        (body(name=...), "inputs[0].name: must be 'images', found nothing"),
        (body(name="image"), "inputs[0].name: must be 'images', found 'image'"),
        (body(name=["images"]), "inputs[0].name: "),
        (body(datatype=...), "images.datatype: must be FP32 or UINT8, found nothing"),
        (body(datatype="INT64"), "images.datatype: must be FP32 or UINT8, found 'INT64'"),
        (body(datatype={}), "images.datatype: "),
        (body(shape=...), "images.shape: must be [batch, 28, 28], found nothing"),
        (body(shape=[28, 28]), "images.shape: "),
        (body(shape=[1, 784]), "images.shape: "),
        (body(shape=[1, 28, 27]), "images.shape: "),
        (body(shape=[0, 28, 28]), "images.shape: "),
        (body(shape=[-1, 28, 28]), "images.shape: "),
        (body(shape=[True, 28, 28]), "images.shape: "),
        (body(shape=[1.0, 28, 28]), "images.shape: "),
        (body(shape="1,28,28"), "images.shape: "),
        (body(shape=[5, 28, 28]), "images.shape: 5 images are too many, send at most 4"),
        (body(shape=[10**18, 28, 28]), "images.shape: "),
        (body(data=...), "images.data: must be a list of numbers, found nothing"),
        (body(data="AAAA"), "images.data: must be a list of numbers, found 'AAAA'"),
        (body(data=[]), "images.data: shape [1, 28, 28] needs 784 values, found 0"),
        (body(data=[0] * 783), "images.data: shape [1, 28, 28] needs 784 values, found 783"),
        (body(shape=[2, 28, 28]), "images.data: shape [2, 28, 28] needs 1568 values"),
        (body(data=[[0] * 784]), "images.data: nested lists must have the shape"),
        (body(data=[[[0] * 28] * 27]), "images.data: nested lists must have the shape"),
        (body(data=[[[0] * 28] * 27 + [[0] * 27]]), "images.data: nested lists"),
        (body(data=[[[[0]] * 28] * 28]), "images.data: must hold numbers only, found [0]"),
        (body(data=["7"] * VALUES), "images.data: must hold numbers only, found '7'"),
        (body(data=[None] * VALUES), "images.data: must hold numbers only, found nothing"),
        (body(data=[True] * VALUES), "images.data: must hold numbers only, found True"),
        (body(data=[0] * 783 + [[0]]), "images.data: must hold numbers only, found [0]"),
        (body(data=[{}] * VALUES), "images.data: must hold numbers only, found {}"),
        (body(data=[0.5] * VALUES, datatype="UINT8"), "images.data: must hold whole numbers"),
        (body(data=[256] * VALUES, datatype="UINT8"), "images.data: must be pixels from 0"),
        (body(data=[-1] * VALUES, datatype="UINT8"), "images.data: must be pixels from 0"),
        (body(data=[-0.5] * VALUES), "images.data: must be pixels from 0 (page) to 255 (ink)"),
        (body(data=[1e300] * VALUES), "images.data: must be pixels from 0 (page) to 255 (ink)"),
        (body(data=[2**64 - 1] * VALUES), "images.data: must be pixels from 0"),
        (body(data=[float("nan")] * VALUES), "not valid JSON, which has no NaN or Infinity"),
        (body(data=[float("inf")] * VALUES), "not valid JSON, which has no NaN or Infinity"),
        (body().replace(b"FP32", b"FP32" + b"x" * 10**6), "images.datatype: "),
        (body({"outputs": {}}), "outputs: must be a list"),
        (body({"outputs": ["probabilities"]}), "outputs: must be a list of objects"),
        (body({"outputs": [{"name": "logits"}]}), "outputs[0].name: must be one of probabilities,"),
        (body({"outputs": [{"name": OUTPUTS[0]}, {}]}), "outputs[1].name: must be one of"),
        (body({"outputs": [{"name": OUTPUTS[0]}] * 2}), "probabilities is asked for twice"),
    ],
)
def test_error_names_the_field_and_what_is_expected(data, message):
    with pytest.raises(ProtocolError) as caught:
        parse(data)
    text = str(caught.value)
    assert message in text
    assert len(text) < 300


SIZE = 10 * 2**20
UNREAD = "the body holds more than"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * SIZE, UNREAD),
        (b"[" * (SIZE // 2) + b"]" * (SIZE // 2), UNREAD),
        (b'{"a":' * (SIZE // 5), UNREAD),
        (b"[" + b"[]," * (SIZE // 3) + b"[]]", UNREAD),
        (b"[" + (b"[" * 999 + b"]" * 999 + b",") * (SIZE // 1999) + b"0]", UNREAD),
        (b'{"inputs":' * 1000 + b"0" + b"}" * 1000, "inputs: must be a list"),
        (b"[" * 1100 + b"]" * 1100, "not valid JSON"),
        (body(data=0).replace(b"0}", b"[" * 900 + b"0" + b"]" * 900 + b"}"), "nested lists"),
    ],
)
def test_nested_json(data, message):
    with pytest.raises(ProtocolError, match=message):
        parse(data)


def test_answer():
    results = {
        OUTPUTS[0]: np.array([[0.25, 0.75], [0.1, 1e-30]], np.float32),
        OUTPUTS[1]: np.zeros((2, 3, 1), np.float32),
    }
    body, json_length = infer_answer("net", "3", Infer(IMAGE, None, "x"), results)
    assert json_length is None
    assert json.loads(body) == {
        "model_name": "net",
        "model_version": "3",
        "id": "x",
        "outputs": [
            {"name": OUTPUTS[0], "shape": [2, 2], "datatype": "FP32", "data": answer_data(results)},
            {"name": OUTPUTS[1], "shape": [2, 3, 1], "datatype": "FP32", "data": [0.0] * 6},
        ],
    }
    assert "id" not in json.loads(infer_answer("net", "3", Infer(IMAGE), results)[0])


def answer_data(results):
    return pytest.approx(results[OUTPUTS[0]].ravel().tolist(), rel=1e-7)


def test_metadata_has_a_free_batch():
    class Node:
        name = OUTPUTS[0]
        shape = ("batch", 10)

    metadata = model_metadata("net", "3", [], [Node])
    assert metadata["outputs"] == [{"name": OUTPUTS[0], "datatype": "FP32", "shape": [-1, 10]}]
    assert metadata["versions"] == ["3"]


WEIRD = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    2**63,
    "",
    "images",
    [],
    [[]],
    {},
    {"name": "x"},
    [{}],
]


def places(value) -> list:
    """Every container in `value` with a key into it."""
    keys = value if isinstance(value, dict) else range(min(len(value), 3))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += places(value[key])
    return found


def test_whatever_stands_anywhere_is_answered_or_a_protocol_error():
    top = {
        "id": "a",
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": OUTPUTS[0], "parameters": {"binary_data": True}}],
    }
    good = body(top, data=IMAGE.tolist(), parameters={"mine": 1})
    refused = 0
    for number in range(len(places(json.loads(good)))):
        for weird in WEIRD:
            request = json.loads(good)
            container, key = places(request)[number]
            container[key] = weird
            try:
                parse(json.dumps(request).encode())
            except ProtocolError:
                refused += 1
    assert refused > 150
