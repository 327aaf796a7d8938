"""The request that every server gets: one digit, Open Inference Protocol v2."""

import http.client
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from model import signature

_EXAMPLE = Path(__file__).parent.parent.parent / "tests" / "seven.json"
JSON = {"Content-Type": "application/json"}
BATCH = 16  # images
LENGTH = "Inference-Header-Content-Length"  # of the protocol's binary extension


@dataclass(frozen=True)
class Request:
    """A POST request."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: JSON)

    def wire(self) -> bytes:
        """All its bytes, as they are sent."""
        headers = {"Host": "127.0.0.1", "Content-Length": str(len(self.body)), **self.headers}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, "", ""])
        return head.encode() + self.body

    def ask(self, port: int) -> tuple[int, bytes]:
        """Status and body of one answer. Raises OSError where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", self.path, self.body, self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"not an HTTP answer: {error!r}") from error
        finally:
            connection.close()


def image() -> np.ndarray:
    """The digit of the README: (1, 28, 28) float32."""
    tensor = json.loads(_EXAMPLE.read_bytes())["inputs"][0]
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])


def json_request(name: str) -> Request:
    """3.5 kB: the pixels as floats in JSON, the probabilities wanted."""
    pixels = image()
    tensor = {"name": signature.IMAGES, "shape": pixels.shape, "datatype": "FP32"}
    tensor["data"] = pixels.ravel().tolist()
    body = {"inputs": [tensor], "outputs": [{"name": signature.PROBABILITIES}]}
    return Request(_path(name), json.dumps(body, separators=(",", ":")).encode())


def binary_request(name: str) -> Request:
    """The same pixels and the same wish, both as raw bytes."""
    return _binary(name, image(), "FP32")


def batch_request(name: str) -> Request:
    """`BATCH` times the same pixels in one request, as raw bytes of a byte each."""
    pixels = np.repeat(image().astype(np.uint8), BATCH, axis=0)
    return _binary(name, pixels, "UINT8")


def _binary(name: str, pixels: np.ndarray, datatype: str) -> Request:
    tensor = {"name": signature.IMAGES, "shape": pixels.shape, "datatype": datatype}
    tensor["parameters"] = {"binary_data_size": pixels.nbytes}
    output = {"name": signature.PROBABILITIES, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    return Request(_path(name), head + pixels.tobytes(), headers)


def probabilities(body: bytes, images: int = 1) -> np.ndarray:
    """The answer's probabilities, (images, 10), from JSON or from the bytes at the end.

    Raises:
        ValueError: it is no answer of the protocol.
    """
    try:
        output = json.loads(body)["outputs"][0]
        values = np.array(output["data"], np.float64).ravel()
    except (json.JSONDecodeError, UnicodeDecodeError):
        values = np.frombuffer(body[-4 * images * signature.DIGITS :], np.float32)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not an answer of the protocol: {body[:200]!r}") from error
    if values.size != images * signature.DIGITS:
        raise ValueError(f"{values.size} probabilities, not {images * signature.DIGITS}")
    return values.reshape(images, signature.DIGITS)


def _path(name: str) -> str:
    return f"/v2/models/{name}/infer"
