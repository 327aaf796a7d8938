"""`python -m model.lab`: strict JSON, and one line for what it cannot compute."""

import json

import pytest

from model.lab import panels
from model.lab.__main__ import main

KEYS = {
    "graph": {"nodes", "edges"},
    "paths": {"tau", "h", "y", "z", "paths", "dz_dW", "dz_dU", "dz_dV", "stored"},
    "inputs": {"tau", "h", "y", "z", "dz_dW", "dz_dU", "changes"},
    "clipping": {"norm", "clipnorm", "global_clipnorm", "clipvalue", "norms", "angles"},
    "bidirectional": {"h", "k", "y"},
    "saturation": {"tau", "h", "loss", "dL_da", "dL_db", "dL_dc"},
    "truncation": {"paths", "paths_kept"},
}


@pytest.mark.parametrize("panel", panels.PANELS)
def test_each_panel_prints_json(panel, capsys):
    assert main([panel]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= KEYS[panel]
    assert found == json.loads(panels.answer(panel, {}))


def test_negative_first_values(capsys):
    for words in (["--x", "-1,0.5", "--W", "-.5"], ["--x=-1,0.5", "--W=-.5"]):
        assert main(["paths", *words]) == 0
        assert json.loads(capsys.readouterr().out)["tau"][0] == pytest.approx(-1.05)
    assert main(["clipping", "--g", "-3,4;-1", "--c", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["clipvalue"] == [[-1, 1], [-1]]
    assert main(["saturation", "--on-paper", "--x", "-1,0.5"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("paths --x 1,nan", "x: 'nan' is not a finite number"),
        ("paths --x -inf,1", "x: '-inf' is not a finite number"),
        ("paths --W 1e999", "not a finite number"),
        ("paths --W 1_0", "W: '1_0' is not a number"),
        ("paths --x 1,,2", "x: '' is not a number"),
        ("paths --V 1e200", "too large for float64"),
        ("clipping --c 0", "c must be above 0, not 0"),
        ("clipping --c -1", "c must be above 0, not -1"),
        ("truncation --steps 201", "steps must be at most 200, not 201"),
        ("truncation --piece 0", "piece: '0' is not a whole number above 0"),
        ("truncation --piece 2.5", "not a whole number"),
        ("saturation --on-paper --float32", "exclude each other"),
        ("saturation --descent 1001", "at most 1000 steps"),
        ("paths --x " + ",".join(["1"] * 201), "201 numbers are too many, the most is 200"),
        ("clipping --g " + ",".join(["1"] * 201), "more than 200 numbers are too many"),
    ],
)
def test_what_cannot_be_computed_is_one_line(words, says, capsys):
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert says in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("paths --W", "expected one argument"),
        ("paths --Q 1", "unrecognized arguments: --Q 1"),
        ("nothing", "invalid choice: 'nothing'"),
    ],
)
def test_unknown_words_get_the_usage(words, says, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    assert says in capsys.readouterr().err


def test_a_query_is_asked_the_same():
    assert json.loads(panels.answer("paths", {"x": "0.5,-1", "on_paper": "1"}))["h"][0] == 0.69
    for panel, texts, says in (
        ("nothing", {}, "no panel 'nothing'"),
        ("paths", {"Q": "1"}, "paths has no 'Q': it has W, U, V"),
        ("paths", {"on_paper": "perhaps"}, "on_paper: 'perhaps' is neither 1 nor 0"),
    ):
        with pytest.raises(ValueError, match=says):
            panels.answer(panel, texts)


def test_no_overflow_where_tanh_is_flat():
    """Warnings are errors here."""
    found = json.loads(panels.answer("saturation", {"a": "1000", "x": "1,-1,1"}))
    assert (found["h"], found["dL_da"]) == ([1, -1, 1], 0)
    for panel in ("paths", "inputs", "graph"):
        panels.answer(panel, {"W": "1000", "U": "-1000", "x": "1,-1,1"})
