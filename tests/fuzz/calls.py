"""gRPC calls: raw bytes, damaged messages, and tensors that say what is not so."""

import time

import grpc
import numpy as np

from model import signature
from serving.inference import grpc_codec as messages
from tests.fuzz.tally import PATIENCE

_OWN_FAILURES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
_NAMES = ("scanline", "", "nope", "../scanline", "ä" * 200, "x" * 70_000)
_VERSIONS = ("", "1", "2", "01", "-1", "nope")
_INPUTS = (signature.IMAGES, "", "image", "\x00")
_TYPES = ("FP32", "UINT8", "BOOL", "BYTES", "", "fp32", "INT64")
_DIMENSIONS = (28, 1, 0, -1, 27, 784, 2**31, 2**62, -(2**63))
_FIELDS = ("fp32_contents", "uint_contents", "int_contents", "bytes_contents", "bool_contents")
STREAM = "ModelStreamInfer"


class Caller:
    """Calls the server at 127.0.0.1:`port`; may be shared by threads."""

    def __init__(self, port: int):
        options = [("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)

    def call(self, rng: np.random.Generator) -> tuple[str, float, bool, str]:
        """One call; the code's name, the seconds, whether it is the server's own failure, what."""
        others = [*messages.METHODS, "Nope", ""]
        method = "ModelInfer" if rng.integers(3) else others[rng.integers(len(others))]
        sent = (
            [broken(rng) for _ in range(rng.integers(0, 5))] if method == STREAM else [broken(rng)]
        )
        metadata = (
            [("x-request-id", "a" * int(rng.integers(1, 300)))] if rng.integers(4) == 0 else []
        )
        path = f"/{messages.SERVICE}/{method}"
        started = time.perf_counter()
        try:
            if method == STREAM:
                answers = self._channel.stream_stream(path)(
                    iter(sent), metadata=metadata, timeout=PATIENCE
                )
                for _ in answers:
                    pass
            else:
                self._channel.unary_unary(path)(sent[0], metadata=metadata, timeout=PATIENCE)
            code, text = grpc.StatusCode.OK, ""
        except grpc.RpcError as error:
            code, text = error.code(), error.details()
        took = time.perf_counter() - started
        return code.name, took, code in _OWN_FAILURES, f"{method} {text} {sent!r}"


def broken(rng: np.random.Generator) -> bytes:
    """A message to ModelInfer."""
    kind = rng.integers(6)
    if kind == 0:
        return rng.bytes(int(rng.integers(0, 2000)))
    data = bytearray(_message(rng))
    if kind == 1:
        return bytes(data[: rng.integers(len(data) + 1)])
    if kind == 2 and data:
        for place in rng.integers(len(data), size=rng.integers(1, 6)):
            data[place] ^= 1 << rng.integers(8)
    return bytes(data)


def _message(rng: np.random.Generator) -> bytes:
    def one_of(choices):
        return choices[0 if rng.integers(4) else rng.integers(len(choices))]

    message = messages.request_class("ModelInfer")()
    message.model_name, message.model_version = one_of(_NAMES), one_of(_VERSIONS)
    message.id = "a" * int(rng.integers(0, 300))
    for _ in range(1 if rng.integers(5) else rng.integers(0, 4)):
        images = int(rng.integers(0, 4))
        tensor = message.inputs.add(name=one_of(_INPUTS), datatype=one_of(_TYPES))
        tensor.shape.extend([images, one_of(_DIMENSIONS), one_of(_DIMENSIONS)])
        size = images * signature.STEPS * signature.PIXELS + int(rng.integers(-2, 3))
        numbers = rng.integers(0, 300, max(0, size))
        if rng.integers(2):
            message.raw_input_contents.append(numbers.astype(np.float32).tobytes())
        if rng.integers(2):
            field = getattr(tensor.contents, one_of(_FIELDS))
            if one_of(_FIELDS) == "bytes_contents":
                tensor.contents.bytes_contents.append(b"x" * max(0, size))
            elif field is not tensor.contents.bytes_contents:
                field.extend(numbers.tolist() if rng.integers(3) else [0])
    if rng.integers(2):
        message.outputs.add(name=one_of((signature.PROBABILITIES, "", "nope", signature.IMAGES)))
    return message.SerializeToString()
