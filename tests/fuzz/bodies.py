"""Broken bodies of inference requests: JSON, and JSON with tensors behind it."""

import json
from typing import Any

import numpy as np

from model import signature
from serving.inference.binary_codec import LENGTH_HEADER
from serving.inference.tensors import FP32, UINT8

_STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 28, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308,
    "", "x", "images", "\ud800", "\x00", "ä" * 300, [], {}, [[]], [None], {"": {}}, [[[[[1]]]]],
    ["a"] * 784, [0] * 783, [256] * 784, [-1] * 784, [True] * 784, [0.5] * 784, [1e39] * 784,
)  # fmt: skip
_KEYS = ("id", "inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "")


def request(rng: np.random.Generator, **parameters: Any) -> dict[str, Any]:
    """A good request, of one to three images."""
    count = int(rng.integers(1, 4))
    images = rng.integers(0, 256, (count, signature.STEPS, signature.PIXELS))
    flat = bool(rng.integers(2))
    tensor: dict[str, Any] = {
        "name": signature.IMAGES,
        "shape": list(images.shape),
        "datatype": [FP32, UINT8][rng.integers(2)],
        "data": (images.ravel() if flat else images).tolist(),
    }
    return {
        "id": "a",
        "inputs": [tensor],
        "outputs": [{"name": signature.PROBABILITIES, "parameters": {"binary_data": False}}],
        "parameters": parameters,
    }


def broken(rng: np.random.Generator) -> bytes:
    """A request that is strange in one to three places, or no JSON at all."""
    kind = rng.integers(10)
    if kind == 0:
        return nested(int(rng.integers(1, 200_000)), rng)
    if kind == 1:
        return rng.bytes(int(rng.integers(0, 4000)))
    body = request(rng)
    for _ in range(rng.integers(1, 4)):
        body = _altered(body, rng)
    data = bytearray(json.dumps(body), "utf-8", "surrogatepass")
    if kind == 2:
        return bytes(data[: rng.integers(len(data))])
    if kind == 3:
        for place in rng.integers(len(data), size=3):
            data[place] = rng.integers(256)
    if kind == 4:
        number = [b"NaN", b"-Infinity", b"1e999", b"01", b"1_0", b"0x1"][rng.integers(6)]
        data = data.replace(b"0", number, int(rng.integers(1, 4)))
    return bytes(data)


def nested(depth: int, rng: np.random.Generator) -> bytes:
    """Lists or objects in each other; the closing ends may be missing."""
    opening, closing = [(b"[", b"]"), (b'{"a":', b"}")][rng.integers(2)]
    return opening * depth + b"1" + closing * (depth if rng.integers(2) else 0)


def _altered(value: Any, rng: np.random.Generator) -> Any:
    """`value` with one part of it, found at random on the way down, made strange."""
    if rng.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return _STRANGE[rng.integers(len(_STRANGE))]
    if isinstance(value, list):
        place = int(rng.integers(len(value)))
        return [*value[:place], _altered(value[place], rng), *value[place + 1 :]]
    changed = dict(value)
    key = list(changed)[rng.integers(len(changed))]
    change = rng.integers(4)
    if change == 0:
        del changed[key]
    elif change == 1:
        changed[_KEYS[rng.integers(len(_KEYS))]] = changed.pop(key)
    else:
        changed[key] = _altered(changed[key], rng)
    return changed


def binary(rng: np.random.Generator) -> tuple[bytes, dict[str, str]]:
    """A request with its tensor behind the JSON, with lengths that do not fit, and its headers."""
    body = request(rng, binary_data_output=bool(rng.integers(2)))
    tensor = body["inputs"][0]
    del tensor["data"]
    size = int(np.prod(tensor["shape"])) * (4 if tensor["datatype"] == FP32 else 1)
    wrong = [0, 1, -1, 4, 2**31, 2**63, -size]
    told = size + (wrong[rng.integers(len(wrong))] if rng.integers(2) else 0)
    tensor["parameters"] = {"binary_data_size": told}
    if rng.integers(3) == 0:
        body = _altered(body, rng)
    head = json.dumps(body).encode("utf-8", "backslashreplace")
    rest = rng.bytes(max(0, size + int(rng.integers(-8, 9)) * int(rng.integers(2))))
    lengths = [len(head), len(head) + 1, len(head) - 1, 0, 10**9, -1, "x", "", "1_0", "٣"]
    length = lengths[rng.integers(len(lengths)) if rng.integers(2) else 0]
    return head + rest, {LENGTH_HEADER: str(length)}
