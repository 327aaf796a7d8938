"""The page's files put together: what a browser gets, keeps and asks for again."""

import gzip
import re

import pytest
from starlette.requests import Request

from serving.page.app import STATIC
from serving.page.bundle import PATH, Bundle


def asking(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": pairs})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(STATIC)


def test_two_files_hold_what_the_first_picture_needs(bundle):
    page = bundle.page(asking()).body.decode()
    sheet, script = re.findall(rf'(?:href|src)="{PATH}([^"]+)"', page)
    assert "live/core" not in page
    sent = 0
    for name, kind in ((sheet, "text/css"), (script, "text/javascript")):
        plain = bundle.file(name, asking())
        packed = bundle.file(name, asking(accept_encoding="br, gzip"))
        assert plain.headers["content-type"].startswith(kind)
        assert "immutable" in plain.headers["cache-control"]
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        sent += len(packed.body)
    assert sent < 110_000
    for style in re.findall(
        r'rel="stylesheet" href="live/([^"]+)"', (STATIC / "index.html").read_text()
    ):
        assert (STATIC / style).read_bytes() in bundle.file(sheet, asking()).body


def test_the_page_is_asked_for_again_and_sent_when_it_changed(bundle):
    first = bundle.page(asking())
    assert first.headers["cache-control"] == "no-cache"
    same = bundle.page(asking(if_none_match=first.headers["etag"]))
    assert (same.status_code, same.body) == (304, b"")
    assert bundle.page(asking(if_none_match='"another"')).body == first.body


def test_of_another_versions_file_this_versions_comes_and_is_not_kept(bundle):
    page = bundle.page(asking()).body.decode()
    _, script = re.findall(rf'(?:href|src)="{PATH}([^"]+)"', page)
    answer = bundle.file("page-0123456789abcdef.js", asking())
    assert answer.body == bundle.file(script, asking()).body
    assert answer.headers["cache-control"] == "no-cache"
    assert bundle.file("none-0123456789abcdef.js", asking()).status_code == 404


def test_a_changed_module_has_another_address_and_another_form_is_told(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "index.html").write_text(
        '<script type="module" src="live/core/main.js"></script>', "utf-8"
    )
    (tmp_path / "core" / "main.js").write_text('import { a as b } from "../one.js";\nb();\n')
    one = tmp_path / "one.js"
    one.write_text("export const a = () => 1;\n")
    before = Bundle(tmp_path).page(asking()).body
    assert Bundle(tmp_path).page(asking()).body == before
    one.write_text("export const a = () => 2;\n")
    assert Bundle(tmp_path).page(asking()).body != before
    for form in ('export * from "./x.js";\n', 'import x from "./x.js";\n', "export let a = 1;\n"):
        one.write_text(form)
        with pytest.raises(ValueError, match=r"one\.js: .* is no form that can be bundled"):
            Bundle(tmp_path)
