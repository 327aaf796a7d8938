"""Every number that the exercise sheet asks for, as its solution gives it."""

import json
import math

import pytest

from model.lab import panels

GIVEN = {"W": "0.9", "U": "0.8", "V": "1.2", "h0": "0.5", "x": "0.5,-1"}
FIRST = {"a": "20", "b": "1", "c": "1", "x": "0.5,-1"}
SECOND = {"a": "1", "b": "1", "c": "0", "x": "0.5,-1"}


def ask(panel: str, **texts: str) -> dict:
    return json.loads(panels.answer(panel, texts))


def close(value):
    """As many digits as float64 has."""
    return pytest.approx(value, rel=1e-14, abs=1e-300)


def test_1_the_graph_of_two_steps():
    graph = ask("graph", **GIVEN)
    circles = {n["name"]: n["value"] for n in graph["nodes"] if n["kind"] != "computation"}
    assert circles == {"h_0": 0.5, "x_1": 0.5, "x_2": -1, "W": 0.9, "U": 0.8, "V": 1.2}
    assert (graph["computations"], graph["edge_count"]) == (10, 18)
    states = {n["name"]: n["value"] for n in graph["nodes"] if n.get("operation") == "tanh"}
    assert states == close({"h_1": 0.6910694698329306, "h_2": -0.17617992043618835})
    uses = [edge["to"] for edge in graph["edges"] if edge["from"] == "W"]
    assert uses == ["Wh_0", "Wh_1"]
    with_z = ask("graph", **GIVEN, z="1")
    assert (with_z["computations"], with_z["edge_count"]) == (11, 20)


def test_2_how_W_reaches_z():
    found = ask("paths", **GIVEN)
    assert found["tau"] == close([0.85, -0.17803747715036244])
    assert found["h"] == close([0.6910694698329306, -0.17617992043618835])
    assert found["y"] == close([0.8292833637995167, -0.211415904523426])
    assert found["z"] == close(-0.1753236924639042)
    assert {(p["used_at"], p["leaves_at"]): p["value"] for p in found["paths"]} == close(
        {(1, 1): -0.06626911711396458, (1, 2): 0.22668622261651628, (2, 2): 0.6663647883502127}
    )
    assert found["dz_dW"] == close(0.8267818938527645)
    assert found["dz_dU"] == close(-0.8038344168679991)
    assert found["dz_dV"] == close(-0.29220615410650697)


@pytest.mark.parametrize(
    ("steps", "paths", "tau_and_h", "h_only"),
    [(1, 1, 1, 1), (2, 3, 5, 4), (3, 6, 8, 6), (6, 21, 17, 12), (100, 5050, 299, 200)],
)
def test_2_what_is_stored(steps, paths, tau_and_h, h_only):
    found = ask("paths", x=",".join(["0.1"] * steps))
    assert len(found["paths"]) == paths
    assert found["stored"] == {"tau_and_h": tau_and_h, "h_only": h_only}


def test_3_where_the_inputs_are():
    found = ask("inputs", **GIVEN)
    paths = ask("paths", **GIVEN)
    for name in ("tau", "h", "y", "z", "dz_dW", "dz_dU"):
        assert found[name] == close(paths[name])
    first, second = found["changes"]
    assert all(first[name][step] != 0 for name in ("tau", "h", "y") for step in (0, 1))
    assert [second[name][0] for name in ("tau", "h", "y")] == [0, 0, 0]
    assert second["tau"][1] == 0.8
    assert 0 not in (first["dz_dW"], second["dz_dW"])


def test_4_clipping():
    found = ask("clipping", g="3,4;0.6,0.8,0", c="1")
    assert found["norm"] == close(math.sqrt(26))
    assert found["clipnorm"] == [close([0.6, 0.8]), close([0.6, 0.8, 0])]
    whole = [3 / 26**0.5, 4 / 26**0.5], [0.6 / 26**0.5, 0.8 / 26**0.5, 0]
    assert found["global_clipnorm"] == [close(variable) for variable in whole]
    assert found["clipvalue"] == [[1, 1], [0.6, 0.8, 0]]
    assert found["norms"] == close({"clipnorm": 2**0.5, "global_clipnorm": 1, "clipvalue": 3**0.5})
    assert found["angles"]["global_clipnorm"] == 0
    assert found["angles"]["clipnorm"] == pytest.approx(math.degrees(math.acos(6 / 52**0.5)))
    zero = ask("clipping", g="0,0", c="1")
    assert (zero["norm"], zero["clipnorm"], zero["angles"]["clipvalue"]) == (0, [[0, 0]], 0)


def test_5_two_readers():
    given = "A1=.5 B1=.9 c1=.1 A2=-.4 B2=.7 c2=.2 x=.5,-1,.8"
    found = ask("bidirectional", **dict(part.split("=") for part in given.split()))
    assert found["h"] == close([0.3363755443363322, -0.0969564699454687, 0.3907960072013516])
    assert found["k"] == close([0.32071349824741635, 0.4749174381013144, -0.11942729853438594])
    assert found["y"] == close([0.6570890425837486, 0.37796096815584573, 0.27136870866696566])


def test_6_on_paper():
    first, second = (ask("saturation", **given, on_paper="1") for given in (FIRST, SECOND))
    assert (first["tau"], first["h"], first["slopes"]) == ([11, -18], [1, -1], [0, 0])
    assert (second["tau"], second["h"], second["slopes"]) == (
        [0.5, -0.54],
        [0.46, -0.49],
        [0.79, 0.76],
    )
    names = ("loss", "dL_da", "dL_db", "dL_dc")
    assert [first[name] for name in names] == [2.0, 0, 0, 0]
    assert [second[name] for name in names] == [0.45, 0.81, -0.34, -0.6]
    assert round(ask("saturation", **SECOND)["loss"], 2) == 0.46  # rounded once, at the end


def test_6_exact():
    first, second = (ask("saturation", **given) for given in (FIRST, SECOND))
    names = ("loss", "dL_da", "dL_db", "dL_dc")
    twelve = {"rel": 1e-11}
    expected = [1.999999998884211836, 1.11578909152e-9, -1.85561826e-15, 2.23157261619e-9]
    assert [first[name] for name in names] == pytest.approx(expected, rel=2e-9)
    assert first["loss"] == close(expected[0])
    assert first["slopes"] == pytest.approx([1.11578723653e-9, 9.27809131e-16], rel=1e-9)
    expected = [0.455010193120828658, 0.815764637247, -0.344494661758, -0.604881923487]
    assert [second[name] for name in names] == pytest.approx(expected, **twelve)
    assert second["slopes"] == pytest.approx([0.786447732966, 0.758542073913], **twelve)


def test_6_float32_has_no_gradient_left():
    found = ask("saturation", **FIRST, float32="1")
    assert [found[name] for name in ("dL_da", "dL_db", "dL_dc")] == [0, 0, 0]
    assert found["slopes"] == [0, 0]


def test_6_descent_from_both():
    first, second = (
        ask("saturation", **given, descent="100", rate="0.1") for given in (FIRST, SECOND)
    )
    assert [round(first["losses"][n], 2) for n in (1, 10, 100)] == [2, 2, 2]
    assert first["learnt"]["a"] == pytest.approx(19.99999999, abs=1e-8)
    assert second["losses"][1] == pytest.approx(0.3496, abs=5e-5)
    assert second["losses"][10] == pytest.approx(0.0824, abs=5e-5)
    assert second["losses"][100] == pytest.approx(4.7e-8, rel=0.02)


@pytest.mark.parametrize(
    ("steps", "piece", "paths", "kept"),
    [
        (28, 7, 406, 112),
        (28, 14, 406, 210),
        (28, 28, 406, 406),
        (28, 500, 406, 406),
        (28, 1, 406, 28),
        (10, 4, 55, 23),  # 4, 4 and 2 steps
        (200, 200, 20100, 20100),
    ],
)
def test_7_paths_that_are_left(steps, piece, paths, kept):
    found = ask("truncation", steps=str(steps), piece=str(piece))
    assert (found["paths"], found["paths_kept"]) == (paths, kept)
    walked = ask("truncation", piece=str(piece), x=",".join(["0.1"] * steps))
    assert walked["paths_kept"] == kept
    assert walked["stored"]["piece"]["h_only"] == 2 * min(piece, steps) - (piece == 1)


def test_7_carry_and_reset():
    x = (0.5, -1.0, 0.8, 0.3, -0.2)
    texts = {**GIVEN, "x": ",".join(map(str, x))}
    paths = ask("paths", **texts)
    found = ask("truncation", **texts, piece="2")
    whole, carry, reset = found["whole"], found["carry"], found["reset"]
    assert whole["dz_dW"] == close(paths["dz_dW"])
    assert carry["z"] == whole["z"] == close(paths["z"])
    kept = [p for p in paths["paths"] if (p["used_at"] - 1) // 2 == (p["leaves_at"] - 1) // 2]
    assert carry["dz_dW"] == close(sum(p["value"] for p in kept))
    assert reset["z"] != whole["z"]
    pieces = [ask("paths", **{**texts, "x": piece}) for piece in ("0.5,-1", "0.8,0.3", "-0.2")]
    starts = [pieces[0]] + [
        ask("paths", **{**texts, "h0": "0", "x": piece}) for piece in ("0.8,0.3", "-0.2")
    ]
    assert reset["z"] == close(math.prod(piece["z"] for piece in starts))
    expected = sum(
        piece["dz_dW"] * math.prod(o["z"] for o in starts if o is not piece) for piece in starts
    )
    assert reset["dz_dW"] == close(expected)
    one = ask("truncation", **texts, piece="5")
    assert one["whole"] == one["carry"] == one["reset"]


def test_rounding_on_paper():
    from model.lab.arithmetic import on_paper

    cases = {0.125: 0.13, -0.125: -0.13, 2.675: 2.68, 0.35 * 0.1: 0.04, -0.001: 0.0, 1e300: 1e300}
    for value, expected in cases.items():
        assert on_paper(value) == expected, value
        assert math.copysign(1, on_paper(value)) == math.copysign(1, expected)


def test_on_paper_at_every_step():
    found = ask("paths", **GIVEN, on_paper="1")
    # τ1 = .45 + .40; h1 = .69; 1 − .48; y1 = .828; τ2 = .62 − .80; h2 = −.178; 1 − .03; y2 = −.216
    assert (found["tau"], found["h"], found["y"]) == ([0.85, -0.18], [0.69, -0.18], [0.83, -0.22])
    assert (found["slopes"], found["z"]) == ([0.52, 0.97], -0.18)
    # −.22·1.2 = −.26 ·.52 = −.14 ·.5;  .83·1.2 = 1.00 ·.97 = .97 ·.69;  .97·.9 = .87 ·.52 = .45 ·.5
    assert [path["value"] for path in found["paths"]] == [-0.07, 0.23, 0.67]
    assert found["dz_dW"] == 0.83
    both = ask("bidirectional", on_paper="1")
    # .25 + .00 + .10; −.50 + .31 + .10; .40 − .08 + .10
    assert both["h"] == [0.34, -0.09, 0.4]
    # −.32 + .00 + .20; .40 − .08 + .20; −.20 + .34 + .20
    assert both["k"] == [0.33, 0.48, -0.12]
    assert both["y"] == [0.67, 0.39, 0.28]
