"""What an operator can set, by flag or by environment variable; the flag wins.

The fields of `Settings` are the only table: flags, ``SCANLINE_*`` variables, their limits and
the text of ``--help`` are made from them.
"""

import argparse
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from model import __version__
from model.cards import RELEASE

# Settings that are gone → what takes their place.
GONE = {
    "shutdown_delay": "let the load balancer notice first, by `preStop: sleep` in Kubernetes",
}


class Key(str):
    """An API key; `name` stands for it in the log."""

    name = ""


def paths(value: str | Sequence[str | Path]) -> tuple[Path, ...]:
    """Files and folders; a text may name several with ``:`` between them (Windows: ``;``).

    Raises:
        ValueError: an empty name.
    """
    names = value.split(os.pathsep) if isinstance(value, str) else value
    if not all(str(name).strip() for name in names):
        raise ValueError("a file or folder is needed")
    return tuple(Path(str(name).strip()) for name in names)


def _parts(value: str | Sequence[str]) -> list[str]:
    """What stands between commas, in a variable, and in a flag that may be given twice."""
    texts = [value] if isinstance(value, str) else value
    return [part.strip() for text in texts for part in text.split(",")]


def _host(value: str) -> str:
    if not value.strip():
        raise ValueError("an address is needed")
    return value.strip()


def _root_path(value: str) -> str:
    parts = value.strip().strip("/").split("/")
    if not all(re.fullmatch(r"[\w.~@+-]+", part, re.ASCII) and part.strip(".") for part in parts):
        raise ValueError("a path such as /scanline is needed, of letters, digits and -._~@+")
    return "/" + "/".join(parts)


# A key without a name that ends in "=" is this; "ci=$KEY" without that variable must not be.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}==|[A-Za-z0-9+/_-]{33,}=")


def _keys(entries: Sequence[str]) -> tuple[Key, ...]:
    keys = []
    unnamed = count(1)
    for entry in entries:
        named = re.fullmatch(r"([A-Za-z0-9_-]{1,32})=(.*[^=].*)", entry)
        if not named and entry.endswith("=") and not _BASE64.fullmatch(entry):
            raise ValueError(
                "a key is needed after NAME=; one that itself ends in = needs a name: NAME=KEY"
            )
        key = Key(named[2] if named else entry)
        key.name = named[1] if named else f"key-{next(unnamed)}"
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            # What is wrong with which stays unsaid: it would stand in a log.
            raise ValueError(
                "a key of visible ASCII characters is needed, or NAME=KEY, or several of them "
                "with commas between"
            )
        keys.append(key)
    if not len({key.name for key in keys}) == len(set(keys)) == len(keys):
        raise ValueError("each key and each name is needed once: one stands there twice")
    return tuple(keys)


def _origins(found: Sequence[str]) -> tuple[str, ...]:
    for origin in found:
        if origin != "*" and not re.fullmatch(r"https?://[^\s/?#@]+", origin.lower()):
            raise ValueError("origins such as https://example.org are needed, with commas")
    return tuple(origin.lower() for origin in found)


def _proxies(value: str) -> str:
    found = _parts(value)
    for address in found if found != ["*"] else ():
        try:
            ipaddress.ip_network(address)
        except ValueError as error:
            raise ValueError("addresses such as 10.0.0.0/8,192.168.1.2 are needed, or *") from error
    return ",".join(found)


def _word(value: str) -> str:
    return value.strip().lower()


def _whole(default: int, least: int, most: int, text: str) -> Any:
    return Field(default=default, ge=least, le=most, description=text)


class Settings(BaseSettings):
    """Everything that can be set; `parse` reads it from flags and environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
    )

    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1", description="address to listen on; 0.0.0.0 takes calls from all"
    )
    port: int = _whole(7860, 0, 65535, "port to listen on; 0 takes a free one")
    grpc_port: int = _whole(0, 0, 65535, "port for gRPC, without TLS; 0: no gRPC")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        default="", description="path under which a reverse proxy shows the server, as /scanline"
    )
    model: Annotated[tuple[Path, ...], BeforeValidator(paths)] = Field(
        default=(RELEASE,),
        description="a network, an .onnx file, or a folder of them; give it several times for "
        f"several (the variable: {os.pathsep!r} between them), the first answers where none is "
        "chosen",
    )
    ui: bool = Field(
        default=True, description="offer the page at /, not only the API; --no-ui: do not"
    )
    max_body_bytes: int = _whole(8 * 2**20, 1024, 2**30, "largest request body, in bytes")
    max_pixels: int = _whole(
        25_000_000,
        28 * 28,
        178_956_970,  # Pillow itself opens no larger ones
        "most pixels in a picture, known before it is decoded",
    )
    max_batch: int = _whole(256, 1, 65536, "most images in a request")
    # Two batches of `serving.inference.batcher`: one is computed while the next one gathers. By
    # Little's law nobody then waits longer than 64 / 4,000 a second = 16 ms for a core.
    max_concurrency: int = _whole(
        64, 1, 65536, "most concurrent POST requests; further ones are answered by 503 at once"
    )
    max_heavy: int = _whole(
        16,
        1,
        65536,
        "most of them that have pictures, compressed bodies, or more than 64 kB",
    )
    # Each answer takes about 5 ms of a core (measured): even if somebody draws in all of them
    # at once, each page follows the pen within a third of a second.
    max_live: int = _whole(
        64, 1, 65536, "most live views open at a time; further ones are closed with the code 1013"
    )
    max_connections: int = _whole(
        4096,
        1,
        65536,
        "connections served at a time in a process; further ones wait in the system's backlog",
    )
    body_seconds: int = _whole(30, 1, 3600, "longest time for a request's body to arrive")
    drain_seconds: int = _whole(10, 1, 3600, "longest time after SIGTERM for requests in flight")
    workers: int = _whole(1, 1, 256, "processes; several need --no-ui")
    # By variable only: a command line can be read by everyone on the machine.
    api_key: Annotated[tuple[str, ...], BeforeValidator(_parts), AfterValidator(_keys)] = Field(
        default=(),
        repr=False,
        description="the key that all but health checks must bring, or several with commas, so "
        "that one can be replaced; as NAME=KEY the log says whose key it was",
    )
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_parts), AfterValidator(_origins)] = (
        Field(
            default=(),
            description="other sites whose pages may call, as https://a.org,https://..., or *",
        )
    )
    forwarded_allow_ips: Annotated[str, AfterValidator(_proxies)] = Field(
        default="127.0.0.1",
        description="addresses of proxies, as 10.0.0.0/8,192.168.1.2, or *: their "
        "X-Forwarded-Proto and X-Forwarded-For are believed",
    )
    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug"], BeforeValidator(_word)
    ] = Field(default="warning", description="one of critical, error, warning, info, debug")
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_word)] = Field(
        default="text", description="text for people, or json: an object on each line"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: `parse` reads the environment, no other caller does."""
        return (init_settings,)

    @property
    def key_names(self) -> dict[str, str]:
        """API keys → their names."""
        return {key: key.name for key in self.api_key}

    @classmethod
    def parse(
        cls, argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
    ) -> Self:
        """Settings from flags and environment.

        Raises:
            SystemExit: after ``--help`` (code 0), or after one line on standard error
                that names the flag or variable in fault (code 2).
        """
        parser = _parser()
        flags = vars(parser.parse_args(argv))
        if "api_key" in flags:
            parser.error("--api-key: all on this machine could read it, set SCANLINE_API_KEY")
        names = [name for name in (*cls.model_fields, *GONE) if variable_of(name) in environ]
        variables = {name: environ[variable_of(name)] for name in names}
        # Compose files and charts set what is not given to an empty text; but a key that is
        # missing must not leave the server open.
        for name in ("cors_origins", "root_path"):
            if not variables.get(name, "").strip():
                variables.pop(name, None)
        given = variables | flags

        def source(name: str) -> str:
            return flag_of(name) if name in flags else variable_of(name)

        for name in GONE.keys() & given:
            del given[name]
            text = f"{parser.prog}: {source(name)} is gone, so without effect: {GONE[name]}"
            print(text, file=sys.stderr)
        try:
            settings = cls(**given)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = str(wrong["loc"][0])
            value = "" if name == "api_key" else f", not {_text(given[name])!r}"
            parser.error(f"{source(name)}: {_needed(name, wrong['msg'])}{value}")
        if settings.workers > 1 and settings.ui:
            parser.error(
                "--workers: the page needs all its visitors in one process: give --no-ui, or one "
                "worker"
            )
        if settings.port and settings.port == settings.grpc_port:
            parser.error("--grpc-port: HTTP has this port already: choose another")
        return settings


def _needed(name: str, message: str) -> str:
    """What `message` of Pydantic says of the setting `name`, in this project's words."""
    field = Settings.model_fields[name]
    if field.annotation is int:
        least, most = field.metadata
        return f"a whole number from {least.ge} to {most.le} is needed"
    if field.annotation is bool:
        return "1 or 0 is needed"
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))} is needed"
    return message.removeprefix("Value error, ")


def _text(given: str | Sequence[str]) -> str:
    return given if isinstance(given, str) else ",".join(given)


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names that look like settings and are none: a misspelt key would leave the server open."""
    known = {variable_of(name) for name in (*Settings.model_fields, *GONE, "data")}
    return sorted(name for name in environ if name.startswith("SCANLINE_") and name not in known)


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`."""
    return f"SCANLINE_{name.upper()}"


def flag_of(name: str) -> str:
    """The flag of the setting `name`."""
    return f"--{name.replace('_', '-')}"


def shown(default: Any) -> str:
    """How ``--help`` and the documentation write a default."""
    if default in ((), ""):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(path.relative_to(RELEASE.parent.parent).as_posix() for path in default)
    return str(int(default) if isinstance(default, bool) else default)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line in one line, and ends with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (--help lists all settings)\n")


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument's type: whole numbers from `least` to `most`."""

    def parse(value: str) -> int:
        # int() alone would take "1_000" and digits of other scripts.
        number = int(value) if value.isascii() and value.strip().isdecimal() else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"a whole number from {least} to {most} is needed, not {value!r}"
            )
        return number

    return parse


def _parser() -> Parser:
    fields = Settings.model_fields
    parser = Parser(
        prog="python -m serving",
        description="Read handwritten digits: a page at /, the Open Inference Protocol at /v2, "
        "POST /classify for image files. Each setting is a flag or a variable; the flag wins.",
        epilog=f"SCANLINE_API_KEY, a variable only: {fields['api_key'].description}.",
        allow_abbrev=False,
    )

    def add(parser: Parser, flag: str, *, dest: str, **how: Any) -> None:
        field = fields[dest]
        text = f"{field.description} [{variable_of(dest)}, default: {shown(field.default)}]"
        text = argparse.SUPPRESS if dest == "api_key" else text
        parser.add_argument(flag, dest=dest, **how | {"metavar": None, "help": text})

    CliSettingsSource(Settings, root_parser=parser, add_argument_method=add)
    parser.add_argument("--version", action="version", version=f"Scanline {__version__}")
    for name in GONE:
        parser.add_argument(flag_of(name), default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser
