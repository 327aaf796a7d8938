"""A network's weights as an ONNX graph of standard operators, written node by node.

Keras's own export turns every `SimpleRNN` into a `Loop` (tf2onnx issues 1546, 1684,
1851): three to four times slower on one image, and its outputs are called ``Identity:0``. Two
forms are offered, equal to the last few bits:

``gemm``  The steps are unrolled. What the pixels contribute is one Gemm for all steps;
          each step then costs one Gemm and one activation, which runtimes fuse. Fast
          for one image and for batches (figures: ``benchmarks/README.md``).
``rnn``   The operator `RNN`: a dozen nodes, readable in Netron, for engines that know it.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model import signature
from model.weights import Cell, Dense, Layer, Network

OPSET = 18
IR_VERSION = 8  # the oldest that opset 18 allows: more engines can read it
Form = Literal["gemm", "rnn"]


def build(
    network: Network, form: Form = "gemm", metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Write the graph.

    Args:
        network: from `model.weights.load`.
        form: ``gemm`` or ``rnn``, see above.
        metadata: goes into the file's metadata properties.

    Returns:
        A checked ONNX model; names and shapes as in `model.signature`, the batch
        dimension symbolic, opset 18.
    """
    graph = _Graph()
    recurrent_layer = {"gemm": _gemm_layer, "rnn": _rnn_layer}[form]
    x = graph.node("Mul", [signature.IMAGES, graph.constant("scale", np.float32(network.scale))])
    for number, layer in enumerate(network.layers, start=1):
        window = network.window if number == 1 else 1
        x = recurrent_layer(graph, layer, x, number, window)
        if layer.normalization is not None:
            norm = layer.normalization
            gamma = graph.constant(f"gamma_{number}", norm.gamma)
            beta = graph.constant(f"beta_{number}", norm.beta)
            x = graph.node(
                "LayerNormalization", [x, gamma, beta], axis=-1, epsilon=norm.epsilon
            )  # (batch, steps, features)

    if network.bidirectional or network.score is not None:
        pooled = graph.node("ReduceMean", [x, graph.constant("steps_axis", [1])], keepdims=0)
    if network.bidirectional:
        # The mean of all y_t = V x_t + c is V mean(x_t) + c: one small Gemm, not 28.
        answer_input = pooled
    else:
        answer_input = graph.node(
            "Gather", [x, graph.constant("last", signature.STEPS - 1)], axis=1
        )
    kernel, bias = _dense_constants(graph, "readout", network.readout)
    logits = graph.node("Gemm", [answer_input, kernel, bias])  # (batch, digits)
    graph.node("Softmax", [logits], output=signature.PROBABILITIES, axis=-1)

    if network.score is not None:
        hidden, score_readout = network.score
        features = graph.node("Gemm", [pooled, *_dense_constants(graph, "score_hidden", hidden)])
        features = graph.node("Relu", [features])
        no_digit = _dense_constants(graph, "score_readout", score_readout)
        total = graph.node("Gemm", [features, *no_digit])
        graph.node("Sigmoid", [total], output=signature.SCORE)

    if network.belief is not None:
        kernel, bias = _dense_constants(graph, "belief", network.belief)
        x = signature.hidden_forward(1)
    belief = graph.node("Add", [graph.node("MatMul", [x, kernel]), bias])  # (batch, steps, digits)
    graph.node("Softmax", [belief], output=signature.STEP_PROBABILITIES, axis=-1)
    return graph.model(network, metadata or {})


class _Graph:
    """Collects nodes and constants, and names the tensors between them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: np.ndarray | float | int | list[int]) -> str:
        array = np.asarray(value)
        if array.dtype != np.float32:
            array = array.astype(np.int64)
        self.constants[name] = numpy_helper.from_array(array.copy(order="C"), name)
        return name

    def node(
        self, operator: str, inputs: list[str], output: str | list[str] | None = None, **attributes
    ) -> str:
        """Append a node; returns its (first) output's name."""
        outputs = [output] if isinstance(output, str) else output
        outputs = outputs or [f"{operator.lower()}_{len(self.nodes)}"]
        self.nodes.append(
            helper.make_node(
                operator, inputs, outputs, f"{operator}_{len(self.nodes)}", **attributes
            )
        )
        return outputs[0]

    def model(self, network: Network, metadata: Mapping[str, str]) -> onnx.ModelProto:
        steps, batch = signature.STEPS, "batch"
        shapes = {
            signature.PROBABILITIES: (batch, signature.DIGITS),
            signature.STEP_PROBABILITIES: (batch, steps, signature.DIGITS),
        }
        has_score = network.score is not None
        if has_score:
            shapes[signature.SCORE] = (batch, 1)
        names = signature.output_names(len(network.layers), network.bidirectional, has_score)
        for name in names[len(shapes) :]:
            _, number = signature.layer_of(name)
            shapes[name] = (batch, steps, network.layers[number - 1].forward.units)

        def tensor(name: str, shape: tuple) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                "scanline",
                [tensor(signature.IMAGES, (batch, steps, signature.PIXELS))],
                [tensor(name, shape) for name, shape in shapes.items()],
                list(self.constants.values()),
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="scanline",
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model


def _dense_constants(graph: _Graph, name: str, layer: Dense) -> tuple[str, str]:
    return (
        graph.constant(f"{name}_kernel", layer.kernel),
        graph.constant(f"{name}_bias", layer.bias),
    )


def _gemm_layer(graph: _Graph, layer: Layer, x: str, number: int, window: int) -> str:
    """One Gemm a step for each reader; returns the merged states' name."""
    inputs = len(layer.forward.kernel)
    shape = graph.constant(f"rows_shape_{number}", [-1, inputs])

    def rows(upwards: bool) -> str:
        return graph.node("Reshape", [_window(graph, x, window, upwards), shape])

    downward, upward = signature.hidden_forward(number), signature.hidden_backward(number)
    seen = rows(upwards=False)
    _gemm_reader(graph, layer.forward, layer.activation, seen, downward)
    if layer.backward is None:
        return downward
    if window > 1:  # else both readers see the same rows
        seen = rows(upwards=True)
    _gemm_reader(graph, layer.backward, layer.activation, seen, upward, upwards=True)
    return _merge(graph, layer, downward, upward)


def _gemm_reader(
    graph: _Graph, cell: Cell, activation: str, rows: str, name: str, upwards: bool = False
) -> None:
    """Unroll one reader over `rows` (batch * steps, inputs); its states are called `name`."""
    steps, units = signature.STEPS, cell.units
    # What the rows contribute, for all steps in one Gemm: (batch * steps, units).
    kernel = graph.constant(f"{name}_kernel", cell.kernel)
    drive = graph.node("Gemm", [rows, kernel, graph.constant(f"{name}_bias", cell.bias)])
    flat = graph.constant(f"flat_shape_{units}", [-1, steps * units])
    drives = [f"{name}_drive_{step}" for step in range(steps)]  # each (batch, units)
    split = graph.constant(f"split_{units}", [units] * steps)
    graph.node("Split", [graph.node("Reshape", [drive, flat]), split], output=drives, axis=1)

    recurrent = graph.constant(f"{name}_recurrent_kernel", cell.recurrent_kernel)
    states: dict[int, str] = {}
    state = None
    for step in reversed(range(steps)) if upwards else range(steps):
        total = drives[step]  # alone at the first step: the state before it is zero
        if state is not None:
            total = graph.node("Gemm", [state, recurrent, total])
        state = states[step] = graph.node(activation.capitalize(), [total])  # Tanh, Relu
    in_row_order = graph.node("Concat", [states[step] for step in range(steps)], axis=1)
    shape = graph.constant(f"states_shape_{units}", [-1, steps, units])
    graph.node("Reshape", [in_row_order, shape], output=name)


def _rnn_layer(graph: _Graph, layer: Layer, x: str, number: int, window: int) -> str:
    """The operator `RNN`, one for both readers; returns the merged states' name."""
    readers = [(signature.hidden_forward(number), layer.forward)]
    if layer.backward is not None:
        readers.append((signature.hidden_backward(number), layer.backward))
    if window == 1:
        direction = "forward" if layer.backward is None else "bidirectional"
        _rnn_readers(graph, layer.activation, x, readers, direction)
    else:  # the two see different rows
        for reader, direction in zip(readers, ("forward", "reverse"), strict=False):
            seen = _window(graph, x, window, upwards=direction == "reverse")
            _rnn_readers(graph, layer.activation, seen, [reader], direction)
    names = [name for name, _ in readers]
    return names[0] if layer.backward is None else _merge(graph, layer, *names)


def _rnn_readers(
    graph: _Graph, activation: str, x: str, readers: list[tuple[str, Cell]], direction: str
) -> None:
    """One operator `RNN` for readers of the same rows; their states get the readers' names."""
    prefix, cells = readers[0][0], [cell for _, cell in readers]
    kernel = graph.constant(f"{prefix}_kernel", np.stack([c.kernel.T for c in cells]))
    recurrent = graph.constant(
        f"{prefix}_recurrent_kernel", np.stack([c.recurrent_kernel.T for c in cells])
    )
    # B is [input bias | recurrent bias]; Keras has one, so the other is zero.
    bias = graph.constant(
        f"{prefix}_bias", np.stack([np.hstack([c.bias, np.zeros_like(c.bias)]) for c in cells])
    )
    by_step = graph.node("Transpose", [x], perm=[1, 0, 2])  # layout=1 is not widely supported
    states = graph.node(  # (steps, readers, batch, units)
        "RNN",
        [by_step, kernel, recurrent, bias],
        activations=[activation.capitalize()] * len(cells),
        direction=direction,
        hidden_size=cells[0].units,
    )
    by_reader = graph.node("Transpose", [states], perm=[1, 2, 0, 3])
    for index, (name, _) in enumerate(readers):
        reader = graph.constant(f"reader_{index}", index)
        graph.node("Gather", [by_reader, reader], output=name, axis=0)  # (batch, steps, units)


def _window(graph: _Graph, x: str, rows: int, upwards: bool) -> str:
    """(batch, steps, pixels) to (batch, steps, rows * pixels): the rows last read, oldest first."""
    if rows == 1:
        return x
    older = rows - 1
    sides = [0, 0, 0, 0, older, 0] if upwards else [0, older, 0, 0, 0, 0]
    pads = graph.constant("upward_pads" if upwards else "downward_pads", sides)
    padded = graph.node("Pad", [x, pads])
    axis = graph.constant("window_axis", [1])
    pieces = []
    for age in range(older, -1, -1):
        start = age if upwards else older - age
        ends = (
            graph.constant(f"window_from_{start}", [start]),
            graph.constant(f"window_to_{start}", [start + signature.STEPS]),
        )
        pieces.append(graph.node("Slice", [padded, *ends, axis]))
    return graph.node("Concat", pieces, axis=2)


def _merge(graph: _Graph, layer: Layer, downward: str, upward: str) -> str:
    if layer.merge_mode == "sum":
        return graph.node("Add", [downward, upward])
    return graph.node("Concat", [downward, upward], axis=2)
