"""Behind a real nginx: below a path, and at another port than the server knows of."""

import shutil
import subprocess
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.browser.conftest import Server
from tests.browser.pen import SEVEN, digit, draw, watch
from tests.support.running import free_ports, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]

WEBSOCKETS = """proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;"""
NGINX = """pid nginx.pid; error_log error.log; daemon off;
events {}
http {
  access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
  uwsgi_temp_path u; scgi_temp_path s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server { listen 127.0.0.1:%d; location %s { %s %s } }
}"""


@contextmanager
def nginx(folder, path: str, settings: str):
    """Its URL; `settings` are of what it passes on below `path`."""
    [port] = free_ports(1)
    (folder / "nginx.conf").write_text(NGINX % (port, path, WEBSOCKETS, settings))
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: httpx.get(url))
            yield url
        finally:
            process.terminate()


@pytest.fixture
def below(tmp_path):
    """A server with a root path, and both its addresses: through nginx, which takes the path
    off, and its own, where it stays."""
    with ExitStack() as stack:
        server = Server(None, "--root-path", "/scanline")
        stack.callback(server.kill)
        own = f"http://127.0.0.1:{server.port}"
        passed = f"proxy_pass {own}/; proxy_set_header Host $http_host;"
        url = stack.enter_context(nginx(tmp_path, "/scanline/", passed))
        yield [f"{url}/scanline/", f"{own}/scanline/"]


def test_below_a_path_everything_is_found(open_page, browser, below):
    for url in below:
        page = open_page(url, allowed="WebSocket connection|net::")
        watch(page)
        draw(page, SEVEN)
        assert digit(page) == "7"
        page.locator(".inspector-hint:not(:empty)").wait_for()
        for path in ("live/manifest.json", "live/icon.svg", "config", "gradio_api/info", "docs"):
            assert httpx.get(url + path).status_code == 200, path
        docs = browser.new_page()
        docs.goto(f"{url}docs")
        docs.get_by_text("/classify").first.wait_for()
        docs.close()


def test_at_another_port_the_page_says_what_mends_it(open_page, tmp_path):
    server = Server()
    passed = f"proxy_pass {server.url}; proxy_set_header Host $host;"
    with nginx(tmp_path, "/", passed) as url:
        page = open_page(url, wait=False, allowed="WebSocket connection|net::")
        alert = page.locator(".alert-text", has_text="another site")
        alert.wait_for()
        assert f"start it with --cors-origins {url}" in alert.inner_text()
        assert "does not answer" not in alert.inner_text()
        server.kill()
        server.flags += ["--cors-origins", url]
        server.start()
        page = open_page(url, allowed="WebSocket connection|net::")
        watch(page)
        draw(page, SEVEN)
        assert digit(page) == "7"
    server.kill()
