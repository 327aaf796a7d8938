"""The folder for TensorFlow Serving: its layout, its list of networks, its warm-up requests."""

import json
import sys

import pytest

from model import reference, weights
from model.export import command as export
from model.export import tf_serving
from tests.support.networks import CONFIGS, random_images, random_network

tf = pytest.importorskip("tensorflow", reason="a SavedModel needs TensorFlow")
from google.protobuf import text_format  # noqa: E402
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog  # noqa: E402
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig  # noqa: E402


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.keras"
    random_network(CONFIGS["window and score"]).save(path)
    path.with_name("card.json").write_text(json.dumps({"version": "3"}))
    return path


@pytest.fixture(scope="module")
def folder(keras_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving") / "models"
    assert export.main([str(keras_file), "--tf-serving", str(folder)]) == 0
    return folder


def test_layout(folder):
    version = folder / "tiny" / "3"
    assert (version / "saved_model.pb").is_file()
    assert (version / "assets.extra" / "tf_serving_warmup_requests").is_file()
    assert sorted(path.name for path in folder.iterdir()) == ["models.config", "tiny"]


def test_the_network_computes_what_the_reference_does(keras_file, folder):
    images = random_images(5)
    serve = tf.saved_model.load(str(folder / "tiny" / "3")).signatures["serving_default"]
    actual = serve(images=tf.constant(images))
    expected = reference.forward(weights.load(keras_file), images)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert reference.relative_error(value, actual[name].numpy()) < 1e-5, name


def test_warm_up_requests_name_the_network(folder):
    path = folder / "tiny" / "3" / "assets.extra" / "tf_serving_warmup_requests"
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    requests = [PredictionLog.FromString(record).predict_log.request for record in records]
    assert [request.model_spec.name for request in requests] == ["tiny"] * len(requests)
    batches = [request.inputs["images"].tensor_shape.dim[0].size for request in requests]
    assert batches[0] == 1
    assert batches == sorted(set(batches))


def test_models_config_lists_every_network(folder, tmp_path):
    def listed(path):
        config = text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
        return [(c.name, c.base_path, c.model_platform) for c in config.model_config_list.config]

    assert listed(folder / "models.config") == [("tiny", "/models/tiny", "tensorflow")]
    for name in ("b/1", "b/2", "a/12", "not-exported/1"):
        (tmp_path / name).mkdir(parents=True)
        if name != "not-exported/1":
            (tmp_path / name / "saved_model.pb").write_bytes(b"")
    names = [name for name, _, _ in listed(tf_serving.write_config(tmp_path))]
    assert names == ["a", "b"]


def test_a_wrong_network_is_not_written(keras_file, tmp_path, monkeypatch, capsys):
    from model.export import saved_model

    run = saved_model.run

    def wrong_run(folder, images):
        return {name: array + 1e-4 for name, array in run(folder, images).items()}

    monkeypatch.setattr(saved_model, "run", wrong_run)
    assert export.main([str(keras_file), "--tf-serving", str(tmp_path)]) == 2
    assert "SavedModel: " in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.pb"))
    assert not (tmp_path / "models.config").exists()


def test_without_tensorflow_one_line_says_what_to_install(
    keras_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "model.export.saved_model", None)
    monkeypatch.delattr("model.export.saved_model", raising=False)
    assert export.main([str(keras_file), "--tf-serving", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "requirements.txt must be installed" in error
    assert error.count("\n") == 1
