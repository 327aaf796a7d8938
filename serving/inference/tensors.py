"""The input tensor, however it was encoded: its declaration checked, its values made images.

The JSON, binary and gRPC codecs share it, and so say the same of the same mistake.
"""

import reprlib
from array import array
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from model import signature
from serving.http.errors import RequestError

FP32, UINT8 = "FP32", "UINT8"
DATATYPES = (FP32, UINT8)  # what an input may be; all outputs are FP32
DTYPES = {FP32: np.dtype("<f4"), UINT8: np.dtype("u1")}  # on the wire, in binary
IMAGE_SHAPE = (signature.STEPS, signature.PIXELS)
PIXELS = signature.STEPS * signature.PIXELS  # of one image

_DATA = f"{signature.IMAGES}.data"


class Infer(NamedTuple):
    """An inference request.

    `images` is float32 (batch, 28, 28), pixels 0..255; `outputs` the wanted names, all
    when None; `id` is the client's, to be sent back; `binary` are the names of the outputs
    that are wanted as bytes.
    """

    images: np.ndarray
    outputs: list[str] | None = None
    id: str | None = None
    binary: Collection[str] = ()


class ProtocolError(RequestError):
    """The request breaks the protocol; the message names the field and what is expected."""


def check_input(name: Any, datatype: Any, shape: Any, max_batch: int) -> None:
    """Whether a tensor so declared can be the network's input.

    Raises:
        ProtocolError: it cannot.
    """
    if name != signature.IMAGES:
        raise ProtocolError(f"inputs[0].name: must be {signature.IMAGES!r}, found {show(name)}")
    where = signature.IMAGES
    if datatype not in DATATYPES:
        raise ProtocolError(
            f"{where}.datatype: must be {' or '.join(DATATYPES)}, found {show(datatype)}"
        )
    # JSON's true is an int to Python, so types are compared exactly.
    if (
        not isinstance(shape, list)
        or [type(size) for size in shape] != [int] * 3
        or tuple(shape[1:]) != IMAGE_SHAPE
        or shape[0] < 1
    ):
        expected = ", ".join(map(str, IMAGE_SHAPE))
        raise ProtocolError(f"{where}.shape: must be [batch, {expected}], found {show(shape)}")
    if shape[0] > max_batch:
        raise ProtocolError(
            f"{where}.shape: {shape[0]} images are too many, send at most {max_batch} a request"
        )


def from_numbers(values: list, datatype: str, may_hold_bools: bool) -> np.ndarray:
    """Pixels from JSON's numbers, float32 or uint8, flat.

    Raises:
        ProtocolError: not numbers, or outside 0..255.
    """
    if not may_hold_bools:  # the two ways that are fast take True for 1
        try:
            return np.frombuffer(bytes(values), np.uint8)  # also refuses what is outside
        except (TypeError, ValueError):
            pass
        if datatype == FP32:
            try:
                return check_range(np.frombuffer(array("f", values), np.float32))
            except (TypeError, OverflowError, ProtocolError):
                pass
    return _exactly_from_numbers(values, datatype)


def _exactly_from_numbers(values: list, datatype: str) -> np.ndarray:
    numbers = {int} if datatype == UINT8 else {int, float}
    if not numbers.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in numbers)
        kind = "whole numbers" if datatype == UINT8 else "numbers"
        raise ProtocolError(f"{_DATA}: must hold {kind} only, found {show(wrong)}")
    return check_range(np.frombuffer(array("d", values))).astype(np.float32)


def from_bytes(data: bytes, datatype: str) -> np.ndarray:
    """Pixels from their bytes, little-endian, flat.

    Raises:
        ProtocolError: not a number, or outside 0..255.
    """
    return check_range(np.frombuffer(data, DTYPES[datatype]))


def check_range(pixels: np.ndarray) -> np.ndarray:
    """`pixels` themselves.

    Raises:
        ProtocolError: one is not a number, or outside 0..255.
    """
    if pixels.dtype != np.uint8 and not (pixels.min() >= 0 and pixels.max() <= signature.WHITE):
        wrong = pixels[~((pixels >= 0) & (pixels <= signature.WHITE))][0]
        raise ProtocolError(f"{_DATA}: must be pixels from 0 (page) to 255 (ink), found {wrong:g}")
    return pixels


def to_images(pixels: np.ndarray) -> np.ndarray:
    """Flat pixels as float32 (batch, 28, 28).

    Raises:
        ProtocolError: they were divided by 255, or are a mask of 0 and 1.
    """
    peaks = pixels.reshape(-1, PIXELS).max(axis=1).tolist()
    if any(0 < peak <= 1 for peak in peaks):
        raise ProtocolError(
            f"{_DATA}: pixels look scaled to 0..1: send raw values 0..255 (0 page, 255 ink)"
        )
    return pixels.astype(np.float32, copy=False).reshape(-1, *IMAGE_SHAPE)


def show(value: Any) -> str:
    """A value of the client's in a few characters, whatever its size."""
    return "nothing" if value is None else reprlib.repr(value)
