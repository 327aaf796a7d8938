"""Stands in for Triton's ONNX Runtime backend, inside Triton: the same engine, from Python.

Triton takes a folder ``backends/onnxruntime`` with this file as ``model.py`` for the backend
that a config.pbtxt asks for (docs/python_based_backends.md of its backend repository). Each
execution is written into the file ``TRITON_TEST_LOG``: model, requests, images.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ["TRITON_TEST_PACKAGES"])
import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        self._config = json.loads(args["model_config"])
        threads = self._config["parameters"]["intra_op_thread_count"]["string_value"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        folder = Path(args["model_repository"]) / args["model_version"]
        self._session = onnxruntime.InferenceSession(
            str(folder / self._config["default_model_filename"]),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._log = Path(os.environ["TRITON_TEST_LOG"])

    def execute(self, requests):
        (tensor,) = self._config["input"]
        names = [output["name"] for output in self._config["output"]]
        inputs = [
            triton.get_input_tensor_by_name(request, tensor["name"]).as_numpy()
            for request in requests
        ]
        ends = np.cumsum([len(each) for each in inputs])
        with self._log.open("a") as log:
            log.write(f"{self._config['name']} {len(requests)} {ends[-1]}\n")
        outputs = self._session.run(names, {tensor["name"]: np.concatenate(inputs)})
        parts = [np.split(output, ends[:-1]) for output in outputs]
        return [
            triton.InferenceResponse(
                [
                    triton.Tensor(name, np.ascontiguousarray(part[n]))
                    for name, part in zip(names, parts, strict=True)
                    if name in request.requested_output_names()
                ]
            )
            for n, request in enumerate(requests)
        ]
