"""Flags and environment variables."""

import os
from pathlib import Path

import pytest

from model import __version__
from model.predictor import RELEASE
from serving.settings import Settings, flag_of, shown, unknown_variables, variable_of
from tests.support.running import ROOT


def failure(argv, environ, capsys):
    """The only line that is said at the end."""
    with pytest.raises(SystemExit) as end:
        Settings.parse(argv, environ)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_defaults_serve_this_machine_only():
    settings = Settings.parse([], {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.ui) == ("127.0.0.1", 7860, True)
    assert settings.model == (RELEASE,)


def test_only_parse_reads_the_environment(monkeypatch):
    monkeypatch.setenv("SCANLINE_PORT", "1")
    assert (Settings().port, Settings.parse([]).port) == (7860, 1)


def test_every_setting_comes_from_its_flag_and_its_variable():
    values = {
        "host": (" ::1", "::1"),
        "root_path": ("a/b-1/", "/a/b-1"),
        "model": ("a b,c.onnx", (Path("a b,c.onnx"),)),
        "forwarded_allow_ips": ("10.0.0.0/8, ::1", "10.0.0.0/8,::1"),
        "cors_origins": ("https://A.org, http://b:8", ("https://a.org", "http://b:8")),
        "log_level": ("DEBUG", "debug"),
        "log_format": ("JSON", "json"),
        "workers": ("1", 1),
    }
    for name in Settings.model_fields:
        if name not in ("ui", "api_key"):
            text, value = values.get(name, ("2048", 2048))
            assert getattr(Settings.parse([flag_of(name), text], {}), name) == value
            assert getattr(Settings.parse([], {variable_of(name): text}), name) == value
    assert not Settings.parse(["--no-ui"], {}).ui
    assert not Settings.parse([], {"SCANLINE_UI": "off"}).ui


def test_flag_wins_over_environment():
    environ = {"SCANLINE_PORT": "1", "SCANLINE_UI": "0", "SCANLINE_HOST": "0.0.0.0"}
    settings = Settings.parse(["--port", "2", "--ui"], environ)
    assert (settings.host, settings.port, settings.ui) == ("0.0.0.0", 2, True)


def test_an_empty_variable_is_none_but_for_a_key(capsys):
    empty = {"SCANLINE_CORS_ORIGINS": "", "SCANLINE_ROOT_PATH": " "}
    assert Settings.parse([], empty) == Settings()
    assert "SCANLINE_API_KEY" in failure([], {"SCANLINE_API_KEY": ""}, capsys)


def test_several_networks_by_flag_and_by_variable():
    expected = (Path("b.onnx"), Path("folder"))
    variable = {"SCANLINE_MODEL": os.pathsep.join(["b.onnx", "folder"])}
    assert Settings.parse([], variable).model == expected
    assert Settings.parse(["--model", "b.onnx", "--model", "folder"], {}).model == expected
    one = f"a{os.pathsep}b.onnx"  # a flag names one file, whatever is in its name
    assert Settings.parse(["--model", one], variable).model == (Path(one),)


def test_a_wrong_value_is_told_in_one_line_that_names_the_culprit(capsys):
    flags = {
        "--port": ["http", "65536", "1.5"],
        "--max-batch": ["0", "-1"],
        "--max-pixels": ["178956971"],  # Pillow opens fewer
        "--root-path": ["", "/", "a//b", "/a/../b", "/a?b", "/a#b", "/a b", "https://a.org"],
        "--cors-origins": ["a.org", "https://a.org/path", "https://a.org,"],
        "--workers": ["2"],  # the page needs one
        "--forwarded-allow-ips": ["proxy", "*,::1"],
        "--log-level": ["loud\nly"],
        "--host": [""],
        "--model": [""],
        "--speed": ["9"],
    }
    for flag, values in flags.items():
        for value in values:
            assert flag in failure([flag, value], {}, capsys)
    variables = {
        "SCANLINE_PORT": "tcp://10.0.0.1:7860",
        "SCANLINE_MODEL": f"a.onnx{os.pathsep}",
        "SCANLINE_UI": "maybe",
    }
    for name, value in variables.items():
        assert name in failure([], {name: value}, capsys)
    assert "--grpc-port" in failure(["--port", "8000", "--grpc-port", "8000"], {}, capsys)


def test_a_wrong_value_is_told_in_plain_words(capsys):
    for flag, value, words in (
        ("--port", "abc", "a whole number from 0 to 65535 is needed"),
        ("--max-batch", "0", "a whole number from 1 to 65536 is needed"),
        ("--log-level", "loud", "one of critical, error, warning, info, debug is needed"),
        ("--cors-origins", "foo", "origins such as https://example.org are needed, with commas"),
        ("--forwarded-allow-ips", "foo", "10.0.0.0/8,192.168.1.2 are needed, or *"),
    ):
        assert f"{flag}: " in (line := failure([flag, value], {}, capsys))
        assert f"{words}, not {value!r} (" in line
    assert "SCANLINE_UI: 1 or 0 is needed, not 'x'" in failure([], {"SCANLINE_UI": "x"}, capsys)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        Settings.parse(["--version"], {})
    assert (end.value.code, capsys.readouterr().out) == (0, f"Scanline {__version__}\n")


def test_keys_have_names_and_stay_unsaid(capsys):
    second = "c2Vjb25kIHNlY29uZA=="  # Base64
    given = f"ci=first,{second},a/b=c,page-2=d=="
    settings = Settings.parse([], {"SCANLINE_API_KEY": given})
    assert settings.api_key == ("first", second, "a/b=c", "d==")
    assert [*settings.key_names.values()] == ["ci", "key-1", "key-2", "page-2"]
    assert "first" not in repr(settings)
    for wrong in ("secret one", "secret,", "secret,näme=secret", "ci=secret one"):
        assert "secret" not in failure([], {"SCANLINE_API_KEY": wrong}, capsys)
    for empty in ("ci=", "ci=,secret", "secret,ci= ", "ci==", "a.b/c=", "x" * 32 + "="):
        line = failure([], {"SCANLINE_API_KEY": empty}, capsys)
        assert "NAME=" in line
        assert "secret" not in line
    for twice in ("a=secret,a=other", "a=secret,b=secret", "secret,key-1=other"):
        line = failure([], {"SCANLINE_API_KEY": twice}, capsys)
        assert "twice" in line
        assert "secret" not in line
    assert "secret" not in failure(["--api-key", "secret"], {}, capsys)


def test_a_setting_that_is_gone_is_told_and_changes_nothing(capsys):
    for argv, environ in ((["--shutdown-delay", "5"], {}), ([], {"SCANLINE_SHUTDOWN_DELAY": "5"})):
        assert Settings.parse(argv, environ) == Settings()
        (line,) = capsys.readouterr().err.splitlines()
        assert (*argv, *environ)[0] in line
        assert "preStop" in line


def test_help_and_documentation_list_every_setting_as_it_is(capsys):
    with pytest.raises(SystemExit) as end:
        Settings.parse(["--help"], {})
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    for name, field in Settings.model_fields.items():
        flag, variable, default = flag_of(name), variable_of(name), shown(field.default)
        if name == "api_key":
            assert variable in text
            flag = "(variable only)"
        else:
            assert f"{variable}, default: {default}" in text
            flag = f"`{flag}`"
        assert f"| {flag}, `{variable}` | {default} | {field.description} |" in lines


def test_misspelt_variables_are_found():
    environ = {"SCANLINE_API_KEYS": "x", "SCANLINE_PORT": "1", "SCANLINE_DATA": "d", "PATH": "p"}
    assert unknown_variables(environ) == ["SCANLINE_API_KEYS"]
