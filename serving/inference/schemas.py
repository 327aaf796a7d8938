"""What the API takes and gives, for the OpenAPI document; the work is done without it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from model import signature
from model.predictor import VERSION
from model.verdict import NO_INK, NOT_A_DIGIT, SEVERAL_DIGITS
from serving.inference import binary_codec as binary
from serving.inference.tensors import DATATYPES, FP32, IMAGE_SHAPE

NAME = "scanline"  # of the server, and of the released model in the examples
PICTURES, INFERENCE, NETWORKS, HEALTH, SERVER = (
    "pictures",
    "inference",
    "networks",
    "health",
    "server",
)
# In the order in which /docs shows them.
TAGS = [
    {"name": PICTURES, "description": "Image files in, digits out, or why not to believe them."},
    {
        "name": INFERENCE,
        "description": "The Open Inference Protocol v2: prepared rows of pixels in, all that a "
        "network computes out.",
    },
    {"name": NETWORKS, "description": "What each network takes and gives, and has done so far."},
    {
        "name": HEALTH,
        "description": "For probes and load balancers, by GET or HEAD: no key is needed, and a "
        "full server answers too.",
    },
    {"name": SERVER, "description": "What the server offers, and all its networks."},
]


class Error(BaseModel):
    error: str = Field(examples=["no model 'nope' here: choose one of 'scanline', 'elman'"])


class Server(BaseModel):
    name: str = Field(examples=[NAME])
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str = Field(examples=[NAME])
    ready: bool


class Tensor(BaseModel):
    name: str
    datatype: Literal["FP32"]
    shape: list[int] = Field(description="-1 is any number of images")


class Model(BaseModel):
    name: str = Field(examples=[NAME])
    versions: list[str] = Field(examples=[[VERSION]])
    platform: str
    inputs: list[Tensor] = Field(
        examples=[[{"name": signature.IMAGES, "datatype": FP32, "shape": [-1, *IMAGE_SHAPE]}]]
    )
    outputs: list[Tensor] = Field(
        description=f"all that the network gives; not every network has a `{signature.SCORE}`",
        examples=[
            [
                {
                    "name": signature.PROBABILITIES,
                    "datatype": FP32,
                    "shape": [-1, signature.DIGITS],
                },
                {"name": signature.SCORE, "datatype": FP32, "shape": [-1, 1]},
            ]
        ],
    )


class OutputTensor(Tensor):
    shape: list[int]
    data: list[float] | None = Field(
        None, description="row-major, flat; not there when the values are bytes behind the JSON"
    )
    parameters: dict[str, int] | None = Field(
        None, description=f"`{binary.SIZE}`: how many of those bytes", examples=[{binary.SIZE: 40}]
    )


class InferAnswer(BaseModel):
    model_name: str = Field(examples=[NAME])
    model_version: str = Field(examples=[VERSION])
    id: str | None = Field(None, description="the request's, if it had one")
    outputs: list[OutputTensor]


class Result(BaseModel):
    """The answer for one file; `error` stands alone with `file`."""

    file: str | None = Field(description="as uploaded; null for a raw body")
    digit: int | None = Field(
        None, ge=0, le=9, description="the likeliest, even when rejected; null when there is no ink"
    )
    confidence: float | None = Field(None, description="probability of that digit, 0..1")
    probabilities: list[float] | None = Field(None, description="of the digits 0..9, sum 1")
    score: float | None = Field(
        None,
        description="how sure the network is that this is no digit, 0..1; null when there is no "
        "ink, or when the network has no such output",
    )
    rejected: bool | None = Field(None, description="true: better not believe `digit`")
    reason: str | None = Field(
        None,
        description=f"why it is rejected: {NO_INK}, {SEVERAL_DIGITS}, {NOT_A_DIGIT}, or not "
        "sure between two digits, the likelier one first; null when accepted",
        examples=["not sure: 4 or 9"],
    )
    error: str | None = Field(None, description="why this file cannot be read")


class Classified(BaseModel):
    model: str = Field(examples=[NAME])
    results: list[Result]


def body(content: dict[str, Any]) -> dict[str, Any]:
    """The description of a body that must be sent."""
    return {"requestBody": {"required": True, "content": content}}


BINARY = {"schema": {"type": "string", "format": "binary"}}
CLASSIFY_BODY = body(
    {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "array", "items": BINARY["schema"]}},
                "additionalProperties": {"type": "string", "format": "binary"},
            }
        },
        "application/octet-stream": BINARY,
        "image/*": BINARY,
    }
)
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


class Duration(BaseModel):
    count: int
    ns: int = Field(description="their sum, in nanoseconds")


class InferStatistics(BaseModel):
    success: Duration = Field(description="requests answered, from body to answer")
    fail: Duration = Field(description="requests with an error")
    queue: Duration = Field(description="requests, and how long they waited for their batch")
    compute_input: Duration = Field(description="requests, and how long reading them took")
    compute_infer: Duration = Field(description="requests, and how long their batches took")
    compute_output: Duration = Field(description="requests, and how long writing answers took")


class BatchStatistics(BaseModel):
    batch_size: int = Field(description="images")
    compute_infer: Duration = Field(description="batches of that size")


class ModelStatistics(BaseModel):
    name: str = Field(examples=[NAME])
    version: str = Field(examples=[VERSION])
    last_inference: int = Field(description="milliseconds since 1970; 0: none yet")
    inference_count: int = Field(description="images")
    execution_count: int = Field(description="batches")
    inference_stats: InferStatistics
    batch_stats: list[BatchStatistics]


class Statistics(BaseModel):
    model_stats: list[ModelStatistics]


class ConfigTensor(BaseModel):
    name: str
    data_type: Literal["TYPE_FP32"]
    dims: list[int] = Field(description="without the batch")


class Config(BaseModel):
    name: str = Field(examples=[NAME])
    platform: str
    backend: str
    version_policy: dict[str, dict[str, int]]
    max_batch_size: int = Field(description="images in a request")
    input: list[ConfigTensor]
    output: list[ConfigTensor]
    instance_group: list[dict[str, str | int]]
    default_model_filename: str
    dynamic_batching: dict[str, int]


class IndexEntry(BaseModel):
    name: str = Field(examples=[NAME])
    version: str = Field(description="empty where it cannot be used", examples=[VERSION])
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = Field(description="why it is not ready, else empty")


INDEX_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "ready": {"type": "boolean", "description": "only those that are ready"}
                    },
                },
                "example": {"ready": True},
            }
        }
    }
}
