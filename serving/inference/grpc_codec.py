"""gRPC's messages: their classes, and inference requests and answers in them.

The classes are made from ``proto/open_inference.binpb``, which ``make proto`` writes. They live
in a pool of their own, so that a program that also holds Triton's client, with messages of the
same names, can import this.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from model import signature
from serving.inference import tensors
from serving.inference.json_codec import Infer, check_outputs, refuse_what_is_not_offered
from serving.inference.tensors import FP32, UINT8, ProtocolError

DESCRIPTORS = Path(__file__).with_name("proto") / "open_inference.binpb"
SERVICE = "inference.GRPCInferenceService"

_POOL = DescriptorPool()
for _file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
    _POOL.Add(_file)
METHODS = _POOL.FindServiceByName(SERVICE).methods_by_name
_TYPED = {FP32: ("fp32_contents", np.float32), UINT8: ("uint_contents", np.uint32)}
FINAL_WANTED = "triton_enable_empty_final_response"
FINAL = "triton_final_response"


def request_class(method: str) -> type[Message]:
    """The class of what the method `method` is given."""
    return GetMessageClass(METHODS[method].input_type)


def response_class(method: str) -> type[Message]:
    """The class of what it answers."""
    return GetMessageClass(METHODS[method].output_type)


def read(method: str, data: bytes) -> Message:
    """The request to `method`.

    Raises:
        ProtocolError: `data` is not one.
    """
    try:
        return request_class(method).FromString(data)
    except DecodeError:
        raise ProtocolError(f"the message is no {METHODS[method].input_type.name}") from None


def write(method: str, fields: dict[str, Any]) -> bytes:
    """The answer of `method` with these fields, named as in REST's JSON."""
    return ParseDict(fields, response_class(method)()).SerializeToString()


def parse_infer(message: Any, output_names: list[str], max_batch: int) -> Infer:
    """Take a ``ModelInferRequest`` apart; values in bytes are answered in bytes.

    Args:
        message: the request.
        output_names: what may be asked for.
        max_batch: most images.

    Raises:
        ProtocolError: anything that is not as the protocol and the signature say.
    """
    if len(message.inputs) != 1:
        raise ProtocolError(f"inputs: must be one tensor, {signature.IMAGES!r}")
    tensor = message.inputs[0]
    shape = [*tensor.shape]
    tensors.check_input(tensor.name, tensor.datatype, shape, max_batch)
    if tensor.parameters:
        refuse_what_is_not_offered(dict(tensor.parameters), f"{signature.IMAGES}.")
    raw = message.raw_input_contents
    pixels = _raw(raw, tensor, shape[0]) if raw else _typed(tensor, shape[0])
    outputs = [output.name for output in message.outputs]
    check_outputs(outputs, output_names)
    for place, output in enumerate(message.outputs):
        if output.parameters:
            refuse_what_is_not_offered(dict(output.parameters), f"outputs[{place}].")
    return Infer(
        tensors.to_images(pixels, tensor.datatype),
        outputs or None,
        message.id or None,
        output_names if raw else (),
    )


def _raw(contents: Collection[bytes], tensor: Any, images: int) -> np.ndarray:
    if len(contents) != 1:
        raise ProtocolError(f"raw_input_contents: must be one, found {len(contents)}")
    if tensor.HasField("contents"):
        raise ProtocolError("raw_input_contents: leave it out, or leave out contents")
    [data] = contents
    size = images * tensors.PIXELS * tensors.DTYPES[tensor.datatype].itemsize
    if len(data) != size:
        raise ProtocolError(
            f"raw_input_contents: {images} images in {tensor.datatype} need {size} bytes, "
            f"found {len(data)}"
        )
    return tensors.from_bytes(data, tensor.datatype)


def _typed(tensor: Any, images: int) -> np.ndarray:
    field, kind = _TYPED[tensor.datatype]
    values = getattr(tensor.contents, field)
    if len(values) != images * tensors.PIXELS:
        raise ProtocolError(
            f"{signature.IMAGES}.contents.{field}: {images} images need "
            f"{images * tensors.PIXELS} values, found {len(values)}"
        )
    return tensors.check_range(np.fromiter(values, kind, len(values)))


def infer_answer(
    message: Any, name: str, version: str, request: Infer, results: dict[str, np.ndarray]
) -> Any:
    """The ``ModelInferResponse`` to `message`; `results` are arrays by output name."""
    answer = response_class("ModelInfer")(
        model_name=name, model_version=version, id=request.id or ""
    )
    for output, values in results.items():
        tensor = answer.outputs.add(name=output, datatype=FP32, shape=values.shape)
        if output in request.binary:
            data = values.astype(tensors.DTYPES[FP32], copy=False).tobytes()
            answer.raw_output_contents.append(data)
        else:
            tensor.contents.fp32_contents.extend(values.ravel().tolist())
    if FINAL_WANTED in message.parameters and message.parameters[FINAL_WANTED].bool_param:
        answer.parameters[FINAL].bool_param = True  # the only answer is the last one
    return answer
