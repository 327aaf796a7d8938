"""gRPC with a real server: answers, keys, places, limits, and messages of every broken kind."""

import asyncio
import json
import signal
import socket
import subprocess
import sys

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from model import signature
from serving.app import create_app
from serving.inference import grpc_codec as messages
from serving.inference.grpc_server import start_rpc
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import TINY_VERSION
from tests.support.running import ROOT, free_port, live_server, serving

Code = grpc.StatusCode
IMAGES = np.random.default_rng(0).integers(0, 256, (2, signature.STEPS, signature.PIXELS))
MAX_BODY = 2**20
UNARY = [name for name, method in messages.METHODS.items() if not method.server_streaming]


@pytest.fixture(scope="module")
def server(tiny_model):
    flags = ("--model", str(tiny_model), "--max-batch", "8", "--max-body-bytes", str(MAX_BODY))
    with live_server(*flags) as server:
        yield server


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(autouse=True)
def still_answering(channel):
    yield
    assert call(channel, "ModelInfer", infer_request()).model_name == "tiny"


def call(channel, method: str, request=b"", **options):
    data = request if isinstance(request, bytes) else request.SerializeToString()
    answer = channel.unary_unary(f"/{messages.SERVICE}/{method}")(data, timeout=30, **options)
    return messages.response_class(method).FromString(answer)


def error_of(channel, method: str, request=b"", **options) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, request, **options)
    assert caught.value.details()
    return caught.value


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
    return messages.request_class("ModelInfer")(**{**request, **changes})


@pytest.fixture(scope="module")
def expected(tiny_model):
    return Models([tiny_model]).default.run(IMAGES)


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("version", ["", TINY_VERSION])
def test_infer_gives_what_the_network_gives(channel, expected, typed, datatype, version):
    request = infer_request(typed, datatype, model_version=version, id="ä 1")
    answer = call(channel, "ModelInfer", request)
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny", TINY_VERSION, "ä 1")
    assert [output.name for output in answer.outputs] == list(expected)
    assert len(answer.raw_output_contents) == (0 if typed else len(expected))
    for index, output in enumerate(answer.outputs):
        values = (
            np.array(output.contents.fp32_contents, np.float32)
            if typed
            else np.frombuffer(answer.raw_output_contents[index], "<f4")
        )
        assert output.datatype == "FP32"
        np.testing.assert_array_equal(values.reshape(output.shape), expected[output.name])


def test_outputs_are_selected(channel):
    wanted = [signature.hidden_forward(1), signature.PROBABILITIES]
    request = infer_request(outputs=[{"name": name} for name in wanted])
    answer = call(channel, "ModelInfer", request)
    assert [output.name for output in answer.outputs] == wanted


def test_metadata_is_that_of_rest(server, channel):
    rest = httpx.get(f"http://{server.http}/v2/models/tiny").json()
    answer = call(channel, "ModelMetadata", messages.request_class("ModelMetadata")(name="tiny"))
    assert [*answer.versions] == rest["versions"]
    for kind in ("inputs", "outputs"):
        assert [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": [*tensor.shape]}
            for tensor in getattr(answer, kind)
        ] == rest[kind]


def test_a_stream_answers_errors_too_and_goes_on(channel):
    requests = [
        infer_request(id="a"),
        infer_request(tensor={"shape": [1, 2, 3]}),
        b"\xff\xff",
        infer_request(model_name="no"),
        infer_request(id="b", parameters={messages.FINAL_WANTED: {"bool_param": True}}),
    ]
    data = [r if isinstance(r, bytes) else r.SerializeToString() for r in requests]
    stream = channel.stream_stream(f"/{messages.SERVICE}/ModelStreamInfer")(iter(data), timeout=30)
    answers = [messages.response_class("ModelStreamInfer").FromString(part) for part in stream]
    assert [answer.infer_response.id for answer in answers] == ["a", "", "", "", "b"]
    assert [bool(answer.error_message) for answer in answers] == [False, True, True, True, False]
    assert "images.shape" in answers[1].error_message
    assert answers[4].infer_response.parameters[messages.FINAL].bool_param


def values(count: int, **field) -> dict:
    contents = {key: [value] * count for key, value in field.items()}
    return {"typed": True, "tensor": {"contents": contents}}


BAD = {
    "no input": ({"inputs": []}, "inputs: must be one tensor"),
    "two inputs": ({"inputs": [{}, {}]}, "inputs: must be one tensor"),
    "name": ({"tensor": {"name": "x"}}, "inputs[0].name: must be 'images', found 'x'"),
    "datatype": ({"tensor": {"datatype": "BYTES"}}, "images.datatype: must be FP32 or UINT8"),
    "shape": (
        {"tensor": {"shape": [2, 784]}},
        "images.shape: must be [batch, 28, 28], found [2, 784]",
    ),
    "no images": ({"tensor": {"shape": [0, 28, 28]}}, "images.shape: must be"),
    "negative": ({"tensor": {"shape": [-1, 28, 28]}}, "images.shape: must be"),
    "many": ({"tensor": {"shape": [9, 28, 28]}}, "9 images are too many, send at most 8"),
    "huge": ({"tensor": {"shape": [2**62, 28, 28]}}, "are too many"),
    "short": ({"raw_input_contents": [b"x"]}, "2 images in FP32 need 6272 bytes, found 1"),
    "empty": ({"raw_input_contents": [b""]}, "2 images in FP32 need 6272 bytes, found 0"),
    "two contents": ({"raw_input_contents": [b"", b""]}, "must be one, found 2"),
    "both": (
        {"tensor": {"contents": {"fp32_contents": [1]}}},
        "leave it out, or leave out contents",
    ),
    "neither": ({"raw_input_contents": []}, "2 images need 1568 values, found 0"),
    "typed": (values(3, fp32_contents=1), "2 images need 1568 values, found 3"),
    "field": (values(1568, fp64_contents=1), "images.contents.fp32_contents: 2 images need"),
    "nan": (values(1568, fp32_contents=np.nan), "must be pixels from 0"),
    "high": (
        {"datatype": "UINT8", **values(1568, uint_contents=256)},
        "must be pixels from 0",
    ),
    "scaled": (values(1568, fp32_contents=0.5), "send raw values 0..255"),
    "output": ({"outputs": [{"name": "x"}]}, "outputs[0].name: must be one of"),
    "twice": ({"outputs": [{"name": signature.PROBABILITIES}] * 2}, "is asked for twice"),
    "memory": (
        {"tensor": {"parameters": {"shared_memory_region": {}}}},
        "shared_memory_region: is not offered",
    ),
    "classes": (
        {"outputs": [{"name": signature.PROBABILITIES, "parameters": {"classification": {}}}]},
        "outputs[0].parameters.classification: is not offered",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_inference_request(channel, case):
    changes, message = BAD[case]
    error = error_of(channel, "ModelInfer", infer_request(**changes))
    assert error.code() is Code.INVALID_ARGUMENT
    assert message in error.details()
    assert len(error.details()) < 300


# Nobody reads the messages of the two others, which are always empty.
@pytest.mark.parametrize("method", sorted({*UNARY} - {"ServerLive", "ServerReady"}))
def test_bytes_that_are_no_message(channel, method):
    error = error_of(channel, method, b"\xff\xff\xff")
    assert error.code() is Code.INVALID_ARGUMENT
    assert messages.METHODS[method].input_type.name in error.details()


def test_random_bytes_never_fail_the_server(channel):
    random = np.random.default_rng(2)
    good = infer_request(outputs=[{"name": signature.PROBABILITIES}]).SerializeToString()
    infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
    for _ in range(300):
        data = bytearray(good)
        for place in random.integers(0, 80, 2):
            data[place] = random.integers(0, 256)
        code = infer.future(bytes(data), timeout=30).code()
        assert code in (Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND), bytes(data)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ModelConfig"])
def test_unknown_models_and_versions(channel, method):
    name = "model_name" if method == "ModelInfer" else "name"
    version = "model_version" if method == "ModelInfer" else "version"
    request = messages.request_class(method)
    error = error_of(channel, method, request(**{name: "no"}))
    assert error.code() is Code.NOT_FOUND
    assert "choose one of 'tiny'" in error.details()
    error = error_of(channel, method, request(**{name: "tiny", version: "9"}))
    assert error.code() is Code.NOT_FOUND


def test_what_is_not_offered(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{messages.SERVICE}/TraceSetting")(b"", timeout=30)
    assert caught.value.code() is Code.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_too_large_a_message(channel, compression):
    request = infer_request(raw_input_contents=[bytes(MAX_BODY)])
    error = error_of(channel, "ModelInfer", request, compression=compression)
    assert error.code() is Code.RESOURCE_EXHAUSTED


def test_metrics_and_the_id_of_a_request(server, channel):
    infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
    data = infer_request().SerializeToString()
    _, rpc = infer.with_call(data, metadata=[("x-request-id", "mine")])
    assert dict(rpc.trailing_metadata())["x-request-id"] == "mine"
    _, rpc = infer.with_call(data, metadata=[("x-request-id", "not mine")])
    assert len(dict(rpc.trailing_metadata())["x-request-id"]) == 32
    lines = httpx.get(f"http://{server.http}/metrics").text
    route = f'route="/{messages.SERVICE}/ModelInfer"'
    assert f'scanline_requests_total{{code="OK",{route}}}' in lines
    assert f"scanline_preprocess_seconds_count{{{route}}}" in lines


def test_several_workers_share_the_port(tiny_model):
    with live_server("--model", str(tiny_model), "--workers", "2") as server:
        for _ in range(20):  # each connection is taken by one of them
            with grpc.insecure_channel(server.grpc, [("grpc.use_local_subchannel_pool", 1)]) as own:
                assert call(own, "ModelInfer", infer_request()).outputs
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_keys(tiny_model):
    with (
        live_server("--model", str(tiny_model), SCANLINE_API_KEY="one,two") as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        assert call(channel, "ServerLive").live
        assert call(channel, "ServerReady").ready
        for metadata in (
            [],
            [("authorization", "Bearer three")],
            [("authorization", "one")],
            [("x-api-key", "")],
        ):
            error = error_of(channel, "ModelInfer", infer_request(), metadata=metadata)
            assert error.code() is Code.UNAUTHENTICATED
            assert "authorization: Bearer KEY" in error.details()
        for metadata in ([("authorization", "Bearer two")], [("x-api-key", "one")]):
            assert call(channel, "ModelInfer", infer_request(), metadata=metadata).outputs
        stream = channel.stream_stream(f"/{messages.SERVICE}/ModelStreamInfer")
        with pytest.raises(grpc.RpcError) as caught:
            [*stream(iter([infer_request().SerializeToString()]), timeout=30)]
        assert caught.value.code() is Code.UNAUTHENTICATED


def test_a_full_server_refuses_and_says_when_to_come_back(tiny_model):
    settings = Settings(grpc_port=free_port(), max_concurrency=1)
    app = create_app(Models([tiny_model]), settings)

    async def talk() -> None:
        server = await start_rpc(app.state, settings)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
            infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
            assert app.state.gate.enter()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await infer(infer_request().SerializeToString())
            assert caught.value.code() is Code.UNAVAILABLE
            assert "full" in caught.value.details()
            assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
            app.state.gate.leave()
            assert await infer(infer_request().SerializeToString())
            assert app.state.gate.in_flight == 0
            ready = channel.unary_unary(f"/{messages.SERVICE}/ServerReady")
            assert messages.response_class("ServerReady").FromString(await ready(b"")).ready
            app.state.gate.ready = False
            assert not messages.response_class("ServerReady").FromString(await ready(b"")).ready
        await server.stop(None)

    asyncio.run(talk())


def test_calls_whose_message_does_not_arrive(tiny_model):
    settings = Settings(grpc_port=free_port(), max_concurrency=2, body_seconds=1)
    app = create_app(Models([tiny_model]), settings)

    async def talk() -> None:
        server = await start_rpc(app.state, settings)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
            # To the server a call of one message and a stream of them are the same.
            open_infer = channel.stream_unary(f"/{messages.SERVICE}/ModelInfer")
            infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
            assert await infer(infer_request().SerializeToString())
            idle = [open_infer() for _ in range(2)]
            await asyncio.gather(*(call.wait_for_connection() for call in idle))
            while app.state.metrics.in_flight._value.get() < 2:
                await asyncio.sleep(0.01)
            call = infer(infer_request().SerializeToString())
            assert await call.code() is Code.UNAVAILABLE
            ready = channel.unary_unary(f"/{messages.SERVICE}/ServerReady")
            assert await ready(b"")  # probes are never refused
            assert [await call.code() for call in idle] == [Code.DEADLINE_EXCEEDED] * 2
            assert await infer(infer_request().SerializeToString())
            empty = open_infer()
            await empty.done_writing()
            assert await empty.code() is Code.INVALID_ARGUMENT
        await server.stop(None)

    asyncio.run(talk())


def test_an_unexpected_failure_says_nothing_of_itself(tiny_model, monkeypatch, caplog):
    settings = Settings(grpc_port=free_port())
    app = create_app(Models([tiny_model]), settings)
    monkeypatch.setattr(messages, "parse_infer", lambda *_: 1 / 0)

    async def talk() -> None:
        server = await start_rpc(app.state, settings)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")(
                    infer_request().SerializeToString()
                )
        await server.stop(None)
        assert caught.value.code() is Code.INTERNAL
        assert "ZeroDivision" not in caught.value.details()

    asyncio.run(talk())
    assert "ZeroDivisionError" in caplog.text
    assert app.state.gate.in_flight == 0


def test_calls_in_flight_are_answered_after_sigterm(tiny_model):
    with (
        live_server("--model", str(tiny_model)) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        call(channel, "ServerLive")
        infer = channel.unary_unary(f"/{messages.SERVICE}/ModelInfer")
        data = infer_request().SerializeToString()
        calls = [infer.future(data, timeout=30) for _ in range(50)]
        calls[0].result()  # so the server has begun with them
        server.process.send_signal(signal.SIGTERM)
        answers = [call.code() for call in calls]
        assert set(answers) <= {Code.OK, Code.UNAVAILABLE}
        assert answers[0] is Code.OK
        assert server.process.wait(30) == 0
        assert server.process.stderr.read() == ""


def test_a_taken_port_is_one_line_and_2(tiny_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving("--model", str(tiny_model), "--grpc-port", str(port)) as process:
            assert process.wait(60) == 2
            text = process.stderr.read()
    assert f"127.0.0.1:{port}" in text
    assert "--grpc-port" in text
    assert text.count("\n") == 1


def test_the_descriptors_are_those_of_the_proto_file(tmp_path):
    proto = messages.DESCRIPTORS.with_suffix(".proto")
    fresh = tmp_path / "fresh.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(proto.parent)]
    subprocess.run([*command, f"--descriptor_set_out={fresh}", proto.name], check=True)
    assert FileDescriptorSet.FromString(fresh.read_bytes()) == FileDescriptorSet.FromString(
        messages.DESCRIPTORS.read_bytes()
    ), "run `make proto`"


def test_grpc_is_not_imported_without_its_port():
    code = "import sys, serving.server; print(json.dumps([*sys.modules]))"
    result = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"grpc", "google.protobuf"} & set(json.loads(result.stdout))
