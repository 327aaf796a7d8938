"""Flags and environment variables."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from model.predictor import RELEASE
from serving.settings import Settings, _shown, unknown_variables, variable_of
from tests.support.running import ROOT


def test_defaults_serve_this_machine_only():
    settings = Settings.parse([], {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.ui) == ("127.0.0.1", 7860, True)
    assert settings.model == (RELEASE,)


def test_flag_wins_over_environment():
    environ = {"SCANLINE_PORT": "1", "SCANLINE_UI": "0", "SCANLINE_HOST": "0.0.0.0"}
    settings = Settings.parse(["--port", "2", "--ui"], environ)
    assert (settings.host, settings.port, settings.ui) == ("0.0.0.0", 2, True)


@pytest.mark.parametrize(("argv", "environ"), [(["--no-ui"], {}), ([], {"SCANLINE_UI": "off"})])
def test_page_can_be_switched_off(argv, environ):
    assert not Settings.parse(argv, environ).ui


def test_every_setting_comes_from_its_flag_and_its_variable():
    values = {
        "host": ("::1", "::1"),
        "port": ("80", 80),
        "grpc_port": ("81", 81),
        "model": ("a b.onnx", (Path("a b.onnx"),)),
        "max_body_bytes": ("2048", 2048),
        "max_pixels": ("1000", 1000),
        "max_batch": ("7", 7),
        "max_concurrency": ("8", 8),
        "max_heavy": ("3", 3),
        "max_live": ("9", 9),
        "forwarded_allow_ips": ("10.0.0.0/8, ::1", "10.0.0.0/8,::1"),
        "max_connections": ("9", 9),
        "body_seconds": ("5", 5),
        "shutdown_delay": ("6", 6),
        "drain_seconds": ("4", 4),
        "workers": ("1", 1),
        "cors_origins": ("https://a.org, http://b:8", ("https://a.org", "http://b:8")),
        "log_level": ("DEBUG", "debug"),
        "log_format": ("JSON", "json"),
    }
    assert {setting.name for setting in fields(Settings)} == {"ui", "api_key", *values}
    for name, (text, value) in values.items():
        assert getattr(Settings.parse([f"--{name.replace('_', '-')}", text], {}), name) == value
        assert getattr(Settings.parse([], {variable_of(name): text}), name) == value


def test_several_networks_by_flag_and_by_variable():
    expected = (Path("b.onnx"), Path("folder"))
    variable = {"SCANLINE_MODEL": os.pathsep.join(["b.onnx", "folder"])}
    assert Settings.parse([], variable).model == expected
    assert Settings.parse(["--model", "b.onnx", "--model", "folder"], {}).model == expected
    one = f"a{os.pathsep}b.onnx"  # a flag names one file, whatever is in its name
    assert Settings.parse(["--model", one], variable).model == (Path(one),)


@pytest.mark.parametrize(
    ("argv", "environ", "culprit"),
    [
        (["--port", "http"], {}, "--port"),
        (["--port", "65536"], {}, "--port"),
        (["--port", "1_0"], {}, "--port"),
        (["--max-batch", "0"], {}, "--max-batch"),
        (["--max-connections", "0"], {}, "--max-connections"),
        (["--max-pixels", "178956971"], {}, "--max-pixels"),  # Pillow opens fewer
        (["--max-concurrency", "0"], {}, "--max-concurrency"),
        (["--cors-origins", "a.org"], {}, "--cors-origins"),
        (["--workers", "2"], {}, "--workers"),
        (["--max-live", "0"], {}, "--max-live"),
        (["--forwarded-allow-ips", "proxy"], {}, "--forwarded-allow-ips"),
        (["--forwarded-allow-ips", "*,::1"], {}, "--forwarded-allow-ips"),
        (["--api-key", "secret"], {}, "--api-key"),
        ([], {"SCANLINE_API_KEY": ""}, "SCANLINE_API_KEY"),
        (["--log-level", "loud"], {}, "--log-level"),
        (["--log-format", "xml"], {}, "--log-format"),
        (["--host", ""], {}, "--host"),
        (["--model", ""], {}, "--model"),
        (["--speed", "9"], {}, "--speed"),
        ([], {"SCANLINE_PORT": "tcp://10.0.0.1:7860"}, "SCANLINE_PORT"),
        ([], {"SCANLINE_MODEL": f"a.onnx{os.pathsep}"}, "SCANLINE_MODEL"),
        ([], {"SCANLINE_UI": "maybe"}, "SCANLINE_UI"),
        ([], {"SCANLINE_MAX_PIXELS": "-1"}, "SCANLINE_MAX_PIXELS"),
    ],
)
def test_error_is_one_line_that_names_the_culprit(argv, environ, culprit, capsys):
    with pytest.raises(SystemExit) as end:
        Settings.parse(argv, environ)
    assert end.value.code == 2
    text = capsys.readouterr().err
    assert culprit in text
    assert text.count("\n") == 1


def test_help_lists_every_variable_and_default(capsys):
    with pytest.raises(SystemExit) as end:
        Settings.parse(["--help"], {})
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "SCANLINE_MODEL, default: model/release" in text
    assert all(variable_of(setting.name) in text for setting in fields(Settings))


def test_the_readme_lists_every_setting_as_it_is():
    lines = (ROOT / "README.md").read_text().splitlines()
    for setting in fields(Settings):
        name, metadata = setting.name, setting.metadata
        flag = f"`--{name.replace('_', '-')}`" if metadata["flag"] else "(variable only)"
        default = _shown(setting.default)
        assert f"| {flag}, `{variable_of(name)}` | {default} | {metadata['help']} |" in lines


def test_one_port_cannot_have_both_protocols(capsys):
    with pytest.raises(SystemExit):
        Settings.parse(["--port", "8000", "--grpc-port", "8000"], {})
    assert "choose another" in capsys.readouterr().err


def test_misspelt_variables_are_found():
    environ = {"SCANLINE_API_KEYS": "x", "SCANLINE_PORT": "1", "SCANLINE_DATA": "d", "PATH": "p"}
    assert unknown_variables(environ) == ["SCANLINE_API_KEYS"]
