"""HAProxy with the configuration of deploy/, and requests as bytes, which no library sends."""

import http.client
import os
import socket
import subprocess
from contextlib import contextmanager

import httpx

from tests.support.manifests import DEPLOY
from tests.support.running import free_port, wait_for

CONFIG = DEPLOY / "haproxy" / "haproxy.cfg"
READY = "/v2/health/ready"


@contextmanager
def haproxy(service: str, **variables: str):
    """HAProxy before the service at ``host:port``; gives its own port once it answers."""
    port = free_port()
    own = {"SERVICE_HTTP": service, "PROXY_HTTP": f"127.0.0.1:{port}", "PROXY_MAXCONN": "2000"}
    with subprocess.Popen(["haproxy", "-db", "-f", CONFIG], env=os.environ | own | variables) as it:
        try:
            wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}{READY}").status_code == 200)
            yield port
        finally:
            it.kill()


def answer_of(client: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next answer on a connection."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, answer.read()


def ask(client: socket.socket, request: bytes) -> tuple[int, bytes]:
    client.sendall(request)
    return answer_of(client)
