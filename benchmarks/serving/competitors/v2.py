"""What all competitors share: one session, the protocol's JSON to an array and back.

Runs in the competitors' environments, so it imports nothing of the project. The caller names
the network in the variable MODEL; its first output is the answer's.
"""

import os

import numpy as np
import onnxruntime


class Network:
    """The same options as our own server: one thread that does not spin."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers)
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    def run(self, images: np.ndarray) -> np.ndarray:
        """(n, 28, 28) float32 to (n, 10)."""
        return self.session.run([self.output], {self.input: images})[0]

    def answer(self, result: np.ndarray) -> dict:
        data = result.ravel().tolist()
        output = {"name": self.output, "shape": result.shape, "datatype": "FP32", "data": data}
        return {"model_name": "benchmark", "outputs": [output]}


def images_of(request: dict) -> np.ndarray:
    """The images of a request's body: (n, 28, 28) float32."""
    tensor = request["inputs"][0]
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])
