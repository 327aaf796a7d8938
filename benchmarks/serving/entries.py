"""The rows of the comparison: each a server, its network, what it is asked, what is right."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.serving import body, servers
from benchmarks.serving.servers import Server
from model import reference, signature
from model.weights import load_arrays

OURS, BINARY = "ours", "ours, binary bodies"
RELEASED, RELEASED_BINARY = "ours, released network", "ours, released network, binary bodies"
RELEASED_BATCHES = f"ours, released network, {body.BATCH} images a request, binary"


class WrongAnswer(Exception):
    """A server answered, but not with what the network computes."""


@dataclass(frozen=True)
class Entry:
    """One row: a server, its network, what it is asked, the answer for each image (None: an
    echo's), and how many images a request has."""

    server: Server
    model: Path
    request: body.Request
    expected: np.ndarray | None
    images: int = 1


def expected_of(model: Path) -> np.ndarray:
    """The probabilities of the digit by the forward pass by hand: (10,)."""
    network = load_arrays(model.with_suffix(".npz"))
    return reference.forward(network, body.image())[signature.PROBABILITIES][0]


def entries(benchmark: Path, released: Path) -> dict[str, Entry]:
    """All rows but ONNX Runtime's, by name and in the table's order."""
    same, right = body.json_request(benchmark.stem), expected_of(benchmark)
    rivals = {name: Entry(one, benchmark, same, right) for name, one in servers.RIVALS.items()}
    echoes = {name: Entry(one, benchmark, same, None) for name, one in servers.ECHOES.items()}
    return {
        OURS: _ours(benchmark, body.json_request),
        BINARY: _ours(benchmark, body.binary_request),
        **rivals,
        **echoes,
        RELEASED: _ours(released, body.json_request),
        RELEASED_BINARY: _ours(released, body.binary_request),
        RELEASED_BATCHES: _ours(released, body.batch_request, body.BATCH),
    }


def _ours(model: Path, request_for: Callable[[str], body.Request], images: int = 1) -> Entry:
    return Entry(servers.OURS, model, request_for(model.stem), expected_of(model), images)


def check(entry: Entry, port: int) -> None:
    """Raises WrongAnswer unless the first answer is right."""
    status, answer = entry.request.ask(port)
    if status != 200:
        raise WrongAnswer(f"status {status}: {answer[:200]!r}")
    if entry.expected is None:
        if answer != entry.request.body:
            raise WrongAnswer(f"no echo: {answer[:200]!r}")
    elif not np.allclose(
        body.probabilities(answer, entry.images), entry.expected, rtol=0, atol=1e-5
    ):
        raise WrongAnswer(f"other probabilities than the reference's: {answer[:200]!r}")
