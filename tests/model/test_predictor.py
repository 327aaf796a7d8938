"""The exported network as an object, with the tiny network of conftest.py."""

import numpy as np
import pytest

from model import cards, reference, signature, weights
from model.export import onnx_graph
from model.predictor import ModelError, Predictor
from model.verdict import Thresholds
from tests.conftest import THRESHOLDS, TINY_UNITS, TINY_VERSION, save_card, save_tiny_model
from tests.support.networks import CONFIGS, random_network


@pytest.fixture(scope="module")
def predictor(tiny_model):
    return Predictor(tiny_model)


@pytest.fixture
def images():
    random = np.random.default_rng(1)
    return random.uniform(0, signature.WHITE, (5, signature.STEPS, signature.PIXELS))


def test_all_outputs_by_name(predictor, images):
    result = predictor.run(images)
    assert {name: array.shape for name, array in result.items()} == {
        signature.PROBABILITIES: (5, 10),
        signature.STEP_PROBABILITIES: (5, 28, 10),
        signature.hidden_forward(1): (5, 28, TINY_UNITS),
    }
    assert all(array.dtype == np.float32 for array in result.values())


def test_only_the_outputs_asked_for_in_their_order(predictor, images):
    names = [signature.STEP_PROBABILITIES, signature.PROBABILITIES]
    result = predictor.run(images, names)
    assert list(result) == names
    everything = predictor.run(images)
    for name in names:
        np.testing.assert_array_equal(result[name], everything[name])


def test_read_gives_what_run_gives(predictor, images):
    reading = predictor.read(images[2])
    result = predictor.run(images[2:3])
    np.testing.assert_array_equal(reading.probabilities, result[signature.PROBABILITIES][0])
    np.testing.assert_array_equal(
        reading.step_probabilities, result[signature.STEP_PROBABILITIES][0]
    )
    assert list(reading.hidden_states) == [signature.hidden_forward(1)]
    assert reading.digit == reading.probabilities.argmax()
    assert reading.confidence == pytest.approx(reading.probabilities.max())


def test_any_array_layout_gives_the_same(predictor, images):
    expected = predictor.run(images.astype(np.float32))
    for other in (images, np.asfortranarray(images), np.repeat(images, 2, axis=0)[::2]):
        result = predictor.run(other)
        for name, array in expected.items():
            np.testing.assert_array_equal(result[name], array)


def test_metadata_is_read(predictor):
    assert predictor.metadata["version"] == TINY_VERSION


def test_card_beside_the_model(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx")
    assert Predictor(model).card == {}
    (tmp_path / "card.json").write_text('{"test_error": 0.01}')
    assert Predictor(model).card == {"test_error": 0.01}
    for broken in ("{", "[]"):
        (tmp_path / "card.json").write_text(broken)
        with pytest.raises(ModelError, match=r"card\.json"):
            Predictor(model)


def test_a_card_of_its_own_goes_before_the_folders(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx")
    save_card(model)
    cards.write(tmp_path / "m.card.json", {"thresholds": {"confidence": 0.5}})
    assert Predictor(model).thresholds == Thresholds(confidence=0.5)
    other = save_tiny_model(tmp_path / "other.onnx")
    assert Predictor(other).thresholds == Thresholds(**THRESHOLDS)


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


def test_weights_beside_the_network_compute_the_same(exported, images):
    predictor = Predictor(exported)
    actual = predictor.run(images)
    expected = reference.forward(predictor.weights, images)
    for name, array in expected.items():
        assert reference.relative_error(array, actual[name]) < 1e-5
    assert predictor.weights is predictor.weights


def test_a_network_without_weights_has_none(predictor):
    assert predictor.weights is None


@pytest.mark.parametrize("other", ["another seed", "stacked", "text", "wrong hash"])
def test_weights_that_are_not_the_networks_are_refused(exported, tmp_path, other):
    model = tmp_path / "net.onnx"
    model.write_bytes(exported.read_bytes())
    path = model.with_suffix(".npz")
    if other == "text":
        path.write_text("hello")
    elif other == "wrong hash":
        path.write_bytes(exported.with_suffix(".npz").read_bytes())
        save_card(model, sha256={"net.npz": "0" * 64})
    else:
        config = CONFIGS.get(other, CONFIGS["window and score"])
        weights.save_arrays(weights.from_keras(random_network(config, seed=1)), path)
    predictor = Predictor(model)  # it answers all the same
    with pytest.raises(ModelError, match=r"net\.npz .*python -m model\.export"):
        predictor.weights  # noqa: B018 (reading it raises)


def test_weights_whose_shapes_do_not_fit_are_refused(exported, tmp_path):
    model = tmp_path / "net.onnx"
    model.write_bytes(exported.read_bytes())
    with np.load(exported.with_suffix(".npz")) as file:
        arrays = dict(file) | {"readout.kernel": np.zeros((2, 2), np.float32)}
    np.savez(model.with_suffix(".npz"), **arrays)
    with pytest.raises(ModelError, match=r"net\.npz holds other weights"):
        Predictor(model).weights  # noqa: B018 (reading it raises)


def test_thresholds_come_from_the_card(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx")
    assert Predictor(model).thresholds == Thresholds()
    save_card(model)
    assert Predictor(model).thresholds == Thresholds(**THRESHOLDS)
    save_card(model, thresholds={"confidence": 60})
    with pytest.raises(ModelError, match=r"card\.json: thresholds: confidence must be a number"):
        Predictor(model)


def test_a_score_is_read_where_the_network_has_one(predictor, doubting_model, images):
    assert predictor.read(images[0]).score is None
    doubting = Predictor(doubting_model)
    faint = images[0] / 10
    expected = doubting.run(np.stack([images[0], faint]))[signature.SCORE]
    assert expected.shape == (2, 1)
    for image, score in zip((images[0], faint), expected[:, 0], strict=True):
        assert doubting.read(image).score == pytest.approx(score)
    assert list(doubting.read(faint).hidden_states) == [signature.hidden_forward(1)]


def test_a_score_of_another_shape_is_refused(tmp_path):
    model = save_tiny_model(tmp_path / "m.onnx", doubts=True, scores=2)
    with pytest.raises(ModelError, match=r"score must have the shape \(batch, 1\)"):
        Predictor(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({signature.IMAGES: "x"}, "one input named 'images' is needed, found x"),
        ({signature.PROBABILITIES: "Identity:0"}, "lacks the outputs probabilities"),
        ({signature.hidden_forward(1): "h"}, "lacks the outputs hidden_forward_1"),
        ({"batch": 1}, "images must have the shape"),
    ],
)
def test_foreign_network_is_told_what_is_missing(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        Predictor(save_tiny_model(tmp_path / "m.onnx", **changes))


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match="no model at"):
        Predictor(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="no model at"):
        Predictor(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09" * 100])
def test_not_a_network(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        Predictor(path)
