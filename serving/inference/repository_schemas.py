"""What the routes of `serving.inference.triton_extensions` give, for the OpenAPI document."""

from typing import Literal

from pydantic import BaseModel, Field

from model.predictor import VERSION
from serving.inference.schemas import NAME


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
