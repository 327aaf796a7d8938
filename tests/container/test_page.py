"""The page out of the image: `deploy/slim.py` took nothing that it needs."""

import base64
import re

import pytest
from gradio_client import Client

from tests.browser.conftest import browser, open_page, tabs  # noqa: F401
from tests.browser.pen import SEVEN, digit, draw, watch
from tests.container.conftest import PICTURE, url_of

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]


def test_all_files_that_the_page_links_are_there(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "Scanline" in page.text
    paths = re.findall(r'(?:src|href)="((?!https?:|#)[^"]+\.\w+)"', page.text)
    assert any(path.endswith(".js") for path in paths)
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_a_browser_draws_on_it(open_page, container):  # noqa: F811
    """`open_page` fails on every file that is missing and every error in the console."""
    page = open_page(url_of(container) + "/")
    watch(page)
    draw(page, SEVEN)
    assert digit(page) == "7"


def test_gradio_s_own_api_answers(container):
    client = Client(url_of(container), verbose=False)
    answer = client.predict(base64.b64encode(PICTURE).decode(), api_name="/classify")
    assert answer["digit"] == 7
