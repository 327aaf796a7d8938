"""deploy/haproxy by the real program, in front of the service or of a stand-in that waits."""

import json
import shutil
import signal
import socket
import struct
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub
from websockets.sync.client import connect

from tests.deploy.conftest import answer_of, ask, haproxy
from tests.support.running import ROOT, free_port, live_server, running, serving, url_of, wait_for

pytestmark = pytest.mark.skipif(not shutil.which("haproxy"), reason="needs Debian's haproxy")

PICTURE = (ROOT / "tests" / "seven.png").read_bytes()
DRAWING = struct.pack("<3I6f", 5, 1, 3, 0.25, 0.2, 0.75, 0.2, 0.45, 0.85)  # number 5, one stroke


@pytest.fixture(scope="module")
def service():
    """``host:port`` of the service with its page."""
    with running("--port", "0") as process:
        yield url_of(process).removeprefix("http://")


@pytest.fixture(scope="module")
def port(service):
    with haproxy(service) as port:
        yield port


def seven(**headers: str) -> bytes:
    """A whole request."""
    fields = {"Host": "x", "Content-Length": str(len(PICTURE))} | headers
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(["POST /classify HTTP/1.1", *lines, "", ""]).encode() + PICTURE


class Service(BaseHTTPRequestHandler):
    """Stands in for the service: tells the headers of a request, after `may_answer` for a POST."""

    protocol_version = "HTTP/1.1"
    may_answer = threading.Event()

    def do_GET(self):
        body = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.may_answer.wait()
        self.do_GET()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def stand_in():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    Service.may_answer.set()
    server.shutdown()
    server.server_close()


def test_page_api_and_live_view_pass(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        assert "Scanline" in client.get("/").text
        answer = client.post("/classify", files={"file": PICTURE})
    assert [result["digit"] for result in answer.json()["results"]] == [7]
    with connect(f"ws://127.0.0.1:{port}/live", origin=f"http://127.0.0.1:{port}") as socket:
        socket.send(DRAWING)
        frame = socket.recv(timeout=30)
    [length] = struct.unpack_from("<I", frame)
    assert json.loads(frame[4 : 4 + length])["sequence"] == 5


def test_grpc_passes(tiny_model):
    port = free_port()
    variables = {"PROXY_GRPC": f"127.0.0.1:{port}"}
    with (
        live_server("--model", str(tiny_model)) as service,
        haproxy(service.http, SERVICE_GRPC=service.grpc, **variables),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(messages.ServerReadyRequest(), timeout=30).ready


def test_a_client_that_has_closed_its_half_is_answered(port):
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(seven())
        client.shutdown(socket.SHUT_WR)
        status, answer = answer_of(client)
    assert status == 200
    assert b'"digit":7' in answer


@pytest.mark.parametrize("part", [seven()[:30], seven()[:-100]], ids=["head", "body"])
def test_what_comes_too_slowly_is_answered_408(service, part):
    with (
        haproxy(service, PROXY_REQUEST_SECONDS="1") as port,
        socket.create_connection(("127.0.0.1", port), 30) as client,
    ):
        client.sendall(part)
        status, _ = answer_of(client)
    assert status == 408


def test_idle_connections_keep_nobody_out(tiny_model):
    """More of them than the service takes."""
    with ExitStack() as stack:
        process = stack.enter_context(
            serving("--model", str(tiny_model), "--max-connections", "16")
        )
        service = url_of(process).removeprefix("http://")
        port = stack.enter_context(haproxy(service, PROXY_SERVER_MAXCONN="4"))
        for _ in range(300):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            assert ask(client, b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
        assert httpx.get(f"http://127.0.0.1:{port}/v2/models/tiny").status_code == 200


def test_overload_is_answered_503(stand_in):
    Service.may_answer.clear()
    with haproxy(stand_in, PROXY_SERVER_MAXCONN="2") as port, ThreadPoolExecutor(3) as pool:
        url = f"http://127.0.0.1:{port}/classify"
        waiting = [pool.submit(httpx.post, url, content=b"1", timeout=60) for _ in range(3)]
        wait_for(lambda: any(answer.done() for answer in waiting))
        [refused] = [answer.result() for answer in waiting if answer.done()]
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert "full" in refused.json()["error"]
        Service.may_answer.set()
        assert sorted(answer.result().status_code for answer in waiting) == [200, 200, 503]


def test_what_the_service_is_told(stand_in):
    told = {"Connection": "Upgrade", "Upgrade": "h2c", "X-Forwarded-For": "1.2.3.4"}
    websocket = told | {"Upgrade": "websocket", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
    Service.may_answer.set()
    with haproxy(stand_in) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for given, upgrade in ((told, None), (websocket, "websocket")):
            text = client.get("/", headers=given).text.lower()
            fields = dict(line.split(": ", 1) for line in text.splitlines())
            assert fields.get("upgrade") == upgrade
            assert fields.get("connection", "keep-alive") == (
                "upgrade" if upgrade else "keep-alive"
            )
            assert fields["x-forwarded-for"] == "127.0.0.1"
            assert fields["x-forwarded-proto"] == "http"
        for path in ("/metrics", "/metrics/", "/%6Detrics", "/metrics?x", "/below/metrics"):
            assert client.get(path).status_code == 403


def test_a_service_that_ends_loses_nothing(tiny_model):
    """Of two; connections that it closes under a request are the proxy's to open again."""
    seen: Counter = Counter()
    is_over = threading.Event()

    def call(port: int) -> None:
        with httpx.Client(timeout=60) as client:
            while not is_over.is_set():
                answer = client.get(f"http://127.0.0.1:{port}/v2/models/tiny")
                seen[answer.status_code] += 1

    one, two = (serving("--model", str(tiny_model)) for _ in range(2))
    with one as ending, two as staying:
        first, second = (url_of(each).removeprefix("http://") for each in (ending, staying))
        with haproxy(first, SERVICE_HTTP_2=second) as port, ThreadPoolExecutor(16) as pool:
            calling = [pool.submit(call, port) for _ in range(16)]
            try:
                wait_for(lambda: seen[200] > 500)
                ending.send_signal(signal.SIGTERM)
                assert ending.wait(30) == 0
                after = seen[200]
                wait_for(lambda: seen[200] > after + 500)
            finally:
                is_over.set()
            for each in calling:
                each.result()
    assert set(seen) == {200}
