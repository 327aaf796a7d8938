"""Nobody gets another one's answer: requests that ask for another protocol, through proxies."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager

import httpx
import pytest

from tests.deploy.conftest import answer_of, ask, haproxy
from tests.support.running import free_port, serving, url_of, wait_for

ROUNDS = int(os.environ.get("SMUGGLING_ROUNDS", "1"))
# With the settings for WebSockets that its documentation has.
NGINX = """
pid nginx.pid; daemon off; worker_processes 1; error_log error.log;
events {{}}
http {{
  access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
  uwsgi_temp_path u; scgi_temp_path s;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream app {{ server {service}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
    location = /metrics {{ return 403; }}
  }}
}}
"""
HIDDEN = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
VISIT = b"GET /v2/models/tiny HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def nginx(service: str, folder):
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(service=service, port=port))
    command = ["nginx", "-p", folder, "-c", config, "-e", folder / "error.log"]
    with subprocess.Popen(command) as process:
        try:
            wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/v2").status_code == 200)
            yield port
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=["haproxy", "nginx", "none"])
def port(request, tiny_model, tmp_path_factory):
    """Of a proxy that has one connection to the service for all, or of the service itself."""
    if request.param != "none" and not shutil.which(request.param):
        pytest.skip(f"needs Debian's {request.param}")
    with serving("--model", str(tiny_model)) as process:
        service = url_of(process).removeprefix("http://")
        if request.param == "haproxy":
            with haproxy(service, PROXY_SERVER_MAXCONN="1") as port:
                yield port
        elif request.param == "nginx":
            with nginx(service, tmp_path_factory.mktemp("nginx")) as port:
                yield port
        else:
            yield int(service.rpartition(":")[2])


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "h2,h2c", "word"])
def test_a_body_is_never_the_next_request(port, upgrade):
    fields = f"Host: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    head = f"POST /classify HTTP/1.1\r\n{fields}Content-Length: {len(HIDDEN)}\r\n\r\n".encode()
    for _ in range(ROUNDS):
        for first, rest in ((head + HIDDEN, b""), (head, HIDDEN)):
            with (
                socket.create_connection(("127.0.0.1", port), 30) as attacker,
                socket.create_connection(("127.0.0.1", port), 30) as visitor,
            ):
                attacker.sendall(first)
                attacker.sendall(rest)
                status, answer = answer_of(attacker)
                assert status in (400, 415)
                assert b'"error"' in answer
                status, answer = ask(visitor, VISIT)
                assert status == 200
                assert b'"name":"tiny"' in answer
                assert ask(attacker, VISIT)[1] == answer
