"""What the API takes and gives, for the OpenAPI document; the work is done without it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from model import signature
from model.predictor import VERSION
from model.verdict import NO_INK, NOT_A_DIGIT, SEVERAL_DIGITS
from serving.inference import binary_codec as binary
from serving.inference.tensors import FP32, IMAGE_SHAPE

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
