"""The page as it is served: its files, and what it is told of the network and of itself."""

import asyncio
import itertools
import json
import re

import numpy as np
import pytest
from fastapi.testclient import TestClient

from model import reference, signature, weights
from model.images.preprocess import preprocess
from model.images.strokes import BRUSH, render
from model.lab.panels import PANELS
from serving.app import create_app
from serving.inference.models import Models
from serving.page import app as page
from serving.page import stream, units
from serving.settings import Settings
from tests.conftest import TINY_UNITS, save_tiny_model
from tests.support.networks import CONFIGS, random_network

SETTINGS = Settings(cors_origins=("https://example.org",))
FILES = [path.relative_to(page.STATIC).as_posix() for path in page.STATIC.rglob("*.*")]


@pytest.fixture(scope="module")
def models(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("more")
    for name, doubts in (("plain", False), ("described", True)):
        save_tiny_model(folder / f"{name}.onnx", doubts=doubts)
    card = {"preset": "elman", "parameters": 7, "description": "a test"}
    card |= {"test": {"error_percent": 1.5}}
    (folder / "described.card.json").write_text(json.dumps(card))
    return Models([tiny_model, folder])


@pytest.fixture(scope="module")
def client(models):
    # Without a running loop Gradio makes some of its own and never closes them.
    async def app():
        return create_app(models, SETTINGS)

    with TestClient(asyncio.run(app())) as client:
        yield client


@pytest.fixture(scope="module")
def config(client):
    return client.get("/live/config.json").json()


def test_nothing_is_fetched_from_elsewhere(client):
    for path in ("/", *(f"/live/{file}" for file in FILES)):
        text = client.get(path).text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"""(src|href|import|url)\W{1,3}(https?:)?//""", text), path


def test_files_have_their_type_and_can_be_revalidated(client):
    types = {"js": "text/javascript", "css": "text/css", "json": "application/json"}
    types |= {"svg": "image/svg+xml", "html": "text/html"}
    for file in FILES:
        first = client.get(f"/live/{file}")
        assert first.status_code == 200
        assert first.headers["content-type"].startswith(types[file.rpartition(".")[2]])
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(f"/live/{file}", headers={"if-none-match": first.headers["etag"]})
        assert again.status_code == 304


def test_every_module_and_style_sheet_that_is_named_is_there_and_used():
    index = (page.STATIC / "index.html").read_text()
    used = set(re.findall(r'(?:href|src)="live/([^"]+)"', index))
    for module in page.STATIC.rglob("*.js"):
        text = module.read_text()
        used |= {*re.findall(r'href: "live/([^"]+)"', text)}
        wanted = re.findall(r'(?:from |import\()"(\.[^"]+)"', text)
        if "import(`./panels/${name}.js`)" in text:
            wanted += [f"./panels/{panel}.js" for panel in PANELS]
        for name in wanted:
            used.add((module.parent / name).resolve().relative_to(page.STATIC).as_posix())
    assert used == {file for file in FILES if not re.search(r"index.html|drawing/.*json", file)}


def test_what_the_page_links_is_there(client):
    for path in re.findall(r'(?:href|src)="(live/[^"]+)"', client.get("/").text):
        assert client.get(path).status_code == 200, path


def test_only_the_pages_files_are_served(client):
    for path in ("/live/../app.py", "/live/%2e%2e/app.py", "/live/none.js"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("origin", "host", "admitted"),
    [
        ("", "localhost:7860", True),
        ("http://localhost:7860", "localhost:7860", True),
        ("http://localhost:7860", "localhost", False),  # nginx's $host
        ("https://example.org", "localhost", True),
        ("null", "localhost", False),
    ],
)
def test_the_page_learns_whether_its_stream_is_let_in(client, origin, host, admitted):
    answer = client.get("/live/config.json", params={"origin": origin}, headers={"host": host})
    assert answer.json()["admitted"] is admitted


def test_the_config_describes_the_network(config):
    assert config["brush"] == BRUSH
    assert config["outputs"]["answer"] == signature.PROBABILITIES
    assert config["outputs"]["belief"] == signature.STEP_PROBABILITIES
    assert config["outputs"]["score"] is None
    assert config["thresholds"] == {"score": None, "confidence": None}
    [layer] = config["layers"]
    assert layer["backward"] is None
    assert layer["forward"]["name"] == signature.hidden_forward(1)
    assert layer["forward"]["units"] == TINY_UNITS
    assert config["range"] == [-1, 1]  # tanh
    assert config["model"]["name"] == "tiny"


def test_the_config_lists_every_network(config):
    unknown = dict.fromkeys(("preset", "parameters", "testErrorPercent", "description"))
    described = {"preset": "elman", "parameters": 7, "testErrorPercent": 1.5}
    assert config["models"] == [
        {"name": "tiny"} | unknown,
        {"name": "described", "description": "a test"} | described,
        {"name": "plain"} | unknown,
    ]


def test_the_config_of_another_network(client, config):
    assert client.get("/live/config.json?model=tiny").json() == config
    other = client.get("/live/config.json?model=described").json()
    assert other["model"] == config["models"][1]
    assert other["models"] == config["models"]
    assert other.keys() == config.keys()
    answer = client.get("/live/config.json?model=no")
    assert answer.status_code == 404
    assert "'tiny', 'described', 'plain'" in answer.json()["error"]


def test_a_card_with_something_else_in_it_is_no_trouble():
    assert page.summary("a", {"test": 3, "preset": "x"})["testErrorPercent"] is None


def test_every_unit_stands_in_one_group(config):
    groups = config["layers"][0]["forward"]["groups"]
    assert sorted(itertools.chain(*(group["units"] for group in groups))) == [*range(TINY_UNITS)]
    assert [group["digit"] for group in groups] == sorted(group["digit"] for group in groups)


def test_a_unit_goes_to_the_digit_that_it_speaks_for_most():
    effect = np.zeros((signature.DIGITS, 4))
    effect[7, 0], effect[2, 1], effect[7, 2], effect[4, 2] = 1.0, 0.5, 0.5, 0.4
    effect[:, 1] -= 0.1  # it may speak against all others
    assert units.group_units(effect) == [
        {"digit": 2, "units": [1]},
        {"digit": 7, "units": [0, 2]},
        {"digit": None, "units": [3]},  # a dead relu
    ]


def test_effects_add_up_to_what_a_small_share_of_the_states_gives():
    """By finite differences: all states of a unit made larger by a share, on the last layer."""
    network = weights.from_keras(random_network(CONFIGS["elman"]))
    images, digits = units.examples()
    [name] = [signature.hidden_forward(1)]
    states = {name: reference.forward(network, images)[name]}
    effect = units.effects(network, states, digits)[name]
    last = states[name][:, -1]  # of one reader the answer sees the last state
    read_out = network.readout.kernel
    direct = [np.mean(last[np.array(digits) == d], axis=0) * read_out[:, d] for d in range(10)]
    earlier = states[name].copy()
    earlier[:, :-1] = 0
    only_last = units.effects(network, {name: earlier}, digits)[name]
    np.testing.assert_allclose(only_last, direct, atol=1e-9)
    assert np.abs(effect - only_last).max() > 0  # earlier states count, too


def test_the_templates_are_drawings_inside_the_pad():
    assert units.templates().keys() == {str(digit) for digit in range(signature.DIGITS)}
    for strokes in units.templates().values():
        points = np.concatenate(strokes)
        assert points.min() >= BRUSH / 2
        assert points.max() <= 1 - BRUSH / 2
        assert preprocess(render([np.array(stroke) for stroke in strokes])).has_ink


def test_the_page_knows_what_the_server_takes(config):
    assert config["limits"] == {
        "points": stream.MAX_POINTS,
        "strokes": stream.MAX_STROKES,
        "length": stream.MAX_LENGTH,
    }
