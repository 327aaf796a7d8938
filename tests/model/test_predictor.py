"""The exported network as an object, and its answers to pictures, with conftest.py's tiny one."""

import os
import subprocess
import sys

import numpy as np
import pytest

from model import cards, reference, signature, weights
from model.export import onnx_graph
from model.files import write_json
from model.images.files import PictureError
from model.images.preprocess import preprocess
from model.images.strokes import render
from model.prediction import Prediction, Prepared, prepare, prepare_many, prepare_strokes
from model.predictor import ModelError, Predictor
from model.verdict import NO_INK, SEVERAL_DIGITS, Thresholds, Verdict
from tests.conftest import THRESHOLDS, TINY_UNITS, TINY_VERSION, save_card, save_tiny_model
from tests.support.drawings import ONE, SEVEN, ZERO
from tests.support.networks import CONFIGS, random_network
from tests.support.running import ROOT


@pytest.fixture(scope="module")
def predictor(tiny_model):
    return Predictor(tiny_model)


@pytest.fixture
def images():
    random = np.random.default_rng(1)
    return random.uniform(0, signature.WHITE, (5, signature.STEPS, signature.PIXELS))


def test_outputs_by_name_all_or_those_asked_for(predictor, images):
    everything = predictor.run(images)
    assert {name: array.shape for name, array in everything.items()} == {
        signature.PROBABILITIES: (5, 10),
        signature.STEP_PROBABILITIES: (5, 28, 10),
        signature.hidden_forward(1): (5, 28, TINY_UNITS),
    }
    assert all(array.dtype == np.float32 for array in everything.values())
    names = [signature.STEP_PROBABILITIES, signature.PROBABILITIES]
    some = predictor.run(images, names)
    assert list(some) == names
    for name in names:
        np.testing.assert_array_equal(some[name], everything[name])
    for other in (np.asfortranarray(images), np.repeat(images, 2, axis=0)[::2]):
        np.testing.assert_array_equal(predictor.run(other)[names[0]], everything[names[0]])
    assert predictor.version == predictor.metadata["version"] == TINY_VERSION


# Predictions


def test_pictures_and_strokes_are_prepared_and_their_digits_counted():
    drawing = render(SEVEN)
    for prepared in (prepare(drawing), prepare_strokes(SEVEN)):
        np.testing.assert_array_equal(prepared.rows, preprocess(drawing).image)
        assert prepared.digits == 1
    assert prepare(np.concatenate([drawing, drawing], axis=1)).digits == 2
    assert prepare(np.zeros((50, 50))).digits == prepare_strokes([]).digits == 0
    with pytest.raises(PictureError, match=r"cannot be prepared: .* must have shape"):
        prepare(np.zeros(5))


def test_many_are_read_in_one_inference_and_each_is_judged(doubting_model):
    predictor = Predictor(doubting_model)
    blank = Prepared(np.zeros((28, 28), np.float32), 0)
    prepared = [prepare_strokes(SEVEN), blank, prepare_strokes(ONE)._replace(digits=2)]
    seven, nothing, pair = predictor.predict(prepared)
    assert nothing == Prediction(Verdict(NO_INK))
    assert nothing.digit is nothing.confidence is nothing.score is None
    assert pair.verdict == Verdict(SEVERAL_DIGITS)
    outputs = predictor.run(np.stack([prepared[0].rows, prepared[2].rows]))
    for index, answer in enumerate((seven, pair)):
        expected = outputs[signature.PROBABILITIES][index]
        np.testing.assert_array_equal(answer.probabilities, expected)
        assert (answer.digit, answer.confidence) == (expected.argmax(), expected.max())
        assert answer.score == outputs[signature.SCORE][index, 0]
    assert predictor.predict([blank, blank]) == [nothing] * 2
    assert predictor.predict([]) == []


def test_on_the_pad_all_strokes_are_meant():
    strokes = [*SEVEN, np.array([[0.0, 0.5], [0.02, 0.9]]), np.array([[0.2, 0.95], [0.8, 0.95]])]
    prepared = prepare_strokes(strokes)
    assert not prepared.others
    np.testing.assert_array_equal(prepared.rows, preprocess(render(strokes)).image)


def test_of_several_ways_to_see_a_picture_the_network_chooses():
    predictor = Predictor()
    seven, one = prepare_strokes(SEVEN), prepare_strokes(ONE)
    noise = np.random.default_rng(0).uniform(0, 255, (28, 28)).astype(np.float32)
    scribble, pair = Prepared(noise, 1), seven._replace(digits=2)
    for ways, chosen in (
        ((scribble, seven), seven),
        ((pair, scribble, one), one),
        ((seven, one), seven),
        ((scribble, pair), scribble),
    ):
        [answer] = predictor.predict([ways[0]._replace(others=ways[1:])])
        np.testing.assert_array_equal(answer.prepared.rows, chosen.rows)
        assert answer.verdict.rejected == (chosen is scribble)
    blank = Prepared(np.zeros((28, 28), np.float32), 0)
    answers = predictor.predict([blank, scribble._replace(others=(one,)), seven])
    assert [answer.digit for answer in answers] == [None, 1, 7]


def test_one_is_read_with_everything_on_the_way(predictor, doubting_model, images):
    for each in (predictor, Predictor(doubting_model)):
        outputs = each.run(images[2:3])
        answer = each.read(images[2])
        np.testing.assert_array_equal(answer.probabilities, outputs[signature.PROBABILITIES][0])
        np.testing.assert_array_equal(
            answer.step_probabilities, outputs[signature.STEP_PROBABILITIES][0]
        )
        assert list(answer.hidden_states) == [signature.hidden_forward(1)]
        score = outputs.get(signature.SCORE)
        assert answer.score == (None if score is None else score[0, 0])


# Its card and its weights


def test_the_networks_own_card_goes_before_the_folders(tmp_path):
    model = save_tiny_model(tmp_path / "a.b.onnx")
    assert Predictor(model).card == {}
    assert Predictor(model).thresholds == Thresholds()
    save_card(model)
    write_json(tmp_path / "a.card.json", {"name": "another's"})
    assert Predictor(model).thresholds == Thresholds(**THRESHOLDS)
    write_json(cards.own_path(model), {"thresholds": {"confidence": 0.5}})
    assert Predictor(model).thresholds == Thresholds(confidence=0.5)
    for suffix in (".onnx", ".keras", ".npz"):
        assert cards.card_path(model.with_suffix(suffix)) == tmp_path / "a.b.card.json"
    other = save_tiny_model(tmp_path / "other.onnx")
    assert Predictor(other).thresholds == Thresholds(**THRESHOLDS)


def test_a_card_that_cannot_be_used_is_named(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx")
    bad_threshold = b'{"thresholds": {"confidence": 60}}'
    for content in (b"", b"{", b"[]", b"\xff{}", b'{"sha256": 3}', bad_threshold):
        (tmp_path / "card.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"card\.json"):
            Predictor(model)


def test_another_file_than_the_cards_is_refused(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx")
    save_card(model, sha256={"m.onnx": cards.sha256(model), "elsewhere.onnx": "0"})
    assert Predictor(model).name == "m"
    save_tiny_model(model, version="another")
    with pytest.raises(ModelError, match=r"m\.onnx is not the file that .*export it again"):
        Predictor(model)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An exported network with its weights and without a card."""
    path = tmp_path_factory.mktemp("exported") / "net.onnx"
    network = weights.from_keras(random_network(CONFIGS["window and score"]))
    path.write_bytes(onnx_graph.build(network).SerializeToString())
    weights.save_arrays(network, path.with_suffix(".npz"))
    return path


def test_weights_beside_the_network_compute_the_same(exported, predictor, images):
    assert predictor.weights is None
    whole = Predictor(exported)
    actual = whole.run(images)
    for name, array in reference.forward(whole.weights, images).items():
        assert reference.relative_error(array, actual[name]) < 1e-5


@pytest.mark.parametrize("other", ["another seed", "stacked", "text", "wrong hash", "shapes"])
def test_weights_that_are_not_the_networks_are_refused(exported, tmp_path, other):
    model = tmp_path / "net.onnx"
    model.write_bytes(exported.read_bytes())
    path = model.with_suffix(".npz")
    if other == "text":
        path.write_text("hello")
    elif other == "wrong hash":
        path.write_bytes(exported.with_suffix(".npz").read_bytes())
        save_card(model, sha256={"net.npz": "0" * 64})
    elif other == "shapes":
        with np.load(exported.with_suffix(".npz")) as file:
            np.savez(path, **dict(file) | {"readout.kernel": np.zeros((2, 2), np.float32)})
    else:
        config = CONFIGS.get(other, CONFIGS["window and score"])
        weights.save_arrays(weights.from_keras(random_network(config, seed=1)), path)
    predictor = Predictor(model)  # it answers all the same
    with pytest.raises(ModelError, match=r"net\.npz .*python -m model\.export"):
        predictor.weights  # noqa: B018 (reading it raises)


# What is no network


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({signature.IMAGES: "x"}, "one input named 'images' is needed, found x"),
        ({signature.PROBABILITIES: "Identity:0"}, "lacks the outputs probabilities"),
        ({signature.hidden_forward(1): "h"}, "lacks the outputs hidden_forward_1"),
        ({"batch": 1}, "images must have the shape"),
        ({"doubts": True, "scores": 2}, r"score must have the shape \(batch, 1\)"),
    ],
)
def test_foreign_network_is_told_what_is_missing(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        Predictor(save_tiny_model(tmp_path / "m.onnx", **changes))


def test_what_is_no_network_is_named(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError, match="no model at"):
            Predictor(path)
    path = tmp_path / "m.onnx"
    for content in (b"", b"not a network", b"\x08\x09" * 100):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"m\.onnx is not a readable ONNX network"):
            Predictor(path)
    (tmp_path / "m.keras").write_text("")
    with pytest.raises(ModelError, match="export it first"):
        Predictor(tmp_path / "m.keras")


def test_onnx_runtime_leaves_nothing_at_home_and_reports_nothing(tiny_model, tmp_path):
    code = (
        "import os; import numpy as np; from model.predictor import Predictor;"
        f"Predictor({str(tiny_model)!r}).run(np.zeros((1, 28, 28)));"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ORT_")}
    environ |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environ)
    assert list(tmp_path.iterdir()) == []


def test_many_pictures_are_prepared_as_each_is():
    drawings = [render(strokes, size) for size in (28, 28, 280) for strokes in (SEVEN, ZERO)]
    ground = np.full((28, 28), 255, np.uint8)
    ground[4:24, 4:24] -= render(SEVEN, 20)
    pictures = [*drawings, 255 - drawings[0], ground, np.zeros((28, 28), np.uint8), np.zeros(5)]
    *many, error = prepare_many(pictures)
    assert "must have shape" in str(error)
    for seen, picture in zip(many, pictures, strict=False):
        alone = prepare(picture)
        assert (seen.digits, seen.inverted) == (alone.digits, alone.inverted)
        for one, other in zip([seen, *seen.others], [alone, *alone.others], strict=True):
            np.testing.assert_array_equal(one.rows, other.rows)
    assert prepare_many([]) == []
