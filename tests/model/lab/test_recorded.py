"""The recorded figures: labelled, whole, and as the page and the documents say."""

import json
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest

from model import lab
from tests.support.running import ROOT

RECORDED = {file.stem: file for file in Path(lab.__file__).with_name("recorded").glob("*.json")}

CLIPPING = ("none", "clipnorm", "global_clipnorm", "clipvalue")


def runs(name: str) -> list[dict]:
    return json.loads(RECORDED[name].read_text())["runs"]


def errors(name: str, key: str = "error_percent", **about) -> list[float]:
    return [run[key] for run in runs(name) if about.items() <= run.items()]


@pytest.mark.parametrize("name", ["memory", "truncation", "clipping", "input_gain"])
def test_each_says_what_made_it(name):
    found = json.loads(RECORDED[name].read_text())
    assert f"python -m training.recorded {name}" in found["command"]
    assert found["machine"]
    assert found["date"]
    if name != "memory":
        assert found["seeds"] == [0, 1, 2]
        assert found["settings"]["validation"] == 10_000


def test_shorter_pieces_learn_less():
    whole = errors("truncation", piece=28)
    means = [mean(errors("truncation", piece=piece, kind="carry")) for piece in (14, 7, 4)]
    assert mean(whole) < means[0] < means[1] < means[2]
    for piece in (14, 7, 4):  # a state that is reset never sees the rows before
        carried = errors("truncation", piece=piece, kind="carry")
        assert min(errors("truncation", "as_trained_percent", piece=piece, kind="reset")) > max(
            carried
        )


def test_clipping_alone_makes_the_difference():
    means = {kind: mean(errors("clipping", clipping=kind)) for kind in CLIPPING}
    assert max(means.values()) == means["none"] > 2 * means["clipnorm"]


def test_memory_grows_by_the_step():
    rows = json.loads(RECORDED["memory"].read_text())["rows"]
    slopes = [
        (b["training_bytes"] - a["training_bytes"]) / (b["steps"] - a["steps"])
        for a, b in pairwise(rows)
    ]
    assert max(slopes) < 1.01 * min(slopes)


def test_the_document_has_these_figures():
    text = (ROOT / "docs" / "results.md").read_text()
    for about in (
        {"name": "truncation", "piece": 28},
        *({"name": "truncation", "piece": piece, "kind": "carry"} for piece in (14, 7, 4)),
        *({"name": "clipping", "clipping": kind} for kind in CLIPPING),
        *({"name": "input_gain", "input_gain": gain} for gain in (1.0, 3.0, 10.0, 30.0)),
    ):
        found = errors(**about)
        assert f"{mean(found):.1f} ({min(found):.1f} to {max(found):.1f})" in text, about
