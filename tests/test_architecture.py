"""Which room may import which, what stays out of the app, and what nobody touches."""

import ast
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import grimp
import pytest

from tests.support.running import ROOT

PACKAGES = ("model", "training", "serving")
# Heavy libraries that the app and all that it imports do without.
TRAINING_ONLY = {"keras", "tensorflow", "jax", "onnx", "training"}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def test_training_and_serving_use_the_model_and_not_each_other(graph):
    for importer, imported in product(PACKAGES, PACKAGES):
        if importer != imported and imported != "model":
            chain = graph.find_shortest_chain(importer, imported, as_packages=True)
            assert chain is None, " -> ".join(chain)


def arrows(graph, package: str) -> dict[str, set[str]]:
    """Who imports whom inside a package: its modules, and its folders as one each."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    found: dict[str, set[str]] = {}
    for module in {package, *graph.find_descendants(package)}:
        others = {room(other) for other in graph.find_modules_directly_imported_by(module)}
        found.setdefault(room(module), set()).update(
            other for other in others if other.startswith(package)
        )
    return {one: others - {one} for one, others in found.items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_rooms_import_each_other_in_a_circle(graph, package):
    left = arrows(graph, package)
    while free := [one for one, others in left.items() if not others & left.keys()]:
        for one in free:
            del left[one]
    assert not left, f"a circle runs through {sorted(left)}"


LIGHT = (
    *("model.weights", "model.predictor", "model.lab.__main__", "model.exercises.__main__"),
    *("serving.page.app", "serving.batch.__main__"),
)


@pytest.mark.parametrize("module", LIGHT)
def test_serving_needs_no_training_library(module):
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not TRAINING_ONLY & {name.partition(".")[0] for name in result.stdout.split()}


def sources(*folders: str, pattern: str = "*.py") -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob(pattern))]
    # Not the environments that benchmarks install.
    return [path for path in found if ".envs" not in path.parts]


def test_one_module_imports_onnx_runtime():
    """It turns the telemetry off before. Other environments' programs are not ours to import it."""
    importing = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    found = [path for path in sources(*PACKAGES) if importing.search(path.read_text())]
    assert found == [ROOT / "model" / "predictor.py"]


def test_outputs_names_are_written_nowhere_but_in_the_signature():
    written_out = re.compile(r"""["'](step_probabilities|hidden_(forward|backward)_\d*)["']""")
    for path in sources(*PACKAGES, "benchmarks", pattern="*.[pj][ys]"):
        if path != ROOT / "model" / "signature.py":
            assert not written_out.search(path.read_text()), path


PUBLIC = {"_exit", "_asdict", "_fields", "_replace"}  # documented: of `os`, of named tuples


def private_names(tree: ast.AST) -> tuple[set[str], list[tuple[str, int]]]:
    """Names with one underscore in front that a module defines, and those that it takes."""
    defined, taken = set(), []
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                defined.add(node.name)
            case ast.Name(ctx=ast.Store()):
                defined.add(node.id)
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                defined.add(node.attr)
            case ast.Attribute():
                taken.append((node.attr, node.lineno))
            case ast.Import() | ast.ImportFrom():
                names = [getattr(node, "module", None) or "", *(each.name for each in node.names)]
                taken += [(part, node.lineno) for name in names for part in name.split(".")]
    return defined, [(name, line) for name, line in taken if re.match(r"_(?!_|$)", name)]


def test_no_private_name_of_a_library_is_used():
    folders = (*PACKAGES, "benchmarks", "deploy", "tests")
    written = [path for path in sources(*folders) if "_pb2" not in path.name]  # not generated
    for path in written:
        defined, taken = private_names(ast.parse(path.read_text()))
        for name, line in taken:
            assert name in defined | PUBLIC, f"{path.relative_to(ROOT)}:{line} {name}"
