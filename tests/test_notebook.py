"""The notebook: without outputs, it runs, and its numbers are the sheet's."""

import json
import os

import nbformat
import pytest
from nbclient import NotebookClient

from model.exercises import problem
from tests.support.running import ROOT

PATH = ROOT / "notebooks" / "rnn_by_hand.ipynb"
RIGHT = """def cell(x, h0, W, U, b):
    states, h = [], h0
    for x_t in x:
        h = np.tanh(W @ h + U @ x_t + b)
        states.append(h)
    return states
"""
# What a student may run at the end: the sheet's numbers, and a right and a mistaken function.
AFTER = [
    """import json
print(json.dumps({"dz_dW": dz_dW, "with_tau": more_with_tau, "with_h": more_with_h, "y": y,
    "norms": {name: float(value) for name, value in norms.items()}, "losses": losses,
    "paths": [whole, kept], "accuracy": [accuracy_one, accuracy_two]}))""",
    RIGHT + 'print(check(cell, "elman-cell", seed=17))',
    RIGHT.replace("W @ h", "W.T @ h") + 'print(check(cell, "elman-cell", seed=17))',
]


def test_no_output_is_committed():
    for cell in nbformat.read(PATH, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def text_of(cell) -> str:
    shown = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "\n".join(shown)


@pytest.mark.timeout(600)
def test_it_runs_without_mnist_and_answers_the_sheet(monkeypatch, tmp_path):
    """In a folder of its own, so that `answers.csv` comes there, and nowhere else."""
    monkeypatch.delenv("SCANLINE_DATA", raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(PATH, as_version=4)
    first = notebook.cells[1]
    first.source = first.source.replace("os.chdir(root)", f"os.chdir({str(tmp_path)!r})")
    last = len(notebook.cells)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in AFTER]
    folder = {"metadata": {"path": str(PATH.parent)}}
    NotebookClient(notebook, timeout=500, resources=folder).execute(env=os.environ.copy())
    shown = [text_of(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert any("No MNIST here" in text for text in shown)
    unfilled = text_of(notebook.cells[last - 2])
    assert "not right yet" in unfilled

    numbers, right, mistaken = map(text_of, notebook.cells[last:])
    found = json.loads(numbers)
    assert found["dz_dW"] == pytest.approx(0.8267818938527645, abs=1e-12)
    assert (found["with_tau"], found["with_h"]) == (294, 196)
    assert found["norms"] == pytest.approx(
        {"none": 26**0.5, "clipnorm": 2**0.5, "global_clipnorm": 1, "clipvalue": 3**0.5}
    )
    assert found["y"] == pytest.approx([0.657089042583, 0.377960968155, 0.271368708666])
    assert found["losses"] == {"1": 2.00, "2": 0.45}
    assert found["paths"] == [406, 112]
    assert min(found["accuracy"]) > 0.9

    assert "right" in right
    assert "not right" not in right
    assert "transposed" in mistaken
    rows = (tmp_path / "answers.csv").read_text().splitlines()
    steps = problem("elman-cell", 17).steps
    assert len(rows) == 1 + len(steps) * 4
