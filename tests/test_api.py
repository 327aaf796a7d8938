"""The HTTP API over the tiny network: good calls, and everything that a client can get wrong."""

import io
import json
import re
import struct
import threading
import time
import tomllib
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw, ImageOps

from model import signature
from serving import api, classify_route, schemas
from serving.endpoints import INLINE_IMAGES
from serving.models import Models
from serving.pictures import PictureError
from serving.settings import Settings
from tests.conftest import TINY_UNITS, TINY_VERSION, save_tiny_model

MODEL = "/v2/models/tiny"
INFER = f"{MODEL}/infer"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "statistics"]
SETTINGS = Settings(max_body_bytes=8 * 2**20, max_pixels=1_000_000, max_batch=8)
BODY_TYPES = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def models(tiny_model):
    return Models([tiny_model])


@pytest.fixture(scope="module")
def predictor(models):
    return models.default


@pytest.fixture(scope="module")
def client(models):
    # A 500 must come as an answer here, as it does to a real client, not as an exception.
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def seven() -> Image.Image:
    """White ink on black."""
    picture = Image.new("L", (100, 100), 0)
    ImageDraw.Draw(picture).line([(25, 20), (75, 20), (45, 85)], fill=255, width=9)
    return picture


def bomb() -> bytes:
    """A real PNG of 20000 x 20000 pixels: 400 MB of zeros in less than 2 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    side = 20_000
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def request(images: np.ndarray, **changes) -> dict:
    tensor = {
        "name": signature.IMAGES,
        "shape": list(images.shape),
        "datatype": "FP32",
        "data": images.ravel().tolist(),
    }
    return {"inputs": [{**tensor, **changes}]}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, signature.STEPS, signature.PIXELS))


def error_of(response, *codes: int) -> str:
    assert response.status_code in codes, response.text
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == ["error"]
    assert answer["error"]
    return answer["error"]


# --- Good calls -------------------------------------------------------------------------


def test_server_and_health(client):
    answer = client.get("/v2").json()
    assert answer == {"name": "scanline", "version": api.SERVER_VERSION, "extensions": EXTENSIONS}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


def test_server_version_is_the_projects():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == api.SERVER_VERSION


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/{TINY_VERSION}"])
def test_model_metadata_and_readiness(client, path):
    steps, pixels, digits = signature.STEPS, signature.PIXELS, signature.DIGITS
    assert client.get(path).json() == {
        "name": "tiny",
        "versions": [TINY_VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": signature.IMAGES, "datatype": "FP32", "shape": [-1, steps, pixels]}],
        "outputs": [
            {"name": signature.PROBABILITIES, "datatype": "FP32", "shape": [-1, digits]},
            {
                "name": signature.STEP_PROBABILITIES,
                "datatype": "FP32",
                "shape": [-1, steps, digits],
            },
            {
                "name": signature.hidden_forward(1),
                "datatype": "FP32",
                "shape": [-1, steps, TINY_UNITS],
            },
        ],
    }
    assert client.get(f"{path}/ready").json() == {"name": "tiny", "ready": True}


def test_model_without_a_version_is_version_1(tmp_path):
    models = Models([save_tiny_model(tmp_path / "m.onnx", version=None)])
    client = TestClient(api.create_app(models, SETTINGS))
    assert client.get("/v2/models/m/versions/1/ready").status_code == 200


@pytest.mark.parametrize("batch", [1, 4])  # one is answered inline, four in a thread
@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
@pytest.mark.parametrize("path", [INFER, f"{MODEL}/versions/{TINY_VERSION}/infer"])
def test_infer_gives_what_the_network_gives(client, predictor, images, batch, datatype, path):
    body = request(np.repeat(images[:batch], 2, axis=0), datatype=datatype)
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["model_name"], answer["model_version"]) == ("tiny", TINY_VERSION)
    assert "id" not in answer
    expected = predictor.run(np.repeat(images[:batch], 2, axis=0))
    assert [output["name"] for output in answer["outputs"]] == list(expected)
    for output in answer["outputs"]:
        values = np.reshape(output["data"], output["shape"]).astype(np.float32)
        assert output["datatype"] == "FP32"
        np.testing.assert_array_equal(values, expected[output["name"]])


def test_infer_selects_outputs_and_echoes_the_id(client, images):
    wanted = [signature.hidden_forward(1), signature.PROBABILITIES]
    body = {**request(images[:1]), "id": "a-1", "outputs": [{"name": name} for name in wanted]}
    answer = client.post(INFER, json=body).json()
    assert answer["id"] == "a-1"
    assert [output["name"] for output in answer["outputs"]] == wanted


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", None])
def test_classify_a_raw_body(client, kind):
    headers = {"content-type": kind} if kind else {}
    response = client.post("/classify", content=png(seven()), headers=headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == "tiny"
    [result] = answer["results"]
    assert list(result) == [
        "file",
        "digit",
        "confidence",
        "probabilities",
        "score",
        "rejected",
        "reason",
    ]
    assert (result["file"], result["rejected"], result["reason"]) == (None, False, None)
    assert sum(result["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert result["confidence"] == max(result["probabilities"])
    assert result["digit"] == result["probabilities"].index(result["confidence"])


def test_classify_finds_the_polarity(client):
    answers = [
        client.post("/classify", content=png(picture), headers=BODY_TYPES).json()["results"][0]
        for picture in (seven(), ImageOps.invert(seven()), ImageOps.invert(seven()).convert("RGBA"))
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_blank_page_is_rejected(client, shade):
    page = png(Image.new("L", (50, 50), shade))
    assert client.post("/classify", content=page, headers=BODY_TYPES).json()["results"] == [
        {
            "file": None,
            "digit": None,
            "confidence": None,
            "probabilities": None,
            "score": None,
            "rejected": True,
            "reason": "no ink",
        }
    ]


def test_classify_many_files_with_a_broken_one(client):
    blank = png(Image.new("L", (9, 9)))
    contents = [png(seven()), png(seven())[:80], blank, b"text", png(ImageOps.invert(seven()))]
    files = [("file", (f"{n}.png", content)) for n, content in enumerate(contents)]
    files[2:4] = [("other", files[2][1]), ("other", files[3][1])]
    response = client.post("/classify", files=files, data={"note": "ignored"})
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["file"] for result in results] == [f"{n}.png" for n in range(5)]
    alone = client.post("/classify", content=contents[0], headers=BODY_TYPES).json()["results"][0]
    assert results[0] == {**alone, "file": "0.png"}
    assert results[4] == {**alone, "file": "4.png"}
    assert results[2]["reason"] == "no ink"
    for broken in (1, 3):
        assert list(results[broken]) == ["file", "error"]


def test_pictures_of_one_request_share_a_budget(client):
    page = png(Image.new("L", (1000, 1000)))
    files = [("file", (f"{n}.png", page)) for n in range(7)]
    results = client.post("/classify", files=files).json()["results"]
    assert ["error" in result for result in results] == [False] * 5 + [True] * 2


def test_openapi_names_no_422_and_has_examples(client):
    document = client.get("/openapi.json").json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    assert len(operations) == 16
    for operation in operations:
        assert set(operation["responses"]) == {"200", "4XX", "503"}
    content = document["paths"]["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]
    assert client.post(INFER, json=example).status_code == 200
    assert client.get("/docs").status_code == 200


def test_docs_name_every_verdict_with_an_example(client):
    document = client.get("/openapi.json").json()
    answer = document["paths"]["/classify"]["post"]["responses"]["200"]["content"]
    examples = answer["application/json"]["examples"]
    reasons = {}
    for name, example in examples.items():
        first = schemas.Classified.model_validate(example["value"]).results[0]
        reasons[name] = first.reason
    assert reasons["accepted"] is None
    for reason in ("no ink", "not a digit"):
        assert reasons[reason] == reason
    assert reasons["not sure"] == "not sure: 4 or 9"
    assert "$ref" in answer["application/json"]["schema"]


def test_docs_load_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    files = re.findall(r"""<(?:script|link)[^>]+(?:src|href)="([^"]+)""", page)
    assert len(files) == 3  # style, script, icon
    for file in files:
        assert file.startswith("/")
        assert client.get(file).status_code == 200


def test_the_score_is_an_output_like_any_other(doubting_model, images):
    models = Models([doubting_model])
    client = TestClient(api.create_app(models, SETTINGS))
    path = "/v2/models/doubting"
    described = client.get(path).json()["outputs"]
    assert {"name": signature.SCORE, "datatype": "FP32", "shape": [-1, 1]} in described
    assert [output["name"] for output in described] == signature.output_names(1, False, score=True)
    body = {**request(images), "outputs": [{"name": signature.SCORE}]}
    [output] = client.post(f"{path}/infer", json=body).json()["outputs"]
    assert output["shape"] == [len(images), 1]
    expected = models.default.run(images)[signature.SCORE].ravel()
    np.testing.assert_array_equal(np.float32(output["data"]), expected)


@pytest.fixture(scope="module")
def several(tmp_path_factory, tiny_model, doubting_model):
    """A client of three networks; of the third only the card can be read."""
    folder = tmp_path_factory.mktemp("more")
    (folder / "broken.onnx").write_bytes(b"not a network")
    models = Models([tiny_model, doubting_model, save_tiny_model(folder / "a.onnx").parent])
    with TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("name", ["tiny", "doubting", "a"])
def test_each_of_several_networks_has_its_paths(several, images, name):
    path = f"/v2/models/{name}"
    described = several.get(path).json()
    assert described["name"] == name
    assert several.get(f"{path}/ready").json() == {"name": name, "ready": True}
    answer = several.post(f"{path}/infer", json=request(images)).json()
    assert answer["model_name"] == name
    names = [output["name"] for output in answer["outputs"]]
    assert names == [output["name"] for output in described["outputs"]]
    assert (signature.SCORE in names) == (name == "doubting")


def test_classify_asks_the_network_that_is_named(several):
    def ask(query: str) -> dict:
        return several.post(f"/classify{query}", content=png(seven()), headers=BODY_TYPES).json()

    assert ask("") == ask("?model=tiny")
    assert ask("")["results"][0]["score"] is None
    assert ask("?model=doubting")["model"] == "doubting"
    assert ask("?model=doubting")["results"][0]["score"] is not None


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/models/no"), ("GET", "/v2/models/no/ready"), ("POST", "/classify?model=no")],
)
def test_an_unknown_network_is_told_with_those_there_are(several, method, path):
    message = error_of(several.request(method, path, content=b"x"), 404)
    assert message == "no model 'no' here: choose one of 'tiny', 'doubting', 'a', 'broken'"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/models/broken/ready"), ("POST", "/classify?model=broken")],
)
def test_a_broken_network_is_for_the_log(several, method, path, caplog):
    message = error_of(several.request(method, path, content=b"x"), 503)
    assert "log" in message
    assert "broken.onnx" not in message
    assert "broken.onnx is not a readable ONNX network" in caplog.text
    assert several.get("/v2/models/tiny/ready").status_code == 200


# --- What a client can get wrong --------------------------------------------------------

JSON = {"content-type": "application/json"}
DEEP = b'{"inputs":' + b"[" * (10 * 2**20)
BAD_PICTURES = {
    "empty": (b"", 400),
    "text": (b"hello", 415),
    "json": (b'{"image": 7}', 415),
    "truncated": (png(seven())[:-60], 400),
    "bomb": (bomb(), 413),
    "deep": (DEEP, 413),
    "large": (bytes(9 * 2**20), 413),
}


@pytest.fixture(autouse=True)
def still_answering(client):
    yield
    response = client.post("/classify", content=png(seven()), headers=BODY_TYPES)
    assert response.status_code == 200


@pytest.mark.parametrize("case", BAD_PICTURES)
@pytest.mark.parametrize("form", [False, True])
def test_bad_picture(client, case, form):
    content, status = BAD_PICTURES[case]
    if form:
        response = client.post("/classify", files={"file": ("x.png", content)})
    else:
        response = client.post("/classify", content=content, headers=BODY_TYPES)
    error_of(response, status)


BAD_BODIES = {
    "empty": b"",
    "text": b"hello",
    "not an object": b"[]",
    "truncated PNG": png(seven())[:-60],
    "bomb": bomb(),
    "NaN": json.dumps(request(np.full((1, 28, 28), np.nan))).encode(),
    "infinity": json.dumps(request(np.full((1, 28, 28), np.inf))).encode(),
    "shape": json.dumps(request(np.zeros((1, 28, 27), int))).encode(),
    "count": json.dumps(request(np.zeros((1, 28, 28), int), data=[0])).encode(),
    "name": json.dumps(request(np.zeros((1, 28, 28), int), name="image")).encode(),
    "datatype": json.dumps(request(np.zeros((1, 28, 28), int), datatype="BYTES")).encode(),
    "batch": json.dumps(request(np.zeros((9, 28, 28), int))).encode(),
    "nested": b'{"inputs":' + b"[" * (7 * 2**20),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_inference_request(client, case):
    error_of(client.post(INFER, content=BAD_BODIES[case], headers=JSON), 400)


def test_too_large_a_body(client):
    message = error_of(client.post(INFER, content=DEEP, headers=JSON), 413)
    assert str(SETTINGS.max_body_bytes) in message
    error_of(client.post(INFER, content=iter([DEEP[: 2**20]] * 10), headers=JSON), 413)
    chunks = iter([bytes(2**20)] * 10)
    error_of(client.post("/classify", content=chunks, headers=BODY_TYPES), 413)


def test_largest_body_that_is_allowed_is_read(client):
    body = json.dumps(request(np.zeros((1, 28, 28), int))).encode()
    assert client.post(INFER, content=body.ljust(SETTINGS.max_body_bytes)).status_code == 200
    error_of(client.post(INFER, content=body.ljust(SETTINGS.max_body_bytes + 1)), 413)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"hello", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nhello\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n" + b"a" * 10**6, "multipart/form-data; boundary=x"),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"hello", "multipart/form-data; boundary="),
        (b"hello", "multipart/form-data; boundary=\xff; charset=nothing"),
    ],
)
def test_broken_form(client, content, kind):
    error_of(
        client.post("/classify", content=content, headers={"content-type": kind.encode("latin-1")}),
        400,
    )


def test_form_without_a_file_says_how_to_send_one(client):
    response = client.post("/classify", files={"file": (None, "seven.png")})
    assert "curl -F file=@seven.png" in error_of(response, 400)


def test_too_many_files(client):
    files = [("file", (f"{n}.png", b"x")) for n in range(SETTINGS.max_batch + 1)]
    assert "Maximum number of files is 8" in error_of(client.post("/classify", files=files), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/",
        "/v2/nothing",
        "/v2/models",
        "/v2/models/other",
        "/v2/models/other/ready",
        f"{MODEL}/versions/99",
        f"{MODEL}/versions/99/ready",
        f"{MODEL}/nothing",
        f"{MODEL}/ready/",
        "/v2/models/%2e%2e%2ftiny",
        "/v2/models/%00%ff",
        "/classify/nothing",
        "/nothing",
    ],
)
def test_unknown_path(client, path):
    error_of(client.get(path), 404)


def test_unknown_model_says_which_there_is(client, images):
    response = client.post("/v2/models/other/infer", json=request(images))
    assert "'tiny'" in error_of(response, 404)
    response = client.post(f"{MODEL}/versions/99/infer", json=request(images))
    assert repr(TINY_VERSION) in error_of(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/classify", "POST"),
        ("DELETE", "/classify", "POST"),
        ("GET", INFER, "POST"),
        ("PUT", INFER, "POST"),
        ("FOO", INFER, "POST"),
        ("POST", "/v2", "GET"),
        ("POST", "/v2/health/live", "GET"),
        ("POST", MODEL, "GET"),
    ],
)
def test_wrong_method(client, method, path, allow):
    response = client.request(method, path)
    assert allow in error_of(response, 405)
    assert response.headers["allow"] == allow


def test_page_mounted_at_the_root_takes_no_path_of_the_api(models):
    app = api.create_app(models, SETTINGS)

    async def page(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    app.mount("/", page)
    client = TestClient(app)
    assert client.get("/").text == client.get("/any").text == "page"
    error_of(client.get("/v2/nothing"), 404)
    error_of(client.get("/classify"), 405)
    error_of(client.post("/v2"), 405)
    assert client.get("/v2").status_code == 200


def test_large_requests_do_not_wait_behind_pictures(models, monkeypatch):
    release = threading.Event()

    def slow(*_):
        release.wait(30)
        return [PictureError("released")]

    monkeypatch.setattr(classify_route, "classify", slow)
    pixels = np.zeros((INLINE_IMAGES + 1, signature.STEPS, signature.PIXELS), np.float32)
    with (
        TestClient(api.create_app(models, SETTINGS)) as client,
        ThreadPoolExecutor(api.MOST_THREADS) as callers,
    ):
        pictures = [
            callers.submit(client.post, "/classify", content=png(seven()))
            for _ in range(api.MOST_THREADS)
        ]
        try:
            while client.app.state.gate.heavy < api.MOST_THREADS:
                time.sleep(0.01)
            call = ThreadPoolExecutor(1).submit(client.post, INFER, json=request(pixels))
            assert call.result(10).status_code == 200
        finally:
            release.set()
        assert {picture.result().status_code for picture in pictures} == {400}


def test_unexpected_exception_is_json_too(models, predictor, images, monkeypatch):
    def fail(*_):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(predictor, "run", fail)
    client = TestClient(api.create_app(models, SETTINGS), raise_server_exceptions=False)
    error_of(client.post(INFER, json=request(images)), 500)
    monkeypatch.undo()
