"""The binary tensor extension, good and bad, without a server."""

import json

import numpy as np
import pytest

from model import signature
from serving.inference import binary_codec as binary
from serving.inference.json_codec import Infer, infer_answer, parse_infer
from serving.inference.tensors import ProtocolError

OUTPUTS = signature.output_names(layers=1, bidirectional=False)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, signature.STEPS, signature.PIXELS))
DTYPES = {"FP32": "<f4", "UINT8": "u1", "FP64": "<f8"}


def data_of(datatype: str, images: np.ndarray = IMAGES) -> bytes:
    return images.astype(DTYPES[datatype]).tobytes()


def header(datatype: str = "FP32", top=None, images: int = 2, **changes) -> bytes:
    """The JSON of a good request with some fields changed; a change to `...` drops one."""
    tensor = {
        "name": signature.IMAGES,
        "shape": [images, signature.STEPS, signature.PIXELS],
        "datatype": datatype,
        "parameters": {binary.SIZE: images * 784 * np.dtype(DTYPES[datatype]).itemsize},
    }
    tensor = {key: value for key, value in {**tensor, **changes}.items() if value is not ...}
    return json.dumps({"inputs": [tensor], **(top or {})}).encode()


def parse(text: bytes, rest: bytes, length=..., max_batch: int = 4) -> Infer:
    length = len(text) if length is ... else length
    return parse_infer(text + rest, OUTPUTS, max_batch, length)


@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("spaces", range(4))  # bytes may begin at any place
def test_pixels_behind_the_json(datatype, spaces):
    request = parse(header(datatype) + b" " * spaces, data_of(datatype))
    assert request.images.dtype == np.float32
    np.testing.assert_array_equal(request.images, IMAGES)
    assert (request.outputs, request.id, request.binary) == (None, None, ())


def test_numbers_in_the_json_may_say_its_length():
    text = header("UINT8", data=IMAGES.tolist(), parameters=...)
    np.testing.assert_array_equal(parse(text, b"").images, IMAGES)


def test_a_body_of_nothing_but_pixels_is_answered_in_bytes():
    request = parse(b"", data_of("FP32"))
    np.testing.assert_array_equal(request.images, IMAGES)
    assert set(request.binary) == set(OUTPUTS)


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({}, []),
        ({"parameters": {binary.ALL_WANTED: True}}, OUTPUTS),
        ({"parameters": {binary.ALL_WANTED: False}}, []),
        ({"outputs": [{"name": OUTPUTS[0], "parameters": {binary.WANTED: True}}]}, [OUTPUTS[0]]),
        (
            {
                "outputs": [
                    {"name": OUTPUTS[1]},
                    {"name": OUTPUTS[0], "parameters": {binary.WANTED: False}},
                ],
                "parameters": {binary.ALL_WANTED: True},
            },
            [OUTPUTS[1]],
        ),
        ({"parameters": {"sequence_id": 3, "timeout": 5, "mine": [{}]}, "outputs": []}, []),
    ],
)
def test_which_outputs_are_wanted_in_bytes(top, expected):
    assert list(parse(header(top=top), data_of("FP32")).binary) == expected


def with_size(size) -> bytes:
    return header(parameters={binary.SIZE: size})


@pytest.mark.parametrize(
    ("text", "rest", "length", "message"),
    [
        (header(), data_of("FP32"), 10**6, "says 1000000 bytes of JSON, the body has"),
        (header(), data_of("FP32"), None, "not valid JSON"),
        (header(), data_of("FP32"), 9, "not valid JSON"),
        (header(), data_of("FP32"), len(header()) - 1, "not valid JSON"),
        (header(), data_of("FP32"), len(header()) + 1, "not valid JSON"),
        (header(), b"", None, "send the header Inference-Header-Content-Length too"),
        (header(), b"", ..., "6272 bytes of tensors must follow the JSON, found 0"),
        (header(), data_of("FP32")[:-1], ..., "6272 bytes of tensors must follow the JSON"),
        (header(), data_of("FP32") + b"x", ..., "must follow the JSON, found 6273"),
        (header("UINT8"), data_of("FP32"), ..., "1568 bytes of tensors must follow the JSON"),
        (header(parameters={}), data_of("FP32"), ..., "0 bytes of tensors must follow the JSON"),
        (
            header(data=IMAGES.tolist(), parameters=...),
            b"x",
            ...,
            "0 bytes of tensors must follow the JSON, found 1",
        ),
        (with_size(6271), data_of("FP32"), ..., "2 images in FP32 need 6272, found 6271"),
        (with_size(0), b"", ..., "2 images in FP32 need 6272, found 0"),
        (with_size(-1), data_of("FP32"), ..., "need 6272, found -1"),
        (with_size(True), data_of("FP32"), ..., "must be a number of bytes, found True"),
        (with_size("6272"), data_of("FP32"), ..., "must be a number of bytes, found '6272'"),
        (with_size(6272.0), data_of("FP32"), ..., "must be a number of bytes, found 6272.0"),
        (with_size(None), data_of("FP32"), ..., "must be a number of bytes, found nothing"),
        (header(data=[0]), data_of("FP32"), ..., "leave it out, or leave out 'data'"),
        (header(parameters=[1]), data_of("FP32"), ..., "images.parameters: must be an object"),
        (header("FP64"), b"", ..., "images.datatype: must be FP32 or"),
        (header(images=5), b"", ..., "5 images are too many"),
        (
            header(parameters={"shared_memory_region": "a"}),
            b"",
            ...,
            "images.parameters.shared_memory_region: is not offered here",
        ),
        (header(top={"parameters": 1}), data_of("FP32"), ..., "parameters: must be an object"),
        (
            header(top={"parameters": {binary.ALL_WANTED: 1}}),
            data_of("FP32"),
            ...,
            "parameters.binary_data_output: must be true or false, found 1",
        ),
        (
            header(top={"outputs": [{"name": OUTPUTS[0], "parameters": {binary.WANTED: "yes"}}]}),
            data_of("FP32"),
            ...,
            "outputs[0].parameters.binary_data: must be true or false, found 'yes'",
        ),
        (
            header(top={"outputs": [{"name": OUTPUTS[0], "parameters": {"classification": 3}}]}),
            data_of("FP32"),
            ...,
            "outputs[0].parameters.classification: is not offered here",
        ),
        (
            header(top={"outputs": [{"name": OUTPUTS[0], "parameters": [1]}]}),
            data_of("FP32"),
            ...,
            "outputs[0].parameters: must be an object",
        ),
        (header(), data_of("FP32", IMAGES + 1), ..., "must be pixels from 0"),
        (header(), data_of("FP32", IMAGES - 1.0), ..., "must be pixels from 0"),
        (header(), data_of("FP32", IMAGES * np.nan), ..., "must be pixels from 0"),
        (header(), data_of("FP32", IMAGES / 255), ..., "send raw values 0..255"),
        (b"", b"", ..., "1 to 4 images of 3136 bytes each (FP32), found 0 bytes"),
        (b"", bytes(3135), ..., "found 3135 bytes"),
        (b"", bytes(784), ..., "found 784 bytes"),
        (b"", bytes(5 * 3136), ..., "found 15680 bytes"),
        (b"", b"\xff" * 3136, ..., "must be pixels from 0"),
    ],
)
def test_error_names_what_is_expected(text, rest, length, message):
    with pytest.raises(ProtocolError) as caught:
        parse(text, rest, length)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_broken_request_is_a_protocol_error_whatever_is_broken():
    """Bytes changed, dropped and added at random, and lengths that are none."""
    random = np.random.default_rng(1)
    good = header(top={"id": "a", "parameters": {binary.ALL_WANTED: True}}) + data_of("FP32")
    refused = 0
    for _ in range(3000):
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
        length = len(header()) if random.random() < 0.7 else int(random.integers(0, len(body) + 9))
        try:
            parse_infer(bytes(body), OUTPUTS, 4, length)
        except ProtocolError:
            refused += 1
    assert refused > 2000


RESULTS = {
    OUTPUTS[0]: np.array([[0.25, 0.75], [0.1, 1e-30]], np.float32),
    OUTPUTS[1]: np.arange(6, dtype=np.float32).reshape(2, 3, 1),
}


def test_answer_in_bytes_and_in_numbers():
    request = Infer(IMAGES, None, "x", [OUTPUTS[1]])
    body, length = infer_answer("net", "3", request, RESULTS)
    first, second = json.loads(body[:length])["outputs"]
    assert first["data"] == pytest.approx(RESULTS[OUTPUTS[0]].ravel().tolist(), rel=1e-7)
    assert second == {
        "name": OUTPUTS[1],
        "shape": [2, 3, 1],
        "datatype": "FP32",
        "parameters": {binary.SIZE: 24},
    }
    np.testing.assert_array_equal(np.frombuffer(body[length:], "<f4"), np.arange(6))


def test_answer_in_bytes_keeps_the_order_of_the_outputs():
    body, length = infer_answer("net", "3", Infer(IMAGES, binary=OUTPUTS), RESULTS)
    expected = b"".join(values.tobytes() for values in RESULTS.values())
    assert body[length:] == expected
    # Slices of a batch, as other requests of it share them.
    part = {name: np.asfortranarray(values)[1:] for name, values in RESULTS.items()}
    body, length = infer_answer("net", "3", Infer(IMAGES, binary=OUTPUTS), part)
    assert body[length:] == b"".join(values[1:].tobytes() for values in RESULTS.values())
