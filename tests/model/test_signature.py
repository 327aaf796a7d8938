"""Names in one place, and the imports that keep the app light."""

import re
import subprocess
import sys

import pytest

from model import signature
from tests.support.running import ROOT


def test_output_names_in_order():
    assert signature.output_names(2, bidirectional=True) == [
        "probabilities",
        "step_probabilities",
        "hidden_forward_1",
        "hidden_backward_1",
        "hidden_forward_2",
        "hidden_backward_2",
    ]
    assert signature.output_names(1, bidirectional=False)[2:] == ["hidden_forward_1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hidden_forward_1", ("forward", 1)),
        ("hidden_backward_12", ("backward", 12)),
        ("probabilities", None),
        ("hidden_forward_", None),
        ("hidden_forward_x", None),
    ],
)
def test_layer_of(name, expected):
    assert signature.layer_of(name) == expected


def test_names_are_written_nowhere_else():
    written_out = re.compile(r"""["'](step_probabilities|hidden_(forward|backward)_\d*)["']""")
    for folder in ("model", "training", "serving", "benchmarks"):
        for path in (ROOT / folder).rglob("*.[pj][ys]"):
            if path != ROOT / "model" / "signature.py":
                assert not written_out.search(path.read_text()), path


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    "module",
    [
        "model.signature",
        "model.images.preprocess",
        "model.images.strokes",
        "model.predictor",
        "serving.app",
        "serving.page.app",
        "serving.batch",
    ],
)
def test_serving_needs_no_training_library(module):
    heavy = {"keras", "tensorflow", "jax", "onnx", "training"}
    assert not heavy & imported_by(f"import {module}")


def test_training_does_not_use_serving_nor_the_other_way_round():
    for folder, forbidden in (
        ("training", "serving"),
        ("serving", "training"),
        ("model", "training|serving"),
    ):
        imports = re.compile(rf"^\s*(from|import) ({forbidden})\b", re.MULTILINE)
        for path in (ROOT / folder).rglob("*.py"):
            assert not imports.search(path.read_text()), path
