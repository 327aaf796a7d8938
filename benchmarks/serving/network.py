"""Writes the network of the comparison: python benchmarks/serving/network.py FILE.onnx

Two bidirectional layers of 64, read out at every step, 2.107 MFLOP an image; random weights.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import keras

from model import weights
from model.export import onnx_graph
from model.network import NetworkConfig, build

CONFIG = NetworkConfig(units=(64, 64), merge_mode="concat")


def write(path: Path) -> None:
    """The network as ONNX, form `gemm`, and its weights as ``.npz`` beside it."""
    keras.utils.set_random_seed(0)
    network = weights.from_keras(build(CONFIG))
    path.write_bytes(onnx_graph.build(network, "gemm").SerializeToString())
    weights.save_arrays(network, path.with_suffix(".npz"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
