"""Triton's own clients, unmodified, against a real server: all that they can ask of a network."""

import asyncio
import queue

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.utils import InferenceServerException

from model import signature
from serving.inference.models import Models
from tests.conftest import TINY_VERSION
from tests.support.running import live_server

IMAGES = np.random.default_rng(0).integers(0, 256, (3, signature.STEPS, signature.PIXELS))
DTYPES = {"FP32": np.float32, "UINT8": np.uint8}
KINDS = {"http": triton_http, "grpc": triton_grpc}


@pytest.fixture(scope="module")
def server(tiny_model, doubting_model):
    flags = ("--model", str(tiny_model), "--model", str(doubting_model), "--max-batch", "64")
    with live_server(*flags) as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def client(server, kind):
    with KINDS[kind].InferenceServerClient(getattr(server, kind)) as client:
        yield client


@pytest.fixture(scope="module")
def expected(tiny_model):
    return Models([tiny_model]).default.run(IMAGES)


def tensor(kind, datatype: str = "FP32", images: np.ndarray = IMAGES, **options):
    made = kind.InferInput(signature.IMAGES, list(images.shape), datatype)
    made.set_data_from_numpy(images.astype(DTYPES[datatype]), **options)
    return made


def check(answer, expected: dict[str, np.ndarray], names=None) -> None:
    for name in names or expected:
        np.testing.assert_array_equal(answer.as_numpy(name), expected[name])


def as_dict(kind: str, ask, *args) -> dict:
    return ask(*args) if kind == "http" else ask(*args, as_json=True)


# --- What there is ------------------------------------------------------------------------


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", TINY_VERSION)
    assert not client.is_model_ready("tiny", "9")
    assert not client.is_model_ready("no")


def test_metadata_config_and_index(client, kind, expected):
    server = as_dict(kind, client.get_server_metadata)
    assert server["name"] == "scanline"
    assert "binary_tensor_data" in server["extensions"]
    metadata = as_dict(kind, client.get_model_metadata, "tiny", TINY_VERSION)
    assert metadata["versions"] == [TINY_VERSION]
    assert [output["name"] for output in metadata["outputs"]] == list(expected)
    shapes = {
        output["name"]: [int(size) for size in output["shape"]] for output in metadata["outputs"]
    }
    assert shapes == {name: [-1, *values.shape[1:]] for name, values in expected.items()}
    config = as_dict(kind, client.get_model_config, "tiny")
    config = config.get("config", config)
    assert config["max_batch_size"] == 64
    assert [entry["name"] for entry in config["output"]] == list(expected)
    index = as_dict(kind, client.get_model_repository_index)
    entries = index if kind == "http" else index["models"]
    assert [(entry["name"], entry["state"]) for entry in entries] == [
        ("tiny", "READY"),
        ("doubting", "READY"),
    ]


def test_statistics(client, kind):
    def images(name: str) -> int:
        found = as_dict(kind, client.get_inference_statistics, name)["model_stats"]
        return sum(int(entry.get("inference_count", 0)) for entry in found)

    before = images("doubting"), images("")
    client.infer("doubting", [tensor(KINDS[kind])])
    assert (images("doubting"), images("")) == (before[0] + len(IMAGES), before[1] + len(IMAGES))


# --- Inference ----------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("repeats", [1, 20])
def test_infer(client, kind, tiny_model, datatype, repeats):
    images = np.repeat(IMAGES, repeats, axis=0)
    answer = client.infer(
        "tiny",
        [tensor(KINDS[kind], datatype, images)],
        model_version=TINY_VERSION,
        request_id="a-1",
    )
    check(answer, Models([tiny_model]).default.run(images))
    response = answer.get_response()
    identity = response["id"] if kind == "http" else response.id
    assert identity == "a-1"


def test_outputs_are_selected(client, kind, expected):
    names = [signature.hidden_forward(1), signature.PROBABILITIES]
    outputs = [KINDS[kind].InferRequestedOutput(name) for name in names]
    answer = client.infer("tiny", [tensor(KINDS[kind])], outputs=outputs)
    check(answer, expected, names)
    assert answer.as_numpy(signature.STEP_PROBABILITIES) is None


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("wanted", [[True, True], [True, False], [False, True], [False, False]])
def test_bytes_and_numbers_both_ways(server, expected, datatype, sent, wanted):
    names = [signature.PROBABILITIES, signature.STEP_PROBABILITIES]
    outputs = [
        triton_http.InferRequestedOutput(name, binary_data=binary)
        for name, binary in zip(names, wanted, strict=True)
    ]
    with triton_http.InferenceServerClient(server.http) as client:
        inputs = [tensor(triton_http, datatype, binary_data=sent)]
        check(client.infer("tiny", inputs, outputs=outputs), expected, names)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_and_answers(server, expected, algorithm):
    with triton_http.InferenceServerClient(server.http) as client:
        answer = client.infer(
            "tiny",
            [tensor(triton_http)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        check(answer, expected)
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        answer = client.infer("tiny", [tensor(triton_grpc)], compression_algorithm=algorithm)
        check(answer, expected)


def test_parameters_that_mean_nothing_here(client, kind, expected):
    answer = client.infer(
        "tiny",
        [tensor(KINDS[kind])],
        sequence_id=3,
        sequence_start=True,
        priority=1,
        timeout=10**6,
        parameters={"mine": "x", "more": 3},
    )
    check(answer, expected)


def test_many_at_once_over_http(server, expected):
    with triton_http.InferenceServerClient(server.http, concurrency=8) as client:
        waiting = [client.async_infer("tiny", [tensor(triton_http)]) for _ in range(40)]
        for answer in waiting:
            check(answer.get_result(), expected)


def test_many_at_once_over_grpc(server, expected):
    answers = queue.Queue()
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        for _ in range(40):
            client.async_infer(
                "tiny",
                [tensor(triton_grpc)],
                callback=lambda result, error: answers.put((result, error)),
            )
        for _ in range(40):
            result, error = answers.get(timeout=30)
            assert error is None
            check(result, expected)


def test_a_stream(server, expected):
    answers = queue.Queue()
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        names = ["tiny", "no", "tiny"]
        for number, name in enumerate(names):
            client.async_stream_infer(
                name,
                [tensor(triton_grpc)],
                request_id=str(number),
                enable_empty_final_response=True,
            )
        for number, name in enumerate(names):
            result, error = answers.get(timeout=30)
            if name == "no":
                assert "no model 'no' here" in error.message()
            else:
                check(result, expected)
                response = result.get_response()
                assert response.id == str(number)
                assert response.parameters["triton_final_response"].bool_param
        client.stop_stream()


@pytest.mark.parametrize("kind_aio", [triton_http_aio, triton_grpc_aio])
def test_clients_with_asyncio(server, expected, kind_aio):
    async def talk() -> None:
        is_http = kind_aio is triton_http_aio
        kind = triton_http if is_http else triton_grpc
        address = server.http if is_http else server.grpc
        async with kind_aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready("tiny")
            asked = [client.infer("tiny", [tensor(kind)]) for _ in range(20)]
            for answer in await asyncio.gather(*asked):
                check(answer, expected)

    asyncio.run(talk())


# --- What goes wrong ----------------------------------------------------------------------

BAD_REQUEST = {"http": "400", "grpc": "StatusCode.INVALID_ARGUMENT"}
NOT_FOUND = {"http": "404", "grpc": "StatusCode.NOT_FOUND"}


@pytest.mark.parametrize(
    ("model", "images", "status", "message"),
    [
        ("no", IMAGES, NOT_FOUND, "no model 'no' here: choose one of 'tiny', 'doubting'"),
        ("tiny", IMAGES[:, 1:], BAD_REQUEST, "images.shape: must be [batch, 28, 28]"),
        ("tiny", IMAGES / 255, BAD_REQUEST, "send raw values 0..255"),
        ("tiny", IMAGES * np.nan, BAD_REQUEST, "must be pixels from 0 (page) to 255 (ink)"),
        ("tiny", np.repeat(IMAGES, 22, axis=0), BAD_REQUEST, "66 images are too many"),
    ],
)
def test_an_error_tells_what_to_do(client, kind, model, images, status, message):
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(KINDS[kind], images=images)])
    assert caught.value.status() == status[kind]
    assert message in caught.value.message()


def test_an_unknown_output(client, kind):
    outputs = [KINDS[kind].InferRequestedOutput("logits")]
    with pytest.raises(InferenceServerException) as caught:
        client.infer("tiny", [tensor(KINDS[kind])], outputs=outputs)
    assert "outputs[0].name: must be one of" in caught.value.message()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get_trace_settings(),
        lambda client: client.update_log_settings({"log_info": True}),
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.register_system_shared_memory("a", "/a", 8),
        lambda client: client.load_model("tiny"),
    ],
)
def test_what_is_not_offered_says_so(client, kind, ask):
    with pytest.raises(InferenceServerException) as caught:
        ask(client)
    assert caught.value.status() == {"http": "404", "grpc": "StatusCode.UNIMPLEMENTED"}[kind]
    assert caught.value.message()


def test_shared_memory_and_classes_are_refused(client, kind):
    memory = KINDS[kind].InferInput(signature.IMAGES, [1, 28, 28], "FP32")
    memory.set_shared_memory("a", 3136)
    with pytest.raises(InferenceServerException, match="shared_memory_region: is not offered"):
        client.infer("tiny", [memory])
    classes = KINDS[kind].InferRequestedOutput(signature.PROBABILITIES, class_count=3)
    with pytest.raises(InferenceServerException, match="classification: is not offered"):
        client.infer("tiny", [tensor(KINDS[kind])], outputs=[classes])
