"""The export command: every form held against the oracle; nothing written that fails."""

import json
import shutil
import sys

import numpy as np
import onnx
import pytest
from google.protobuf import text_format

from model import cards, reference, signature, weights
from model.export import command as export
from model.export import onnx_graph, saved_model, tf_serving
from model.export.verify import run_onnx
from model.files import write_json
from model.predictor import Predictor
from tests.support.digits import save_digits
from tests.support.networks import CONFIGS, random_images, random_network

tf = pytest.importorskip("tensorflow", reason="a SavedModel needs TensorFlow")
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog  # noqa: E402
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig  # noqa: E402


def assert_close(expected, actual):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert reference.relative_error(value, np.asarray(actual[name])) < 1e-5, name


@pytest.mark.parametrize("form", ["gemm", "rnn"])
@pytest.mark.parametrize("name", CONFIGS)
def test_both_onnx_forms_agree_on_every_output(name, form):
    network = weights.from_keras(random_network(CONFIGS[name]))
    graph = onnx_graph.build(network, form)
    for count in (1, 256):  # the batch is symbolic
        images = random_images(count)
        actual = run_onnx(graph.SerializeToString(), images, form)
        assert list(actual) == list(reference.forward(network, images))
        assert_close(reference.forward(network, images), actual)
    operators = [node.op_type for node in graph.graph.node]
    assert {node.domain for node in graph.graph.node} == {""}
    assert not {"Loop", "Scan"} & set(operators)
    assert ("RNN" in operators) == (form == "rnn")
    assert [(o.domain, o.version) for o in graph.opset_import] == [("", onnx_graph.OPSET)]
    shape = graph.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in shape] == ["batch", 28, 28]


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.keras"
    random_network(CONFIGS["window and score"]).save(path)
    card = {"version": "3", "licence": "Apache-2.0", "test": {"error_percent": 1.0}}
    path.with_name("card.json").write_text(json.dumps(card))
    return path


@pytest.fixture(scope="module")
def exported(keras_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    assert export.main([str(keras_file), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def for_tf_serving(keras_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving") / "models"
    assert export.main([str(keras_file), "--tf-serving", str(folder)]) == 0
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_and_their_card(keras_file, exported):
    assert names(exported) == ["tiny", "tiny.card.json", "tiny.npz", "tiny.onnx"]
    hashes = {name: cards.sha256(exported / name) for name in ("tiny.onnx", "tiny.npz")}
    card = cards.read(cards.card_path(keras_file))
    assert cards.read(exported / "tiny.card.json") == card | {"sha256": hashes}
    predictor = Predictor(exported / "tiny.onnx")
    images = random_images(3)
    expected = reference.forward(weights.load(keras_file), images)
    assert_close(expected, predictor.run(images))
    assert_close(expected, reference.forward(predictor.weights, images))
    assert predictor.metadata["version"] == "3"
    assert predictor.metadata["licence"] == "Apache-2.0"
    assert json.loads(predictor.metadata["test"]) == {"error_percent": 1.0}
    assert "raw pixels 0..255" in predictor.metadata["how_to_feed"]


def test_an_export_into_the_networks_folder_keeps_one_card(keras_file, tmp_path):
    copy = shutil.copy(keras_file, tmp_path)
    for name, source in (("card.json", {"sha256": {"tiny.onnx": "old"}}), ("tiny.card.json", {})):
        write_json(tmp_path / name, source | {"preset": "x"})
        command = [str(copy), "--out", str(tmp_path), "--format", "onnx", "--form", "rnn"]
        assert export.main(command) == 0
        card = cards.read(tmp_path / name)
        assert card["preset"] == "x"
        assert card["sha256"]["tiny.onnx"] == cards.sha256(tmp_path / "tiny.onnx")
        assert set(names(tmp_path)) == {"tiny.keras", "tiny.onnx", "tiny.npz", "card.json", name}
        assert "RNN" in {node.op_type for node in onnx.load(tmp_path / "tiny.onnx").graph.node}


def test_saved_models_as_tf_serving_calls_and_warms_them(keras_file, exported, for_tf_serving):
    images = random_images(5)
    expected = reference.forward(weights.load(keras_file), images)
    for folder in (exported, for_tf_serving):
        version = folder / "tiny" / "3"
        serve = tf.saved_model.load(str(version)).signatures["serving_default"]
        assert_close(expected, serve(images=tf.constant(images)))
        records = tf.data.TFRecordDataset(str(version / saved_model.WARM_UP_FILE))
        batches = []
        for record in records:
            request = PredictionLog.FromString(record.numpy()).predict_log.request
            assert request.model_spec.name == "tiny"
            assert request.model_spec.signature_name == "serving_default"
            fed = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            serve(**{name: tf.constant(array) for name, array in fed.items()})
            batches.append(len(fed[signature.IMAGES]))
        assert batches == [1, 8, 32]


def test_models_config_lists_every_network(for_tf_serving, tmp_path):
    def listed(path):
        config = text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
        return [(c.name, c.base_path, c.model_platform) for c in config.model_config_list.config]

    assert names(for_tf_serving) == ["models.config", "tiny"]
    assert listed(for_tf_serving / "models.config") == [("tiny", "/models/tiny", "tensorflow")]
    for name in ("b/1", "b/2", "a/12", "not-exported/1"):
        (tmp_path / name).mkdir(parents=True)
        if name != "not-exported/1":
            (tmp_path / name / "saved_model.pb").write_bytes(b"")
    assert [name for name, _, _ in listed(tf_serving.write_config(tmp_path))] == ["a", "b"]


# What is wrong is not written, and told in one line


@pytest.mark.parametrize(
    ("module", "function", "arguments", "message"),
    [
        (export, "run_onnx", ["--out", "{}", "--format", "onnx"], "ONNX (gemm): "),
        (saved_model, "run", ["--out", "{}", "--format", "saved-model"], "SavedModel: "),
        (saved_model, "run", ["--tf-serving", "{}"], "SavedModel: "),
        (reference, "forward", ["--out", "{}"], "Keras: "),
    ],
)
def test_a_form_that_differs_from_the_reference_is_not_written(
    keras_file, tmp_path, monkeypatch, capsys, module, function, arguments, message
):
    right = getattr(module, function)

    def wrong(*given):
        return {name: array + 1e-4 for name, array in right(*given).items()}

    monkeypatch.setattr(module, function, wrong)
    out = [argument.format(tmp_path) for argument in arguments]
    assert export.main([str(keras_file), *out]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "differs from the reference" in error
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_verify_names_missing_outputs():
    with pytest.raises(export.ExportError, match="has the outputs"):
        export.verify({"a": np.zeros(1)}, {"b": np.zeros(1)}, "it")


def test_real_digits_are_checked_too(tmp_path):
    path = save_digits(tmp_path / "mnist.npz")
    assert len(export.check_images(None)) == 256
    images = export.check_images(path)
    with np.load(path) as file:
        np.testing.assert_array_equal(images[256:], file["x_train"][-256:])


@pytest.mark.parametrize(
    ("card", "network", "flags", "message"),
    [
        (None, "none.keras", [], "no such file"),
        (None, "tests/conftest.py", [], "not a .keras file"),
        (None, "model", [], "is a folder"),
        (None, None, ["--data", "none.npz"], "is not there, or not an .npz file"),
        ("{", None, ["--format", "onnx"], "card.json is not JSON"),
    ],
)
def test_what_cannot_be_ends_in_one_line(
    keras_file, tmp_path, capsys, card, network, flags, message
):
    copy = shutil.copy(keras_file, tmp_path)
    if card:
        (tmp_path / "card.json").write_text(card)
    out = tmp_path / "out"
    assert export.main([network or str(copy), "--out", str(out), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(out.glob("*"))


def test_without_tensorflow_one_line_says_what_to_install(
    keras_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "model.export.saved_model", None)
    monkeypatch.delattr("model.export.saved_model", raising=False)
    assert export.main([str(keras_file), "--tf-serving", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "requirements.txt must be installed" in error
    assert error.count("\n") == 1
