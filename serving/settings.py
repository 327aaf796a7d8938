"""What an operator can set, by flag or by environment variable; the flag wins.

The fields of `Settings` are the only table: flags, ``SCANLINE_*`` variables and the text
of ``--help`` are made from them.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, Self

from model.cards import RELEASE
from serving import values

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
LOG_FORMATS = ("text", "json")


def _by(parse: Callable[[str], Any], text: str, flag: bool = True) -> dict[str, Any]:
    return {"parse": parse, "help": text, "flag": flag}


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; `parse` reads it from flags and environment."""

    host: str = field(
        default="127.0.0.1",
        metadata=_by(values.text, "address to listen on; 0.0.0.0 takes calls from all"),
    )
    port: int = field(
        default=7860, metadata=_by(values.whole(0, 65535), "port to listen on; 0 takes a free one")
    )
    grpc_port: int = field(
        default=0, metadata=_by(values.whole(0, 65535), "port for gRPC, without TLS; 0: no gRPC")
    )
    model: tuple[Path, ...] = field(
        default=(RELEASE,),
        metadata=_by(
            values.paths,
            "a network, an .onnx file, or a folder of them; give it several times for several "
            f"(the variable: {os.pathsep!r} between them), the first answers where none is chosen",
        ),
    )
    ui: bool = field(
        default=True,
        metadata=_by(values.switch, "offer the page at /, not only the API; --no-ui: do not"),
    )
    max_body_bytes: int = field(
        default=8 * 2**20, metadata=_by(values.whole(1024, 2**30), "largest request body, in bytes")
    )
    max_pixels: int = field(
        default=25_000_000,
        metadata=_by(
            # Pillow itself opens no larger ones.
            values.whole(28 * 28, 178_956_970),
            "most pixels in a picture, known before it is decoded",
        ),
    )
    max_batch: int = field(
        default=256, metadata=_by(values.whole(1, 65536), "most images in a request")
    )
    # Two batches of `serving.inference.batcher`: one is computed while the next one gathers. By
    # Little's law nobody then waits longer than 64 / 4,000 a second = 16 ms for a core.
    max_concurrency: int = field(
        default=64,
        metadata=_by(
            values.whole(1, 65536),
            "most POST requests inside at a time; others are told 503 at once",
        ),
    )
    max_heavy: int = field(
        default=16,
        metadata=_by(
            values.whole(1, 65536),
            "of them, most that bring pictures, what is compressed, or more than 64 kB, and wait "
            "for threads",
        ),
    )
    # Each answer takes about 5 ms of a core (measured): even if somebody draws in all of them
    # at once, each page follows the pen within a third of a second.
    max_live: int = field(
        default=64,
        metadata=_by(values.whole(1, 65536), "most live views open at a time; others are told 503"),
    )
    max_connections: int = field(
        default=4096,
        metadata=_by(
            values.whole(1, 65536),
            "most connections of a process, fewer where it may not open so many files; others "
            "are closed at once",
        ),
    )
    body_seconds: int = field(
        default=30,
        metadata=_by(values.whole(1, 3600), "longest time for a request's body to arrive"),
    )
    shutdown_delay: int = field(
        default=0,
        metadata=_by(
            values.whole(0, 3600),
            "seconds after SIGTERM in which the server is not ready, but takes all requests, so "
            "that a load balancer notices",
        ),
    )
    drain_seconds: int = field(
        default=10,
        metadata=_by(values.whole(1, 3600), "longest time after that for requests in flight"),
    )
    root_path: str = field(
        default="",
        metadata=_by(values.text, "path under which a proxy shows the server, as /scanline"),
    )
    workers: int = field(
        default=1, metadata=_by(values.whole(1, 256), "processes; several need --no-ui")
    )
    api_key: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=_by(
            values.keys,
            "the key that all but health checks must bring, or several with commas, so that one "
            "can be replaced",
            flag=False,  # a command line can be read by everyone on the machine
        ),
    )
    cors_origins: tuple[str, ...] = field(
        default=(),
        metadata=_by(
            values.origins,
            "other sites whose pages may call, as https://example.org,https://..., or *",
        ),
    )
    forwarded_allow_ips: str = field(
        default="127.0.0.1",
        metadata=_by(
            values.proxies,
            "addresses of proxies, as 10.0.0.0/8,192.168.1.2, or *: their X-Forwarded-Proto and "
            "X-Forwarded-For are believed",
        ),
    )
    log_level: str = field(
        default="warning",
        metadata=_by(values.one_of(LOG_LEVELS), f"one of {', '.join(LOG_LEVELS)}"),
    )
    log_format: str = field(
        default="text",
        metadata=_by(
            values.one_of(LOG_FORMATS), "text for people, or json: an object on each line"
        ),
    )

    @property
    def key_names(self) -> dict[str, str]:
        return {key: f"key-{n}" for n, key in enumerate(self.api_key, 1)}

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
        flags = {name: _plain(value) for name, value in vars(parser.parse_args(argv)).items()}
        found = {}
        for setting in fields(cls):
            variable = variable_of(setting.name)
            if variable in environ:
                try:
                    found[setting.name] = setting.metadata["parse"](environ[variable])
                except argparse.ArgumentTypeError as error:
                    parser.error(f"{variable}: {error}")
        settings = cls(**{**found, **flags})
        if settings.workers > 1 and settings.ui:
            parser.error(
                "--workers: the page needs all its visitors in one process: give --no-ui, or one "
                "worker"
            )
        if settings.port and settings.port == settings.grpc_port:
            parser.error("--grpc-port: HTTP has this port already: choose another")
        return settings


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names that look like settings and are none: a misspelt key would leave the server open."""
    known = {variable_of(setting.name) for setting in fields(Settings)} | {"SCANLINE_DATA"}
    return sorted(name for name in environ if name.startswith("SCANLINE_") and name not in known)


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`."""
    return f"SCANLINE_{name.upper()}"


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line in one line, and ends with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists all settings)\n")


# How a flag is read, where that is not with the parser of the variable.
_KINDS: dict[Callable[[str], Any], dict[str, Any]] = {
    values.switch: {"action": argparse.BooleanOptionalAction},
    values.paths: {"action": "append", "type": values.path, "metavar": "PATH"},
}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m serving",
        description="Read handwritten digits: a page at /, the Open Inference Protocol at /v2, "
        "POST /classify for image files. Each setting is a flag or a variable; the flag wins.",
        epilog=" ".join(
            f"{variable_of(setting.name)}, a variable only: {setting.metadata['help']}."
            for setting in fields(Settings)
            if not setting.metadata["flag"]
        ),
        allow_abbrev=False,
    )
    for setting in fields(Settings):
        if not setting.metadata["flag"]:
            continue
        parse = setting.metadata["parse"]
        kind = _KINDS.get(parse, {"type": parse})
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            default=argparse.SUPPRESS,  # so that only flags that were given win
            help=f"{setting.metadata['help']} [{variable_of(setting.name)}, "
            f"default: {_shown(setting.default)}]",
            **kind,
        )
    return parser


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _shown(default: Any) -> str:
    if default == ():
        return "none"
    if isinstance(default, tuple):
        return ", ".join(path.relative_to(RELEASE.parent.parent).as_posix() for path in default)
    return str(int(default) if isinstance(default, bool) else default)
