"""What an inference request and its answer hold, for the OpenAPI document."""

from typing import Any

from model import signature
from serving.inference import binary_codec as binary
from serving.inference.schemas import BINARY, body
from serving.inference.tensors import DATATYPES, IMAGE_SHAPE

INFER_BODY = body(
    {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string", "description": "sent back with the answer"},
                    "inputs": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["name", "shape", "datatype"],
                            "properties": {
                                "name": {"type": "string", "enum": [signature.IMAGES]},
                                "shape": {
                                    "type": "array",
                                    "items": {"type": "integer"},
                                    "description": "[images, 28, 28]",
                                },
                                "datatype": {"type": "string", "enum": list(DATATYPES)},
                                "data": {
                                    "type": "array",
                                    "items": {},
                                    "description": "pixels 0 (page) to 255 (ink), row by row, "
                                    "flat or nested as `shape` says",
                                },
                                "parameters": {
                                    "type": "object",
                                    "description": f"`{binary.SIZE}`, instead of `data`: the "
                                    "pixels are so many bytes behind the JSON, little-endian",
                                },
                            },
                        },
                    },
                    "outputs": {
                        "type": "array",
                        "description": "wanted outputs; all when left out",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "name": {"type": "string"},
                                "parameters": {
                                    "type": "object",
                                    "description": f"`{binary.WANTED}`: true, values as bytes",
                                },
                            },
                        },
                    },
                    "parameters": {
                        "type": "object",
                        "description": f"`{binary.ALL_WANTED}`: true, all outputs as bytes",
                    },
                },
            },
            "example": {
                "id": "42",
                "inputs": [
                    {
                        "name": signature.IMAGES,
                        "shape": [1, *IMAGE_SHAPE],
                        "datatype": "UINT8",
                        "data": [0] * (signature.STEPS * signature.PIXELS),
                    }
                ],
                "outputs": [{"name": signature.PROBABILITIES}],
            },
        },
        "application/octet-stream": BINARY,
    }
)
INFER_BODY["parameters"] = [
    {
        "name": binary.LENGTH_HEADER,
        "in": "header",
        "description": "bytes of the JSON, where the bytes of tensors follow it; 0: the body is "
        "nothing but the images in FP32, and all outputs come as bytes",
        "schema": {"type": "integer", "minimum": 0},
    }
]
INFER_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": BINARY},
        "headers": {
            binary.LENGTH_HEADER: {
                "description": "bytes of the JSON, where the bytes of tensors follow it",
                "schema": {"type": "integer"},
            }
        },
    }
}
