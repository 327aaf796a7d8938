"""Requests to the HTTP API, pictures for it and errors of it, that several tests share."""

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw
from prometheus_client.parser import text_string_to_metric_families

from model import signature
from serving.app import create_app
from serving.inference.models import Models
from serving.settings import Settings

MODEL = "/v2/models/tiny"
INFER = f"{MODEL}/infer"
SETTINGS = Settings(max_body_bytes=8 * 2**20, max_pixels=1_000_000, max_batch=8)
# More than `SETTINGS` allow, and nested deeper than any parser may go.
DEEP = b'{"inputs":' + b"[" * (10 * 2**20)
BODY_TYPES = {"content-type": "application/octet-stream"}


def client_of(models: Models | Sequence[Path], **settings) -> TestClient:
    """A client of an application of its own, without the page; a 500 is an answer, as elsewhere."""
    models = models if isinstance(models, Models) else Models(models)
    app = create_app(models, Settings(**{"ui": False, **settings}))
    return TestClient(app, raise_server_exceptions=False)


def samples(client: TestClient) -> dict[str, float]:
    """What stands at /metrics: ``name{a="1",b="2"}`` → value, labels by name."""
    return samples_of(client.get("/metrics").text)


def samples_of(text: str) -> dict[str, float]:
    return {
        sample.name
        + "{"
        + ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def seven() -> Image.Image:
    """White ink on black."""
    picture = Image.new("L", (100, 100), 0)
    ImageDraw.Draw(picture).line([(25, 20), (75, 20), (45, 85)], fill=255, width=9)
    return picture


def bomb() -> bytes:
    """A real PNG of 20000 x 20000 pixels: 400 MB of zeros in less than 2 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    side = 20_000
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def request(images: np.ndarray, **changes) -> dict:
    tensor = {
        "name": signature.IMAGES,
        "shape": list(images.shape),
        "datatype": "FP32",
        "data": images.ravel().tolist(),
    }
    return {"inputs": [{**tensor, **changes}]}


def error_of(response, *codes: int) -> str:
    assert response.status_code in codes, response.text
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["error"]
    assert answer["error"]
    return answer["error"]
