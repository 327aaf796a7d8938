"""gRPC's messages: inference requests and answers in them. Nothing about calls."""

from collections.abc import Collection

import numpy as np

from model import signature
from serving.inference import tensors
from serving.inference.batcher import Results
from serving.inference.json_codec import check_outputs, refuse_what_is_not_offered
from serving.inference.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from serving.inference.tensors import FP32, UINT8, Infer, ProtocolError

FINAL_WANTED = "triton_enable_empty_final_response"
FINAL = "triton_final_response"

_TYPED = {FP32: ("fp32_contents", np.float32), UINT8: ("uint_contents", np.uint32)}
_Tensor = ModelInferRequest.InferInputTensor


def decode(message: ModelInferRequest, output_names: list[str], max_batch: int) -> Infer:
    """Take a request apart; values in bytes are answered in bytes.

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
    images = tensors.to_images(pixels)
    return Infer(images, outputs or None, message.id or None, output_names if raw else ())


def encode(
    name: str, version: str, message: ModelInferRequest, request: Infer, results: Results
) -> ModelInferResponse:
    """The answer of the network `name` to `message`, which was read as `request`."""
    answer = ModelInferResponse(model_name=name, model_version=version, id=request.id or "")
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


def _raw(contents: Collection[bytes], tensor: _Tensor, images: int) -> np.ndarray:
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


def _typed(tensor: _Tensor, images: int) -> np.ndarray:
    field, kind = _TYPED[tensor.datatype]
    values = getattr(tensor.contents, field)
    if len(values) != images * tensors.PIXELS:
        raise ProtocolError(
            f"{signature.IMAGES}.contents.{field}: {images} images need "
            f"{images * tensors.PIXELS} values, found {len(values)}"
        )
    return tensors.check_range(np.fromiter(values, kind, len(values)))
