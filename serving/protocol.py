"""Open Inference Protocol v2: JSON bodies to arrays and back. Nothing about HTTP.

Source: inference_rest.md of github.com/kserve/open-inference-protocol. Tensors come as
numbers in JSON; `Infer` is what any other encoding (binary extension, gRPC) fills too.
"""

import reprlib
from array import array
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from model import signature

FP32, UINT8 = "FP32", "UINT8"
DATATYPES = (FP32, UINT8)  # what an input may be; all outputs are FP32
IMAGE_SHAPE = (signature.STEPS, signature.PIXELS)


class ProtocolError(Exception):
    """The request breaks the protocol; the message names the field and what is expected."""


@dataclass(frozen=True)
class Infer:
    """An inference request.

    `images` is float32 (batch, 28, 28), pixels 0..255; `outputs` the wanted names, all
    when None; `id` is the client's, to be sent back.
    """

    images: np.ndarray
    outputs: list[str] | None = None
    id: str | None = None


def parse_infer(
    body: bytes, output_names: list[str], max_batch: int, header_length: int | None = None
) -> Infer:
    """Read the JSON body of an inference request.

    Args:
        body: as received.
        output_names: what may be asked for.
        max_batch: most images.

    Raises:
        ProtocolError: anything that is not as the protocol and the signature say.
    """
    request = _load(body, max_batch)
    if not isinstance(request, dict):
        raise ProtocolError("the body must be a JSON object with the field 'inputs'")
    identity = request.get("id")
    if not isinstance(identity, str | None):
        raise ProtocolError(f"id: must be a text, found {_show(identity)}")
    return Infer(
        images=_images(request.get("inputs"), max_batch),
        outputs=_outputs(request.get("outputs"), output_names),
        id=identity,
    )


def infer_answer(name: str, version: str, request: Infer, results: dict[str, np.ndarray]) -> tuple[bytes, int | None]:
    """The JSON body that answers `request`; `results` are arrays by output name."""
    answer: dict[str, Any] = {"model_name": name, "model_version": version}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = [
        {"name": output, "shape": values.shape, "datatype": FP32, "data": values.ravel()}
        for output, values in results.items()
    ]
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), None


def model_metadata(name: str, version: str, inputs: list, outputs: list) -> dict[str, Any]:
    """The answer to a question for the model's metadata.

    `inputs` and `outputs` are ONNX Runtime's descriptions (`name`, `shape`); a free
    dimension is -1.
    """

    def tensor(node: Any) -> dict[str, Any]:
        shape = [size if isinstance(size, int) else -1 for size in node.shape]
        return {"name": node.name, "datatype": FP32, "shape": shape}

    return {
        "name": name,
        "versions": [version],
        "platform": "onnxruntime_onnx",
        "inputs": [tensor(node) for node in inputs],
        "outputs": [tensor(node) for node in outputs],
    }


def _load(body: bytes, max_batch: int) -> Any:
    if not body:
        raise ProtocolError("the body is empty: send a JSON object with the field 'inputs'")
    # Megabytes of "[[],[]," would take 28 times their size in memory (measured), so they are
    # refused unread. An honest body has one list for each row, at most.
    most = max_batch * (signature.STEPS + 1) + 1000
    if body.count(b"[") + body.count(b"{") > most:
        raise ProtocolError(f"the body holds more than {most} lists and objects: send less")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(
            f"the body is not valid JSON, which has no NaN or Infinity either: {error}"
        ) from None


def _images(inputs: Any, max_batch: int) -> np.ndarray:
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ProtocolError(
            f"inputs: must be a list of one object, the tensor {signature.IMAGES!r}"
        )
    tensor = inputs[0]
    if tensor.get("name") != signature.IMAGES:
        raise ProtocolError(
            f"inputs[0].name: must be {signature.IMAGES!r}, found {_show(tensor.get('name'))}"
        )
    where = signature.IMAGES
    datatype = tensor.get("datatype")
    if datatype not in DATATYPES:
        raise ProtocolError(
            f"{where}.datatype: must be {' or '.join(DATATYPES)}, found {_show(datatype)}"
        )
    shape = tensor.get("shape")
    # JSON's true is an int to Python, so types are compared exactly.
    if (
        not isinstance(shape, list)
        or [type(size) for size in shape] != [int] * 3
        or tuple(shape[1:]) != IMAGE_SHAPE
        or shape[0] < 1
    ):
        expected = ", ".join(map(str, IMAGE_SHAPE))
        raise ProtocolError(f"{where}.shape: must be [batch, {expected}], found {_show(shape)}")
    if shape[0] > max_batch:
        raise ProtocolError(
            f"{where}.shape: {shape[0]} images are too many, send at most {max_batch} a request"
        )
    images = _pixels(_flat(tensor.get("data"), shape, where), datatype, where).reshape(shape)
    peaks = images.max(axis=(1, 2))
    if datatype == FP32 and np.any((peaks > 0) & (peaks <= 1)):
        raise ProtocolError(
            f"{where}.data: pixels look scaled to 0..1: send raw values 0..255 (0 page, 255 ink)"
        )
    return images


def _flat(data: Any, shape: list[int], where: str) -> list:
    """The values of `data`, flat or nested as `shape` says, as one flat list."""
    if not isinstance(data, list):
        raise ProtocolError(f"{where}.data: must be a list of numbers, found {_show(data)}")
    if data and isinstance(data[0], list):
        values = [data]
        for size in shape:
            if any(not isinstance(part, list) or len(part) != size for part in values):
                raise ProtocolError(
                    f"{where}.data: nested lists must have the shape {shape} throughout"
                )
            values = list(chain.from_iterable(values))
        return values
    count = shape[0] * shape[1] * shape[2]
    if len(data) != count:
        raise ProtocolError(f"{where}.data: shape {shape} needs {count} values, found {len(data)}")
    return data


def _pixels(values: list, datatype: str, where: str) -> np.ndarray:
    numbers = {int} if datatype == UINT8 else {int, float}
    if not numbers.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in numbers)
        kind = "whole numbers" if datatype == UINT8 else "numbers"
        raise ProtocolError(f"{where}.data: must hold {kind} only, found {_show(wrong)}")
    pixels = np.frombuffer(array("d", values))
    inside = (pixels >= 0) & (pixels <= signature.WHITE)
    if not inside.all():
        raise ProtocolError(
            f"{where}.data: must be pixels from 0 (page) to 255 (ink), found {pixels[~inside][0]:g}"
        )
    return pixels.astype(np.float32)


def _outputs(outputs: Any, known: list[str]) -> list[str] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise ProtocolError("outputs: must be a list of objects with the field 'name'")
    names = [output.get("name") for output in outputs]
    for index, name in enumerate(names):
        if name not in known:
            raise ProtocolError(
                f"outputs[{index}].name: must be one of {', '.join(known)}, found {_show(name)}"
            )
        if name in names[:index]:
            raise ProtocolError(f"outputs[{index}].name: {name} is asked for twice")
    return names


def _show(value: Any) -> str:
    """A value of the client's in a few characters, whatever its size."""
    return "nothing" if value is None else reprlib.repr(value)
