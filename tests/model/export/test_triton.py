"""The Triton model repository: what Triton's own parser reads is what the network is."""

import json
import shutil
import subprocess
import sys

import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2 as model_config

from model import reference, signature, weights
from model.export import command as export
from model.export import triton
from model.predictor import Predictor
from model.weights import save_arrays
from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.networks import CONFIGS, random_images, random_network
from tests.support.running import ROOT


@pytest.fixture(scope="module", params=["window and score", "elman"])
def keras_file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.keras"
    random_network(CONFIGS[request.param]).save(path)
    return path


@pytest.fixture(scope="module")
def repository(keras_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton") / "repository"
    assert export.main([str(keras_file), "--triton", str(folder)]) == 0
    return folder


def read_config(repository, name="tiny"):
    text = (repository / name / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, model_config.ModelConfig())


def test_the_network_is_there_and_computes_what_the_reference_does(keras_file, repository):
    files = sorted(path.relative_to(repository).as_posix() for path in repository.rglob("*.*"))
    assert files == ["tiny/1/model.onnx", "tiny/config.pbtxt"]
    images = random_images(5)
    expected = reference.forward(weights.load(keras_file), images)
    actual = Predictor(repository / "tiny" / "1" / "model.onnx").run(images)
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert reference.relative_error(value, actual[name]) < 1e-5, name


def test_names_shapes_and_types_are_the_networks(repository):
    config = read_config(repository)
    network = Predictor(repository / "tiny" / "1" / "model.onnx")
    for written, real in ((config.input, network.inputs), (config.output, network.outputs)):
        assert [tensor.name for tensor in written] == [node.name for node in real]
        # Triton puts the batch before them: max_batch_size is not 0.
        assert [list(tensor.dims) for tensor in written] == [node.shape[1:] for node in real]
        assert {tensor.data_type for tensor in written} == {model_config.TYPE_FP32}
        assert {node.type for node in real} == {"tensor(float)"}
    assert config.name == "tiny"
    assert config.max_batch_size > 0


def test_batches_instances_and_threads(repository):
    config = read_config(repository)
    assert config.backend == "onnxruntime"
    assert (repository / "tiny" / "1" / config.default_model_filename).is_file()
    batching = config.dynamic_batching
    assert 1 < max(batching.preferred_batch_size) <= config.max_batch_size
    assert 0 < batching.max_queue_delay_microseconds < 1000
    assert batching.default_queue_policy.max_queue_size > 0  # 0 would be without limit
    assert [group.kind for group in config.instance_group] == [
        model_config.ModelInstanceGroup.KIND_CPU
    ]
    values = {key: value.string_value for key, value in config.parameters.items()}
    assert values["intra_op_thread_count"] == values["inter_op_thread_count"] == "1"


def test_warm_up_feeds_what_the_network_takes(repository):
    config = read_config(repository)
    batches = [1, *config.dynamic_batching.preferred_batch_size]
    assert [warm_up.batch_size for warm_up in config.model_warmup] == batches
    for warm_up in config.model_warmup:
        assert list(warm_up.inputs) == [tensor.name for tensor in config.input]
        for tensor in config.input:
            fed = warm_up.inputs[tensor.name]
            assert (fed.data_type, list(fed.dims)) == (tensor.data_type, list(tensor.dims))
            assert fed.WhichOneof("input_data_type") == "zero_data"


def test_an_exported_file_goes_in_as_it_is_and_other_versions_stay(
    keras_file, repository, tmp_path, capsys
):
    source, out, copy = (tmp_path / name for name in ("source", "out", "repository"))
    shutil.copytree(keras_file.parent, source)
    (source / "card.json").write_text(json.dumps({"version": "12"}))
    network = str(source / "tiny.keras")
    assert export.main([network, "--out", str(out), "--format", "onnx"]) == 0
    shutil.copytree(repository, copy)
    capsys.readouterr()
    assert export.main([str(out / "tiny.onnx"), "--triton", str(copy)]) == 0
    assert "largest difference from the reference" in capsys.readouterr().out
    assert (copy / "tiny/12/model.onnx").read_bytes() == (out / "tiny.onnx").read_bytes()
    assert (copy / "tiny/1/model.onnx").is_file()
    assert read_config(copy) == read_config(repository)


def test_without_weights_it_says_what_was_not_checked(tmp_path, capsys):
    network = save_tiny_model(tmp_path / "tiny.onnx")
    assert export.main([str(network), "--triton", str(tmp_path / "out")]) == 0
    assert "not checked against the reference" in capsys.readouterr().out
    assert (tmp_path / f"out/tiny/{TINY_VERSION}/model.onnx").read_bytes() == network.read_bytes()


def test_a_file_that_is_not_of_its_weights_is_refused(keras_file, tmp_path, capsys):
    assert export.main([str(keras_file), "--out", str(tmp_path), "--format", "onnx"]) == 0
    network = weights.load(keras_file)
    network.readout.bias[0] += 1e-2
    save_arrays(network, tmp_path / "tiny.npz")
    assert export.main([str(tmp_path / "tiny.onnx"), "--triton", str(tmp_path / "out")]) == 2
    assert "differs from the reference" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_name_with_quotes_is_escaped(tmp_path):
    name = 'a "b" é'
    content = save_tiny_model(tmp_path / "tiny.onnx").read_bytes()
    triton.write(content, tmp_path / "out", name, "1")
    assert read_config(tmp_path / "out", name).name == name


def identity(kind=TensorProto.FLOAT, batch="batch", name=signature.IMAGES) -> bytes:
    shape = [batch, signature.STEPS, signature.PIXELS]
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], ["out"])],
        "other",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("out", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (identity(), "lacks the outputs"),
        (identity(batch=3), "only the batch left open"),
        (identity(kind=TensorProto.DOUBLE), "must be float32"),
        (identity(name="x"), "the inputs are"),
    ],
)
def test_other_networks_get_no_configuration(content, message):
    onnx.checker.check_model(onnx.load_from_string(content))
    with pytest.raises(export.ExportError, match=message):
        triton.config(content, "other")


@pytest.mark.parametrize(
    ("name", "content", "arguments", "message"),
    [
        ("none.onnx", None, [], "no such file"),
        ("text.onnx", b"text", [], "is not a readable ONNX network"),
        ("other.onnx", identity(name="x"), [], "is not a network of this project"),
        ("tiny.onnx", b"", ["--out", "there"], "can only go to --triton"),
        ("tiny.onnx", b"", ["--tf-serving", "there"], "can only go to --triton"),
        ("tiny.onnx", b"", ["--form", "rnn"], "can only go to --triton"),
    ],
)
def test_bad_calls_end_in_one_line(name, content, arguments, message, tmp_path, capsys):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "out"
    assert export.main([str(path), "--triton", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("version", ["0", "01", "1.2", "new", "²", "../1"])
def test_a_version_that_is_no_folder_of_an_engine_is_refused(version, tmp_path, capsys):
    network = save_tiny_model(tmp_path / "tiny.onnx", version=version)
    assert export.main([str(network), "--triton", str(tmp_path / "out")]) == 2
    assert "must be a number from 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_and_a_missing_target_are_told(tmp_path, capsys):
    network = save_tiny_model(tmp_path / "tiny.onnx")
    (tmp_path / "file").write_text("")
    assert export.main([str(network), "--triton", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert f"cannot write {tmp_path / 'file'}" in error
    assert error.count("\n") == 1
    with pytest.raises(SystemExit, match="2"):
        export.main([str(network)])
    assert "--out, --triton or --tf-serving" in capsys.readouterr().err


def test_an_exported_file_needs_no_training_library(tmp_path):
    network = save_tiny_model(tmp_path / "tiny.onnx")
    code = (
        "import sys; from model.export.command import main;"
        f"assert not main([{str(network)!r}, '--triton', {str(tmp_path / 'out')!r}]);"
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
