"""The protocol's binary tensor extension: tensors as bytes behind the JSON of a body.

Source: docs/protocol/extension_binary_data.md of github.com/triton-inference-server/server.
Values are little-endian and row-major; a tensor says in its `parameters` how many bytes of the
rest are its own, and a header of the request or answer how long the JSON is.
"""

from typing import Any

import numpy as np

from model import signature
from serving.inference.tensors import DTYPES, FP32, PIXELS, ProtocolError, from_bytes, show

EXTENSION = "binary_tensor_data"  # in the server's metadata
LENGTH_HEADER = "Inference-Header-Content-Length"
SIZE = "binary_data_size"  # of an input or output: bytes
WANTED = "binary_data"  # of an output: as bytes?
ALL_WANTED = "binary_data_output"  # of a request: all outputs as bytes?


def split(body: bytes, header_length: int | None) -> tuple[bytes, bytes]:
    """The JSON of a body, and what is behind it.

    Raises:
        ProtocolError: the body is shorter than the JSON is said to be.
    """
    if header_length is None:
        return body, b""
    if header_length > len(body):
        raise ProtocolError(
            f"{LENGTH_HEADER}: says {header_length} bytes of JSON, the body has {len(body)}"
        )
    return body[:header_length], body[header_length:]


def has_size(tensor: dict[str, Any]) -> bool:
    """Whether the values of `tensor` are among the bytes behind the JSON."""
    parameters = tensor.get("parameters")
    return isinstance(parameters, dict) and SIZE in parameters


def pixels_of(
    tensor: dict[str, Any], datatype: str, images: int, rest: bytes, header_length: int | None
) -> np.ndarray:
    """The pixels of `tensor`, which is alone in `rest`; flat, float32 or uint8.

    Raises:
        ProtocolError: not as many bytes as its shape needs.
    """
    where = f"{signature.IMAGES}.parameters.{SIZE}"
    size = tensor["parameters"][SIZE]
    if type(size) is not int:  # JSON's true is an int to Python
        raise ProtocolError(f"{where}: must be a number of bytes, found {show(size)}")
    if "data" in tensor:
        raise ProtocolError(f"{where}: leave it out, or leave out 'data': there are both")
    if header_length is None:
        raise ProtocolError(f"{where}: send the header {LENGTH_HEADER} too, the bytes of the JSON")
    needed = images * PIXELS * DTYPES[datatype].itemsize
    if size != needed:
        raise ProtocolError(f"{where}: {images} images in {datatype} need {needed}, found {size}")
    check_length(rest, needed)
    return from_bytes(rest, datatype)


def check_length(rest: bytes, needed: int) -> None:
    """
    Raises:
        ProtocolError: `rest` has more or fewer bytes than the tensors need.
    """
    if len(rest) != needed:
        raise ProtocolError(
            f"the body: {needed} bytes of tensors must follow the JSON, found {len(rest)}"
        )


def bare_pixels(body: bytes, max_batch: int) -> np.ndarray:
    """The pixels of a body without JSON: the input tensor in FP32, of as many images as fit.

    Raises:
        ProtocolError: not a whole number of images, none, or too many.
    """
    size = PIXELS * DTYPES[FP32].itemsize
    images, more = divmod(len(body), size)
    if more or not 1 <= images <= max_batch:
        raise ProtocolError(
            f"the body: without JSON ({LENGTH_HEADER}: 0) it must be 1 to {max_batch} images of "
            f"{size} bytes each ({FP32}), found {len(body)} bytes"
        )
    return from_bytes(body, FP32)


def flag(parameters: Any, name: str, default: bool, where: str) -> bool:
    """The parameter `name`, true or false; `default` where it is not given.

    Raises:
        ProtocolError: `parameters` is no object, or the parameter neither true nor false.
    """
    if parameters is None:
        return default
    if not isinstance(parameters, dict):
        raise ProtocolError(f"{where}parameters: must be an object, found {show(parameters)}")
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"{where}parameters.{name}: must be true or false, found {show(value)}")
    return value
