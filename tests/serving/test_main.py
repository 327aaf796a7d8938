"""`python -m serving` as a process: it starts, says where, drains and ends with the right code."""

import re
import signal
import socket
import subprocess

import httpx
import pytest

from tests.conftest import save_tiny_model
from tests.support.running import port_of, serving, url_of


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_answers_and_ends_with_0(tiny_model, number):
    with serving("--model", str(tiny_model)) as process:
        url = url_of(process)
        assert httpx.get(f"{url}/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_request_in_flight_is_answered_after_sigterm(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        port = port_of(process)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
            client.sendall(head + b"te")
            # An answer to someone else shows that the server has taken the first half in.
            assert httpx.get(f"http://127.0.0.1:{port}/v2/health/live").status_code == 200
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            client.sendall(b"xt")
            assert client.recv(1000).startswith(b"HTTP/1.1 415")
        assert process.wait(30) == 0


@pytest.mark.parametrize("model", ["none.onnx", "broken.onnx", "foreign.onnx"])
def test_model_that_cannot_be_used_is_one_line_and_2(tmp_path, model):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    save_tiny_model(tmp_path / "foreign.onnx", probabilities="Identity:0")
    with serving("--model", str(tmp_path / model)) as process:
        assert process.wait(30) == 2
        text = process.stderr.read()
        assert model in text
        assert text.count("\n") == 1


def test_a_keras_file_is_told_to_be_exported(tmp_path):
    (tmp_path / "net.keras").write_bytes(b"PK")
    with serving("--model", str(tmp_path / "net.keras")) as process:
        assert process.wait(30) == 2
        text = process.stderr.read()
        assert "export it first with `python -m model.export`" in text
        assert text.count("\n") == 1


def test_the_log_has_one_line_for_each_request_but_health_checks(tiny_model):
    with serving("--model", str(tiny_model), "--log-level", "info") as process:
        url = url_of(process)
        httpx.get(f"{url}/v2/health/ready")
        httpx.get(f"{url}/v2/models/tiny/ready")
        httpx.get(f"{url}/v2")
        httpx.get(f"{url}/no%0Ahing")
        head = {"content-type": "multipart/form-data; boundary=x"}
        httpx.post(f"{url}/classify", content=b"hello", headers=head)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        lines = [
            line
            for line in process.stderr.read().splitlines()
            if " ms" in line or "oundary" in line
        ]
    assert [re.sub(r"^INFO: +|[\d.]+ ms \[\w+\]$", "", line).strip() for line in lines] == [
        "GET /v2 200",
        "GET /no%0Ahing 404",
        "POST /classify 400",
    ]


def test_a_malformed_form_leaves_no_line_of_the_parser(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        url = url_of(process)
        head = {"content-type": "multipart/form-data; boundary=x"}
        assert httpx.post(f"{url}/classify", content=b"hello", headers=head).status_code == 400
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_without_the_page_the_root_leads_to_the_documentation(tiny_model):
    with serving("--model", str(tiny_model)) as process:
        url = url_of(process)
        assert httpx.get(f"{url}/").headers["location"] == "docs"
        assert httpx.get(f"{url}/", follow_redirects=True).status_code == 200


def test_taken_port_is_one_line_and_2(tiny_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving("--model", str(tiny_model), "--port", str(port)) as process:
            assert process.wait(30) == 2
            text = process.stderr.read()
            assert f"127.0.0.1:{port}" in text
            assert "--port" in text
            assert text.count("\n") == 1
