"""Open Inference Protocol v2: request bodies to arrays, and back. Nothing about HTTP.

Source: inference_rest.md of github.com/kserve/open-inference-protocol. Tensors come as
numbers in JSON or as bytes behind it (`binary_codec`).
"""

from collections.abc import Collection
from itertools import chain
from typing import Any

import numpy as np
import orjson

from model import signature
from serving.inference import binary_codec as binary
from serving.inference import tensors
from serving.inference.tensors import FP32, Infer, ProtocolError, show

MOST_NUMBERS = 2_000_000  # in the JSON of an answer: 25 MB, which wait until the client reads them
# Parameters that change what a tensor means; others that are unknown here change nothing.
_NOT_OFFERED = ("classification", "shared_memory_region")


def decode(
    body: bytes, output_names: list[str], max_batch: int, header_length: int | None = None
) -> Infer:
    """Read the body of an inference request.

    Args:
        body: as received.
        output_names: what may be asked for.
        max_batch: most images.
        header_length: bytes of the JSON, where the request says so (`binary.LENGTH_HEADER`);
            with 0 the body is nothing but pixels, and the answer nothing but bytes.

    Raises:
        ProtocolError: anything that is not as the protocol and the signature say.
    """
    if header_length == 0:
        pixels = binary.bare_pixels(body, max_batch)
        return Infer(tensors.to_images(pixels), binary=output_names)
    text, rest = binary.split(body, header_length)
    request = _load(text, max_batch)
    if not isinstance(request, dict):
        raise ProtocolError("the body must be a JSON object with the field 'inputs'")
    identity = request.get("id")
    if not isinstance(identity, str | None):
        raise ProtocolError(f"id: must be a text, found {show(identity)}")
    all_binary = binary.flag(request.get("parameters"), binary.ALL_WANTED, False, "")
    tensor = _input(request.get("inputs"), max_batch)
    datatype, shape = tensor["datatype"], tensor["shape"]
    if binary.has_size(tensor):
        pixels = binary.pixels_of(tensor, datatype, shape[0], rest, header_length)
    else:
        binary.check_length(rest, 0)
        # To look for the words is faster than to look at every value.
        may_hold_bools = b"true" in text or (b"f" in text and b"false" in text)
        pixels = tensors.from_numbers(_flat(tensor.get("data"), shape), datatype, may_hold_bools)
    images = tensors.to_images(pixels)
    return Infer(images, *_outputs(request.get("outputs"), output_names, all_binary, identity))


def encode(
    name: str, version: str, request: Infer, results: dict[str, np.ndarray]
) -> tuple[bytes, int | None]:
    """The body that answers `request`; `results` are arrays by output name.

    The second is the number of bytes of its JSON where others follow, for
    `binary.LENGTH_HEADER`; else None.

    Raises:
        ProtocolError: it would hold more than `MOST_NUMBERS` as JSON.
    """
    numbers = sum(values.size for output, values in results.items() if output not in request.binary)
    if numbers > MOST_NUMBERS:
        raise ProtocolError(
            f"the answer would hold {numbers} numbers as JSON, at most {MOST_NUMBERS} are written: "
            f"ask for fewer outputs or images, or for bytes ({binary.ALL_WANTED}: true)"
        )
    answer: dict[str, Any] = {"model_name": name, "model_version": version}
    if request.id is not None:
        answer["id"] = request.id
    rest = []
    answer["outputs"] = outputs = []
    for output, values in results.items():
        tensor = {"name": output, "shape": values.shape, "datatype": FP32}
        if output in request.binary:
            rest.append(values.astype(tensors.DTYPES[FP32], copy=False).tobytes())
            tensor["parameters"] = {binary.SIZE: len(rest[-1])}
        else:
            tensor["data"] = values.ravel()
        outputs.append(tensor)
    text = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join([text, *rest]), len(text)) if rest else (text, None)


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


def _load(text: bytes, max_batch: int) -> Any:
    if not text:
        raise ProtocolError("the body is empty: send a JSON object with the field 'inputs'")
    # Megabytes of "[[],[]," would take 28 times their size in memory (measured), so they are
    # refused unread. An honest body has one list for each row, at most.
    most = max_batch * (signature.STEPS + 1) + 1000
    if len(text) > most and text.count(b"[") + text.count(b"{") > most:
        raise ProtocolError(f"the body holds more than {most} lists and objects: send less")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(
            f"the body is not valid JSON, which has no NaN or Infinity either: {error}"
        ) from None


def _input(inputs: Any, max_batch: int) -> dict[str, Any]:
    """The one input tensor, as declared; its values are still to be read."""
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ProtocolError(
            f"inputs: must be a list of one object, the tensor {signature.IMAGES!r}"
        )
    tensor = inputs[0]
    tensors.check_input(tensor.get("name"), tensor.get("datatype"), tensor.get("shape"), max_batch)
    refuse_what_is_not_offered(tensor.get("parameters"), f"{signature.IMAGES}.")
    return tensor


def refuse_what_is_not_offered(parameters: Any, where: str) -> None:
    """
    Raises:
        ProtocolError: the `parameters` of the tensor `where` ask for what would change it.
    """
    if parameters:
        if not isinstance(parameters, dict):
            raise ProtocolError(f"{where}parameters: must be an object, found {show(parameters)}")
        for name in _NOT_OFFERED:
            if name in parameters:
                raise ProtocolError(f"{where}parameters.{name}: is not offered here, leave it out")


def _flat(data: Any, shape: list[int]) -> list:
    """The values of `data`, flat or nested as `shape` says, as one flat list."""
    where = signature.IMAGES
    if not isinstance(data, list):
        raise ProtocolError(f"{where}.data: must be a list of numbers, found {show(data)}")
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


def _outputs(
    outputs: Any, known: list[str], all_binary: bool, identity: str | None
) -> tuple[list[str] | None, str | None, Collection[str]]:
    """The last three fields of `Infer`."""
    if outputs is None or outputs == []:
        return None, identity, known if all_binary else ()
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise ProtocolError("outputs: must be a list of objects with the field 'name'")
    names = [output.get("name") for output in outputs]
    check_outputs(names, known)
    wanted = []
    for index, output in enumerate(outputs):
        parameters, where = output.get("parameters"), f"outputs[{index}]."
        refuse_what_is_not_offered(parameters, where)
        if binary.flag(parameters, binary.WANTED, all_binary, where):
            wanted.append(output["name"])
    return names, identity, wanted


def check_outputs(names: list, known: list[str]) -> None:
    """
    Raises:
        ProtocolError: an output that is not among the `known`, or that is asked for twice.
    """
    for index, name in enumerate(names):
        if name not in known:
            raise ProtocolError(
                f"outputs[{index}].name: must be one of {', '.join(known)}, found {show(name)}"
            )
        if name in names[:index]:
            raise ProtocolError(f"outputs[{index}].name: {name} is asked for twice")
