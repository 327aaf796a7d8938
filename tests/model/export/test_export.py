"""The export command: both formats, held against the oracle; nothing written that fails."""

import json
import shutil

import numpy as np
import onnx
import pytest

from model import cards, reference, weights
from model.export import command as export
from model.predictor import Predictor
from tests.support.digits import save_digits
from tests.support.networks import CONFIGS, random_images, random_network

tf = pytest.importorskip("tensorflow", reason="a SavedModel needs TensorFlow")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.keras"
    random_network(CONFIGS["stacked"]).save(path)
    card = {"version": "3", "licence": "Apache-2.0", "test": {"error_percent": 1.0}}
    path.with_name("card.json").write_text(json.dumps(card))
    return path


@pytest.fixture(scope="module")
def exported(keras_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    assert export.main([str(keras_file), "--out", str(out)]) == 0
    return out


def test_layout(exported):
    assert (exported / "tiny.onnx").is_file()
    assert (exported / "tiny" / "3" / "saved_model.pb").is_file()
    names = sorted(path.name for path in exported.iterdir())
    assert names == ["tiny", "tiny.card.json", "tiny.npz", "tiny.onnx"]


def test_the_arrays_are_the_networks(keras_file, exported):
    images = random_images(3)
    expected = reference.forward(weights.load(keras_file), images)
    actual = reference.forward(weights.load_arrays(exported / "tiny.npz"), images)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value)


def test_the_card_goes_along_with_the_hashes_of_what_was_written(keras_file, exported):
    card = cards.read(exported / "tiny.card.json")
    hashes = {name: cards.sha256(exported / name) for name in ("tiny.onnx", "tiny.npz")}
    assert card == cards.read(cards.card_path(keras_file)) | {"sha256": hashes}
    assert Predictor(exported / "tiny.onnx").weights.bidirectional


def test_an_export_into_the_networks_folder_keeps_one_card(keras_file, tmp_path):
    copy = shutil.copy(keras_file, tmp_path)
    for name, source in (("card.json", {"sha256": {"tiny.onnx": "old"}}), ("tiny.card.json", {})):
        cards.write(tmp_path / name, source | {"preset": "x"})
        assert export.main([str(copy), "--out", str(tmp_path), "--format", "onnx"]) == 0
        card = cards.read(tmp_path / name)
        assert card["preset"] == "x"
        assert card["sha256"]["tiny.onnx"] == cards.sha256(tmp_path / "tiny.onnx")
        names = {"tiny.keras", "tiny.onnx", "tiny.npz", "card.json", name}
        assert {path.name for path in tmp_path.iterdir()} == names


def test_a_damaged_card_ends_in_one_line(keras_file, tmp_path, capsys):
    copy = shutil.copy(keras_file, tmp_path)
    (tmp_path / "card.json").write_text("{")
    out = tmp_path / "out"
    assert export.main([str(copy), "--out", str(out), "--format", "onnx"]) == 2
    assert "card.json is not JSON" in capsys.readouterr().err
    assert not list(out.glob("*"))


def test_saved_model_by_name_as_tf_serving_calls_it(keras_file, exported):
    images = random_images(5)
    serve = tf.saved_model.load(str(exported / "tiny" / "3")).signatures["serving_default"]
    actual = serve(images=tf.constant(images))
    expected = reference.forward(weights.load(keras_file), images)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert reference.relative_error(value, actual[name].numpy()) < 1e-5, name


def test_warm_up_requests_can_be_served(exported):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    folder = exported / "tiny" / "3"
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    batches = []
    for record in tf.data.TFRecordDataset(str(path)):
        request = PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        assert request.model_spec.name == "tiny"
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        serve(**{name: tf.constant(array) for name, array in inputs.items()})
        batches += [len(array) for array in inputs.values()]
    assert batches == [1, 8, 32]


def test_metadata_comes_from_the_card(exported):
    properties = {p.key: p.value for p in onnx.load(exported / "tiny.onnx").metadata_props}
    assert properties["version"] == "3"
    assert properties["licence"] == "Apache-2.0"
    assert json.loads(properties["test"]) == {"error_percent": 1.0}
    assert "raw pixels 0..255" in properties["how_to_feed"]


def test_rnn_form(keras_file, tmp_path):
    command = [str(keras_file), "--out", str(tmp_path), "--format", "onnx", "--form", "rnn"]
    assert export.main(command) == 0
    operators = {node.op_type for node in onnx.load(tmp_path / "tiny.onnx").graph.node}
    assert "RNN" in operators


def test_a_wrong_graph_is_not_written(keras_file, tmp_path, monkeypatch, capsys):
    from model.export import onnx_graph

    build = onnx_graph.build

    def wrong_build(network, form, metadata):
        network.readout.bias[0] += 1e-3
        model = build(network, form, metadata)
        network.readout.bias[0] -= 1e-3
        return model

    monkeypatch.setattr(onnx_graph, "build", wrong_build)
    assert export.main([str(keras_file), "--out", str(tmp_path), "--format", "onnx"]) == 2
    assert "differs from the reference" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_wrong_saved_model_is_not_written(keras_file, tmp_path, monkeypatch, capsys):
    from model.export import saved_model

    run = saved_model.run

    def wrong_run(folder, images):
        return {name: array + 1e-4 for name, array in run(folder, images).items()}

    monkeypatch.setattr(saved_model, "run", wrong_run)
    arguments = [str(keras_file), "--out", str(tmp_path), "--format", "saved-model"]
    assert export.main(arguments) == 2
    assert "SavedModel: " in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pb"))


def test_a_keras_file_that_differs_from_the_reference_is_refused(
    keras_file, tmp_path, monkeypatch, capsys
):
    forward = reference.forward

    def wrong_forward(network, images):
        return {name: array + 1e-4 for name, array in forward(network, images).items()}

    monkeypatch.setattr(reference, "forward", wrong_forward)
    assert export.main([str(keras_file), "--out", str(tmp_path)]) == 2
    assert "Keras: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_real_digits_are_checked_too(tmp_path):
    path = save_digits(tmp_path / "mnist.npz")
    assert len(export.check_images(None)) == 256
    images = export.check_images(path)
    assert len(images) == 512
    with np.load(path) as file:
        np.testing.assert_array_equal(images[256:], file["x_train"][-256:])


def test_verify_names_missing_outputs():
    with pytest.raises(export.ExportError, match="has the outputs"):
        export.verify({"a": np.zeros(1)}, {"b": np.zeros(1)}, "it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.keras"], "no such file"),
        (["tests/conftest.py"], "not a .keras file"),
        (["model"], "is a folder"),
    ],
)
def test_bad_networks_end_in_one_line(arguments, message, tmp_path, capsys):
    assert export.main([*arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_bad_data_ends_in_one_line(keras_file, tmp_path, capsys):
    data = ["--data", str(tmp_path / "none.npz")]
    assert export.main([str(keras_file), "--out", str(tmp_path), *data]) == 2
    assert "is not there, or not an .npz file" in capsys.readouterr().err
