"""The exercises on a drawing: against loops, differences, and what must hold of any drawing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model import reference, signature
from model.fresh import fresh
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.lab.__main__ import trained
from model.lab.drawing import (
    Drawing,
    clipping,
    graph,
    inputs,
    saturation,
    truncation,
    variables,
)
from model.lab.panels import ON_DRAWING, answer
from tests.support.drawings import FOUR, SEVEN

STATES = signature.hidden_forward(1)


def drawing_of(strokes) -> Drawing:
    return Drawing(preprocess(render(strokes)).image, trained, strokes)


@pytest.fixture(scope="module")
def drawing():
    return drawing_of(FOUR)


def loss(network, rows, label):
    [probabilities] = reference.forward(network, rows[None])[signature.PROBABILITIES]
    return -np.log(probabilities[label])


def test_strict_json(drawing):
    for panel in ON_DRAWING:
        assert json.loads(answer(panel, {}, drawing)) == ON_DRAWING[panel](drawing)


@pytest.mark.parametrize(("row", "unit"), [(1, 0), (2, 127), (14, 5), (28, 64)])
def test_a_unit_at_a_row(drawing, row, unit):
    found = graph(drawing, row, unit)
    h = reference.forward(trained("elman"), drawing.rows[None])[STATES][0]
    np.testing.assert_allclose(found["before"], h[row - 2] if row > 1 else np.zeros(128))
    np.testing.assert_allclose(found["x"], drawing.rows[row - 1] / 255)
    tau = found["b"]
    for a, b, products, total in (("U", "x", "Ux", "sum_Ux"), ("W", "before", "Wh", "sum_Wh")):
        np.testing.assert_allclose(found[products], np.multiply(found[a], found[b]))
        assert found[total] == pytest.approx(np.dot(found[a], found[b]))
        tau += found[total]
    assert found["tau"] == pytest.approx(tau)
    assert found["h"] == pytest.approx(np.tanh(tau))
    assert found["h"] == h[row - 1, unit]
    assert found["slope"] == pytest.approx(1 - found["h"] ** 2)


def test_the_gradient_by_differences(drawing):
    """Of the biases, each number moved a little."""
    network, step = fresh(seed=5), 1e-6
    found = clipping(drawing, label=8, seed=5)
    assert found["loss"] == pytest.approx(loss(network, drawing.rows, 8))
    [layer], readout = network.layers, network.readout
    for name, biases in (("b", layer.forward.bias), ("c", readout.bias)):
        by_number = []
        for move in np.eye(len(biases)) * step:
            losses = []
            for moved in (biases + move, biases - move):
                if name == "b":
                    cell = replace(layer.forward, bias=moved)
                    other = replace(network, layers=(replace(layer, forward=cell),))
                else:
                    other = replace(network, readout=replace(readout, bias=moved))
                losses.append(loss(other, drawing.rows, 8))
            by_number.append((losses[0] - losses[1]) / (2 * step))
        assert found["norms"][name] == pytest.approx(np.linalg.norm(by_number), rel=1e-6)
    whole = np.linalg.norm([*found["norms"].values()])
    assert found["norm"] == pytest.approx(whole)


def test_only_the_whole_norm_keeps_the_direction(drawing):
    found = clipping(drawing, c=0.1)
    assert found["label"] == 4  # what elman answers
    by_variable, whole, by_value = (
        found["clipped"][method] for method in ("clipnorm", "global_clipnorm", "clipvalue")
    )
    assert whole["angle"] == 0
    assert whole["norm"] == pytest.approx(0.1)
    assert by_variable["norms"] == pytest.approx(dict.fromkeys("UWbVc", 0.1))
    # The cosine of what keeps each variable's direction needs their norms alone.
    cosine = sum(0.1 * found["norms"][name] for name in "UWbVc")
    cosine /= found["norm"] * by_variable["norm"]
    assert np.cos(np.radians(by_variable["angle"])) == pytest.approx(cosine)
    assert by_value["angle"] > 1
    loose = clipping(drawing, c=1000)
    for method in loose["clipped"].values():
        assert method == {"norm": loose["norm"], "norms": loose["norms"], "angle": 0}


def test_saturation_costs_the_input_weights_gradient_alone(drawing):
    found = saturation(drawing, seed=2)
    by_gain = {each["input_gain"]: each for each in found["fresh"]}
    assert [*by_gain] == [1, 3, 10, 30]
    shares = [each["saturated"] for each in found["fresh"]]
    assert shares == sorted(shares)
    assert by_gain[10]["norms"]["U"] < 0.5 * by_gain[1]["norms"]["U"]
    assert 0.5 < by_gain[10]["norms"]["W"] / by_gain[1]["norms"]["W"] < 2
    for network, each in [
        *((fresh(gain, seed=2), by_gain[gain]) for gain in by_gain),
        *((trained(name), found["trained"][name]) for name in ("elman", "elman-saturated")),
    ]:
        h = reference.forward(network, drawing.rows[None])[STATES]
        assert each["saturated"] == np.mean(np.abs(h) > 0.99)
        assert each["slope"] == pytest.approx(np.median(1 - h**2))
    first = clipping(drawing, seed=2)
    assert by_gain[1]["loss"] == first["loss"]
    assert by_gain[1]["norms"].items() <= first["norms"].items()


@pytest.mark.parametrize("strokes", [FOUR, SEVEN, [*FOUR, *SEVEN]])
def test_a_stroke_changes_no_state_above_it(strokes):
    drawing = drawing_of(strokes)
    found = inputs(drawing)
    assert (found["kind"], len(found["parts"])) == ("stroke", len(strokes))
    for number, part in enumerate(found["parts"]):
        first, changes = part["first_row"], np.array(part["changes"])
        assert (part["stroke"], first) == (number, part["rows"][0])
        assert (changes[: first - 1] == 0).all()
        assert (changes[first - 1 :] > 0).all()
    inked = drawing.rows.any(axis=1)
    assert found["first_changed"] == [t if inked[t - 1] else None for t in range(1, 29)]


def test_without_its_only_stroke_the_network_reads_a_blank_page():
    drawing = drawing_of(SEVEN)
    [part] = inputs(drawing)["parts"]
    h, blank = (
        reference.forward(trained("elman"), rows[None])[STATES][0]
        for rows in (drawing.rows, np.zeros((28, 28)))
    )
    expected = np.linalg.norm(h - blank, axis=1) / np.linalg.norm(h, axis=1)
    np.testing.assert_allclose(part["changes"], expected)


def test_a_picture_has_blocks_of_rows(drawing):
    many = [np.array([[0.1 + 0.03 * n, 0.5], [0.1 + 0.03 * n, 0.6]]) for n in range(21)]
    assert inputs(drawing_of(many))["kind"] == "rows"
    found = inputs(replace(drawing, strokes=None))
    assert found["kind"] == "rows"
    inked = np.flatnonzero(drawing.rows.any(axis=1)) + 1
    assert found["parts"][0]["rows"][0] == inked[0]
    assert found["parts"][-1]["rows"][1] == inked[-1]
    for part in found["parts"]:
        assert not np.any(part["changes"][: part["rows"][0] - 1])


def gradient_of_last(network, rows, label, piece):
    """∂L/∂W and ∂L/∂U with the gradient through the last `piece` rows, by a plain loop."""
    weights = variables(network)
    outputs = reference.forward(network, rows[None])
    h = np.concatenate([np.zeros((1, 128)), outputs[STATES][0]])
    error = outputs[signature.PROBABILITIES][0] - np.eye(10)[label]
    delta = weights["V"] @ error
    by_W, by_U = np.zeros((128, 128)), np.zeros((28, 128))
    for t in range(len(rows), len(rows) - piece, -1):
        local = (1 - h[t] ** 2) * delta
        by_W += np.outer(h[t - 1], local)
        by_U += np.outer(rows[t - 1] / 255, local)
        delta = weights["W"] @ local
    return {"W": by_W.ravel(), "U": by_U.ravel()}


@pytest.mark.parametrize(("piece", "last"), [(14, 14), (7, 7), (5, 3), (1, 1), (27, 1)])
def test_pieces(drawing, piece, last):
    network, rows = trained("elman"), drawing.rows
    found = truncation(drawing, piece)
    whole, carry, reset = (found[kind] for kind in ("whole", "carry", "reset"))
    assert found["stored"] == {"whole": 28, "piece": piece}
    assert [of["rows"] for of in (whole, carry, reset)] == [28, 28, last]
    assert [of["gradient_rows"] for of in (whole, carry, reset)] == [28, last, last]
    assert carry["belief"] == whole["belief"]
    np.testing.assert_allclose(reset["belief"][:piece], whole["belief"][:piece])
    alone = reference.forward(network, rows[None, -last:])
    np.testing.assert_allclose(reset["probabilities"], alone[signature.PROBABILITIES][0])
    assert reset["answer"] == alone[signature.PROBABILITIES].argmax()
    label = found["label"]
    full = gradient_of_last(network, rows, label, 28)
    for of, expected in (
        (carry, gradient_of_last(network, rows, label, last)),
        (reset, gradient_of_last(network, rows[-last:], label, last)),
    ):
        for name in ("W", "U"):
            one, other = full[name], expected[name]
            norms = np.linalg.norm(one), np.linalg.norm(other)
            assert of["ratio"][name] == pytest.approx(norms[1] / norms[0])
            if norms[1] > 0:
                cosine = one @ other / (norms[0] * norms[1])
                assert of["cosine"][name] == pytest.approx(cosine)
            else:  # the last rows are blank: no pixel, no gradient
                assert of["cosine"][name] is None


@pytest.mark.parametrize("piece", [28, 200])
def test_one_piece_is_the_whole(drawing, piece):
    found = truncation(drawing, piece)
    assert found["stored"] == {"whole": 28, "piece": 28}
    assert found["carry"] == found["reset"] == found["whole"]
    assert found["whole"]["cosine"] == pytest.approx({"W": 1, "U": 1})
    assert found["whole"]["ratio"] == {"W": 1, "U": 1}


def test_another_network_by_that_name_is_refused(drawing):
    for name in ("bidirectional", "scanline"):
        other = replace(drawing, network=lambda _, name=name: trained(name))
        with pytest.raises(ValueError, match="'elman' here is not one tanh reader"):
            truncation(other)
