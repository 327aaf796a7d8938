"""An ONNX network as a Triton model repository.

``DIR/NAME/config.pbtxt`` and ``DIR/NAME/VERSION/model.onnx``, for ``tritonserver
--model-repository=DIR``. Nothing is left for the engine to guess. Its fields are those of
model_config.proto (github.com/triton-inference-server/common), the parameters those of
github.com/triton-inference-server/onnxruntime_backend.
"""

import json
from pathlib import Path

import onnx

from model import signature
from model.export.verify import ExportError
from model.files import atomic

CONFIG, NETWORK = "config.pbtxt", "model.onnx"
# As many images as our own server takes in a request, so that no client has to change.
MAX_BATCH = 256
# Where the network is fastest, per image (benchmarks/README.md); warmed up as well as one image.
PREFERRED_BATCHES = (32, 64)
# Less than one inference takes: waiting longer would cost a lone client more than it gives others.
QUEUE_DELAY_US = 100
# Beyond it a request is refused (503, gRPC: UNAVAILABLE), not made to wait for seconds.
QUEUE_SIZE = 512

_TENSOR = """  {{
    name: {name}
    data_type: TYPE_FP32
    dims: {dims}
  }}"""
_WARM_UP = """  {{
    name: "batch of {batch}"
    batch_size: {batch}
    inputs {{
      key: {name}
      value {{ data_type: TYPE_FP32 dims: {dims} zero_data: true }}
    }}
  }}"""
_CONFIG = """# Written by `python -m model.export --triton`.
name: {name}
backend: "onnxruntime"
platform: "onnxruntime_onnx"
default_model_filename: "{network}"
max_batch_size: {max_batch}
input [
{inputs}
]
output [
{outputs}
]
dynamic_batching {{
  preferred_batch_size: {preferred}
  max_queue_delay_microseconds: {delay}
  default_queue_policy {{ max_queue_size: {queue} }}
}}
# An instance computes on one core: raise the count to the cores that the server may use.
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value {{ string_value: "1" }} }}
parameters {{ key: "execution_mode" value {{ string_value: "0" }} }}
model_warmup [
{warm_ups}
]
"""


def write(model: bytes, folder: Path, name: str, version: str) -> Path:
    """Write the network and its configuration; other versions in the folder stay.

    Args:
        model: an ONNX file's bytes.
        folder: the model repository.
        name: of the network, in paths of requests.
        version: a whole number from 1.

    Returns:
        The path of the ONNX file.

    Raises:
        ExportError: the network has not the names, shapes and types of `model.signature`.
        OSError: `folder` is not writable.
    """
    text = config(model, name)
    written = folder / name / version / NETWORK
    written.parent.mkdir(parents=True, exist_ok=True)
    # In one move each: a server that watches the repository never reads half a file.
    with atomic(written) as part:
        part.write_bytes(model)
    with atomic(folder / name / CONFIG) as part:
        part.write_text(text, encoding="utf-8")
    return written


def version_of(model: bytes) -> str:
    """The version that an ONNX file's properties name, as our own server reads it; else 1."""
    properties = {each.key: each.value for each in onnx.load_from_string(model).metadata_props}
    return properties.get("version", "1")


def config(model: bytes, name: str) -> str:
    """The text of ``config.pbtxt``; see `write`."""
    graph = onnx.load_from_string(model).graph
    inputs, outputs = _tensors(graph.input), _tensors(graph.output)
    expected = {signature.IMAGES: [signature.STEPS, signature.PIXELS]}
    if inputs != expected:
        raise ExportError(f"{name}: the inputs are {inputs}, not {expected}")
    required = set(signature.output_names(layers=1, bidirectional=False))
    if missing := required - set(outputs):
        raise ExportError(f"{name} lacks the outputs {', '.join(sorted(missing))}")
    batches = (1, *PREFERRED_BATCHES)
    image = {"name": _quoted(signature.IMAGES), "dims": inputs[signature.IMAGES]}
    return _CONFIG.format(
        name=_quoted(name),
        network=NETWORK,
        max_batch=MAX_BATCH,
        inputs=_entries(inputs),
        outputs=_entries(outputs),
        preferred=list(PREFERRED_BATCHES),
        delay=QUEUE_DELAY_US,
        queue=QUEUE_SIZE,
        warm_ups=",\n".join(_WARM_UP.format(batch=batch, **image) for batch in batches),
    )


def _tensors(nodes: list[onnx.ValueInfoProto]) -> dict[str, list[int]]:
    """Shapes by name, without the batch, which Triton adds by itself."""
    shapes = {}
    for node in nodes:
        tensor = node.type.tensor_type
        batch, *sizes = [size.dim_value for size in tensor.shape.dim] or [0]
        if batch or not all(sizes) or tensor.elem_type != onnx.TensorProto.FLOAT:
            raise ExportError(f"{node.name} must be float32 with only the batch left open")
        shapes[node.name] = sizes
    return shapes


def _entries(tensors: dict[str, list[int]]) -> str:
    return ",\n".join(
        _TENSOR.format(name=_quoted(name), dims=dims) for name, dims in tensors.items()
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # the text format escapes as JSON does
