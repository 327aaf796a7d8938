"""gRPC with a real server: answers, errors, keys, limits, health checks, reflection, its end.

The messages are those of Triton's client, whose names are the server's too: one process cannot
hold both.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.grpc.service_pb2 import (
    ModelInferRequest,
    ModelMetadataRequest,
    ModelReadyRequest,
    RepositoryIndexRequest,
    ServerLiveRequest,
    ServerReadyRequest,
)
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from model import signature
from serving.inference.models import Models
from tests.conftest import TINY_VERSION, save_tiny_model
from tests.support.running import ROOT, live_server, serving, wait_for

Code = grpc.StatusCode
SERVICE = "inference.GRPCInferenceService"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, signature.STEPS, signature.PIXELS))
MAX_BODY = 2**20


class Client:
    """The services of a server, over one connection."""

    def __init__(self, channel: grpc.Channel):
        self.channel = channel
        self.inference = GRPCInferenceServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)
        self.reflection = reflection_pb2_grpc.ServerReflectionStub(channel)

    def raw(self, method: str, data: bytes) -> bytes:
        return self.channel.unary_unary(f"/{SERVICE}/{method}")(data, timeout=30)

    def check(self, service: str = "", **options) -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        return self.health.Check(request, timeout=30, **options).status

    def reflect(self, metadata=(), **question):
        request = reflection_pb2.ServerReflectionRequest(**question)
        [answer] = self.reflection.ServerReflectionInfo(
            iter([request]), timeout=30, metadata=metadata
        )
        return answer


@contextmanager
def connected(server):
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options) as channel:
        yield Client(channel)


@pytest.fixture(scope="module")
def server(tiny_model):
    flags = ("--model", str(tiny_model), "--max-batch", "8", "--max-body-bytes", str(MAX_BODY))
    with live_server(*flags) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with connected(server) as client:
        yield client


@pytest.fixture(scope="module")
def expected(tiny_model):
    return Models([tiny_model]).default.run(IMAGES)


def infer_request(typed: bool = False, datatype: str = "FP32", tensor=None, **changes):
    """A good request for two images, with some fields changed; `tensor` are those of the input."""
    dtype = "<f4" if datatype == "FP32" else "u1"
    good = {"name": signature.IMAGES, "datatype": datatype, "shape": IMAGES.shape}
    request = {"model_name": "tiny"}
    if typed:
        field = "fp32_contents" if datatype == "FP32" else "uint_contents"
        good["contents"] = {field: IMAGES.ravel().tolist()}
    else:
        request["raw_input_contents"] = [IMAGES.astype(dtype).tobytes()]
    request["inputs"] = [{**good, **(tensor or {})}]
    return ModelInferRequest(**{**request, **changes})


def large_request(images: int = 256):
    pixels = np.zeros((images, signature.STEPS, signature.PIXELS), "<f4")
    return infer_request(tensor={"shape": pixels.shape}, raw_input_contents=[pixels.tobytes()])


def error_of(method, *arguments, **options) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        method(*arguments, **options)
    return caught.value


# --- What it answers ------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
def test_infer_gives_what_the_network_gives(client, expected, typed, datatype):
    for version in ("", TINY_VERSION):
        request = infer_request(typed, datatype, model_version=version, id="ä 1")
        answer = client.inference.ModelInfer(request)
        assert (answer.model_name, answer.model_version) == ("tiny", TINY_VERSION)
        assert answer.id == "ä 1"
        assert [output.name for output in answer.outputs] == list(expected)
        assert len(answer.raw_output_contents) == (0 if typed else len(expected))
        for index, output in enumerate(answer.outputs):
            values = (
                np.array(output.contents.fp32_contents, np.float32)
                if typed
                else np.frombuffer(answer.raw_output_contents[index], "<f4")
            )
            np.testing.assert_array_equal(values.reshape(output.shape), expected[output.name])


def test_metadata_is_that_of_rest(server, client):
    rest = httpx.get(f"http://{server.http}/v2/models/tiny").json()
    answer = client.inference.ModelMetadata(ModelMetadataRequest(name="tiny"))
    assert [*answer.versions] == rest["versions"]
    for kind in ("inputs", "outputs"):
        assert [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [*tensor.shape]}
            for tensor in getattr(answer, kind)
        ] == rest[kind]


def test_a_stream_answers_errors_too_and_goes_on(client):
    requests = [
        infer_request(id="a"),
        infer_request(tensor={"shape": [1, 2, 3]}),
        infer_request(model_name="no"),
        infer_request(id="b", parameters={"triton_enable_empty_final_response": {"bool_param": 1}}),
    ]
    answers = [*client.inference.ModelStreamInfer(iter(requests), timeout=30)]
    assert [answer.infer_response.id for answer in answers] == ["a", "", "", "b"]
    assert [bool(answer.error_message) for answer in answers] == [False, True, True, False]
    assert "images.shape" in answers[1].error_message
    assert answers[3].infer_response.parameters["triton_final_response"].bool_param


def test_metrics_and_the_id_of_a_request(server, client):
    for given, is_kept in (("mine", True), ("not mine", False)):
        _, call = client.inference.ModelInfer.with_call(
            infer_request(), metadata=[("x-request-id", given)]
        )
        number = dict(call.trailing_metadata())["x-request-id"]
        assert (number == given) is is_kept
        assert is_kept or len(number) == 32
    lines = httpx.get(f"http://{server.http}/metrics").text
    route = f'route="/{SERVICE}/ModelInfer"'
    assert f'scanline_requests_total{{code="OK",{route}}}' in lines
    assert f"scanline_preprocess_seconds_count{{{route}}}" in lines


# --- What is wrong with a call --------------------------------------------------------------


def values(count: int, **field) -> dict:
    contents = {key: [value] * count for key, value in field.items()}
    return {"typed": True, "tensor": {"contents": contents}}


def test_bad_requests_are_told_what_is_wrong(client):
    classes = {"name": signature.PROBABILITIES, "parameters": {"classification": {}}}
    cases = [
        ({"inputs": []}, "inputs: must be one tensor"),
        ({"inputs": [{}, {}]}, "inputs: must be one tensor"),
        ({"tensor": {"name": "x"}}, "inputs[0].name: must be 'images', found 'x'"),
        ({"tensor": {"datatype": "BYTES"}}, "images.datatype: must be FP32 or UINT8"),
        ({"tensor": {"shape": [2, 784]}}, "must be [batch, 28, 28], found [2, 784]"),
        ({"tensor": {"shape": [0, 28, 28]}}, "images.shape: must be"),
        ({"tensor": {"shape": [-1, 28, 28]}}, "images.shape: must be"),
        ({"tensor": {"shape": [9, 28, 28]}}, "9 images are too many, send at most 8"),
        ({"tensor": {"shape": [2**62, 28, 28]}}, "are too many"),
        ({"raw_input_contents": [b"x"]}, "2 images in FP32 need 6272 bytes, found 1"),
        ({"raw_input_contents": [b"", b""]}, "must be one, found 2"),
        ({"raw_input_contents": []}, "2 images need 1568 values, found 0"),
        ({"tensor": {"contents": {"fp32_contents": [1]}}}, "or leave out contents"),
        (values(3, fp32_contents=1), "2 images need 1568 values, found 3"),
        (values(1568, fp64_contents=1), "images.contents.fp32_contents: 2 images need"),
        (values(1568, fp32_contents=np.nan), "must be pixels from 0"),
        ({"datatype": "UINT8", **values(1568, uint_contents=256)}, "must be pixels from 0"),
        (values(1568, fp32_contents=0.5), "send raw values 0..255"),
        ({"outputs": [{"name": "x"}]}, "outputs[0].name: must be one of"),
        ({"outputs": [{"name": signature.PROBABILITIES}] * 2}, "is asked for twice"),
        ({"tensor": {"parameters": {"shared_memory_region": {}}}}, "is not offered"),
        ({"outputs": [classes]}, "outputs[0].parameters.classification: is not offered"),
    ]
    for changes, message in cases:
        error = error_of(client.inference.ModelInfer, infer_request(**changes))
        assert error.code() is Code.INVALID_ARGUMENT, changes
        assert message in error.details(), changes
        assert len(error.details()) < 300


def test_bytes_that_are_no_message_never_fail_the_server(client):
    for method in ("ModelInfer", "ModelReady", "ServerLive", "RepositoryIndex"):
        assert error_of(client.raw, method, b"\xff\xff\xff").code() is Code.INVALID_ARGUMENT
    stream = client.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    assert stream(iter([b"\xff\xff"]), timeout=30).code() is Code.INVALID_ARGUMENT
    assert error_of(client.raw, "TraceSetting", b"").code() is Code.UNIMPLEMENTED
    random = np.random.default_rng(2)
    good = infer_request(outputs=[{"name": signature.PROBABILITIES}]).SerializeToString()
    infer = client.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    for _ in range(300):
        data = bytearray(good)
        for place in random.integers(0, 80, 2):
            data[place] = random.integers(0, 256)
        code = infer.future(bytes(data), timeout=30).code()
        assert code in (Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND), bytes(data)
    assert client.inference.ModelInfer(infer_request())


def test_unknown_models_and_versions(client):
    for name, version, message in (("no", "", "choose one of 'tiny'"), ("tiny", "9", "no version")):
        request = infer_request(model_name=name, model_version=version)
        metadata = ModelMetadataRequest(name=name, version=version)
        for error in (
            error_of(client.inference.ModelInfer, request),
            error_of(client.inference.ModelMetadata, metadata),
        ):
            assert error.code() is Code.NOT_FOUND
            assert message in error.details()
        ready = client.inference.ModelReady(ModelReadyRequest(name=name, version=version))
        assert not ready.ready


# --- Who may call, and how much -------------------------------------------------------------


def test_keys_and_what_is_open_without(tmp_path):
    for name in ("first", "late"):  # of a folder's, only the first is loaded at the start
        save_tiny_model(tmp_path / f"{name}.onnx")
    options = {"SCANLINE_API_KEY": "ci=one,two", "SCANLINE_LOG_FORMAT": "json"}
    flags = ("--model", str(tmp_path), "--log-level", "info")
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        live_server(*flags, stderr=file, **options) as server,
        connected(server) as client,
    ):
        infer, index = client.inference.ModelInfer, client.inference.RepositoryIndex
        request = infer_request(model_name="first")

        def is_ready(name: str, *metadata) -> tuple[bool, bool]:
            ready = client.inference.ModelReady(ModelReadyRequest(name=name), metadata=metadata)
            return ready.ready, client.check(name, metadata=metadata) == 1

        assert client.inference.ServerLive(ServerLiveRequest()).live
        assert client.inference.ServerReady(ServerReadyRequest()).ready
        assert (client.check(), client.check(SERVICE), is_ready("first")) == (1, 1, (True, True))
        how = "authorization: Bearer KEY"
        for metadata, message in (
            ([], how),
            ([("authorization", "Bearer x")], "is not known"),
            ([("authorization", "one")], how),
        ):
            question = {"list_services": "", "metadata": metadata}
            for error in (
                error_of(infer, request, metadata=metadata),
                error_of(index, RepositoryIndexRequest(), metadata=metadata),
                error_of(client.reflect, **question),
            ):
                assert error.code() is Code.UNAUTHENTICATED
                assert message in error.details()
            assert is_ready("late", *metadata) == (False, False)
        for metadata in ([("authorization", "Bearer one")], [("x-api-key", "two")]):
            assert infer(request, metadata=metadata).outputs
        assert is_ready("late", ("x-api-key", "two")) == (True, True)
        assert is_ready("late") == (True, True)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    keys = [line.get("key") for line in lines if line.get("route") == f"/{SERVICE}/ModelInfer"]
    assert keys == [None, None, None, "ci", "key-1"]
    assert "one" not in {*re.split(r"\W", log.read_text())}


def test_calls_beyond_the_concurrency_limit_are_told_when_to_come_back(tiny_model):
    flags = ("--model", str(tiny_model), "--max-concurrency", "1")
    with live_server(*flags) as server, ExitStack() as stack:
        # A connection has as many calls at a time as the limit allows: it takes several.
        client, *others = [stack.enter_context(connected(server)) for _ in range(4)]

        def refused() -> grpc.Future | None:
            calls = [
                each.inference.ModelInfer.future(large_request()) for each in (client, *others)
            ]
            return next((call for call in calls if call.code() is Code.UNAVAILABLE), None)

        found = []
        wait_for(lambda: found or found.extend(filter(None, [refused()])))
        assert "full" in found[0].details()
        assert dict(found[0].trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        assert client.inference.ModelInfer(large_request()).outputs
        metrics = httpx.get(f"http://{server.http}/metrics").text
        assert 'scanline_requests_shed_total{code="503"}' in metrics


def test_calls_without_a_key_that_never_send_their_message_take_no_places_for_long(tiny_model):
    flags = ("--model", str(tiny_model), "--max-concurrency", "2", "--body-seconds", "1")
    with (
        live_server(*flags, SCANLINE_API_KEY="secret") as server,
        connected(server) as holding,
        connected(server) as client,
    ):
        live, check = f"/{SERVICE}/ServerLive", "/grpc.health.v1.Health/Check"
        end = threading.Event()
        calls = [
            holding.channel.stream_unary(path).future(iter(end.wait, True), timeout=60)
            for path in 4 * (live, check)  # as many as are let in from all connections together
        ]
        assert client.inference.ServerLive(ServerLiveRequest(), timeout=30).live
        watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert watch.code() is Code.UNAUTHENTICATED
        assert calls[0].code() is Code.DEADLINE_EXCEEDED
        assert "more than 1 s" in calls[0].details()
        end.set()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large_a_message(client, compression):
    request = infer_request(raw_input_contents=[bytes(MAX_BODY)])
    error = error_of(client.inference.ModelInfer, request, compression=compression)
    assert error.code() is Code.RESOURCE_EXHAUSTED


def test_answers_that_nobody_takes_are_limited(tiny_model):
    flags = ("--model", str(tiny_model), "--max-heavy", "1", "--max-body-bytes", str(2**20))
    with live_server(*flags) as server, connected(server) as client:
        # A client takes 64 kB of an answer before it is read, and not ever more.
        options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server.grpc, options) as channel:
            untaken = channel.unary_stream(f"/{SERVICE}/ModelInfer")  # nobody asks for its answer
            data = large_request().SerializeToString()
            calls = []

            def is_refused() -> bool:
                calls.append(untaken(data))
                return client.inference.ModelInfer.future(large_request()).code() is not Code.OK

            wait_for(is_refused)
            assert len(calls) < 100
            assert client.inference.ModelInfer(infer_request())
        wait_for(lambda: client.inference.ModelInfer.future(large_request()).code() is Code.OK)


def test_an_answer_that_its_client_drops_is_no_error_of_the_server(tiny_model, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as file, live_server("--model", str(tiny_model), stderr=file) as server:
        options = [("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", 1000)]
        with grpc.insecure_channel(server.grpc, options) as channel:
            for _ in range(20):
                error = error_of(GRPCInferenceServiceStub(channel).ModelInfer, large_request())
                assert error.code() is Code.RESOURCE_EXHAUSTED
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert log.read_text() == ""


# --- Health checks and reflection -----------------------------------------------------------


def test_health_of_the_server_the_service_and_each_network(client):
    assert [client.check(name) for name in ("", SERVICE, "tiny")] == [1, 1, 1]
    assert error_of(client.check, "no").code() is Code.NOT_FOUND
    for name, status in (("tiny", 1), ("no", 3)):  # SERVING, SERVICE_UNKNOWN
        watch = client.health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=30)
        assert next(watch).status == status
        watch.cancel()


def test_reflection_lists_services_and_describes_one(client):
    listed = client.reflect(list_services="").list_services_response.service
    reflection = "grpc.reflection.v1alpha.ServerReflection"
    assert {service.name for service in listed} == {SERVICE, "grpc.health.v1.Health", reflection}
    [file] = client.reflect(
        file_containing_symbol=SERVICE
    ).file_descriptor_response.file_descriptor_proto
    assert b"ModelStreamInfer" in file


# --- Start and end --------------------------------------------------------------------------


def test_several_workers_share_the_port(tiny_model):
    with live_server("--model", str(tiny_model), "--workers", "2") as server:
        for _ in range(20):  # each connection is taken by one of them
            with connected(server) as client:
                assert client.inference.ModelInfer(infer_request()).outputs
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_sigterm_answers_calls_in_flight_and_ends_silent_streams(tiny_model):
    flags = ("--model", str(tiny_model), "--drain-seconds", "60")
    with live_server(*flags) as server, connected(server) as client:
        watch = client.health.Watch(health_pb2.HealthCheckRequest())
        next(watch)
        infer = client.channel.stream_unary(f"/{SERVICE}/ModelInfer")
        is_ending = threading.Event()

        def late() -> Iterator[bytes]:
            is_ending.wait()
            yield infer_request().SerializeToString()

        calls = [infer.future(late()) for _ in range(5)]
        in_flight = f"scanline_requests_in_flight {1 + len(calls)}"  # with the watch
        wait_for(lambda: in_flight in httpx.get(f"http://{server.http}/metrics").text)
        server.process.send_signal(signal.SIGTERM)
        assert watch.code() is Code.UNAVAILABLE
        is_ending.set()
        assert {call.code() for call in calls} == {Code.OK}
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.process.stderr.read()


def test_a_taken_port_is_one_line_and_2(tiny_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving("--model", str(tiny_model), "--grpc-port", str(port)) as process:
            assert process.wait(60) == 2
            [line] = process.stderr.read().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "--grpc-port" in line


def test_the_stubs_are_those_of_the_proto_file(tmp_path):
    folder = Path("serving/inference/proto")
    command = f"-m grpc_tools.protoc -I . --python_out={tmp_path} --grpc_python_out={tmp_path}"
    proto = str(folder / "open_inference.proto")
    subprocess.run([sys.executable, *command.split(), proto], cwd=ROOT, check=True)
    for name in ("open_inference_pb2.py", "open_inference_pb2_grpc.py"):
        fresh = (tmp_path / folder / name).read_text()
        assert fresh == (ROOT / folder / name).read_text(), "run `make proto`"


def test_grpc_is_not_imported_without_its_port(tiny_model):
    code = (
        "import sys; from serving.app import create_app; from serving.settings import Settings; "
        "from serving.inference.models import Models; from pathlib import Path; "
        f"create_app(Models([Path({str(tiny_model)!r})]), Settings(ui=False)); "
        "assert not {'grpc', 'google.protobuf'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
