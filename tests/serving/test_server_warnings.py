"""What a start says that its operator may not have meant."""

import logging

import pytest

from serving import server
from serving.settings import Settings
from tests.support.running import serving


def warned(caplog, **changes) -> list[str]:
    """What the start of a server with such settings would warn of."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "scanline"):
        server._warn(Settings(**changes))
    return caplog.messages


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in server.unknown_variables():
        monkeypatch.delenv(name)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_a_public_address_without_a_key(caplog, host):
    [message] = warned(caplog, host=host)
    assert "SCANLINE_API_KEY" in message
    assert host in message
    assert warned(caplog, host=host, api_key=("secret",)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machines_own_address_needs_no_key(caplog, host):
    assert warned(caplog, host=host) == []


def test_variables_that_are_no_settings_are_named(caplog, monkeypatch):
    monkeypatch.setenv("SCANLINE_API_KEYS", "secret")
    monkeypatch.setenv("SCANLINE_PROT", "80")
    monkeypatch.setenv("SCANLINE_PORT", "7860")
    [message] = warned(caplog)
    assert "SCANLINE_API_KEYS" in message
    assert "SCANLINE_PROT" in message
    assert "SCANLINE_PORT" not in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", ["SCANLINE_API_KEYS"]), ("0.0.0.0", ["SCANLINE_API_KEYS", "SCANLINE_API_KEY:"])],
)
def test_a_real_start_warns(tmp_path, host, expected):
    broken = tmp_path / "broken.onnx"  # so that it ends before it listens
    broken.write_bytes(b"not a network")
    flags = ("--model", str(broken), "--host", host)
    with serving(*flags, SCANLINE_API_KEYS="secret") as process:
        assert process.wait(30) == 2
        *warnings, error = process.stderr.read().splitlines()
    assert len(warnings) == len(expected)
    assert all(what in line for what, line in zip(expected, warnings, strict=True))
    assert "broken.onnx" in error
