"""What an operator can set, by flag or by environment variable; the flag wins.

The fields of `Settings` are the only table: flags, ``SCANLINE_*`` variables and the text
of ``--help`` are made from them.
"""

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, Self

from serving.predictor import RELEASE

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
LOG_FORMATS = ("text", "json")


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("a value is needed, not an empty text")
    return value.strip()


def _path(value: str) -> Path:
    return Path(_text(value))


def paths(value: str) -> tuple[Path, ...]:
    """Parse a variable that may name several: with ``:`` between them (Windows: ``;``)."""
    return tuple(_path(part) for part in _text(value).split(os.pathsep))


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(value: str) -> int:
        # int() alone would take "1_000" and digits of other scripts.
        number = int(value) if value.isascii() and value.strip().isdecimal() else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"a whole number from {least} to {most} is needed, not {value!r}"
            )
        return number

    return parse


def _switch(value: str) -> bool:
    meanings = {"1": True, "true": True, "yes": True, "on": True}
    meanings |= {"0": False, "false": False, "no": False, "off": False}
    try:
        return meanings[value.strip().lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"1 or 0 is needed, not {value!r}") from None


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.strip().lower() not in words:
            raise argparse.ArgumentTypeError(f"one of {', '.join(words)} is needed, not {value!r}")
        return value.strip().lower()

    return parse


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip().lower() for part in _text(value).split(","))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^\s/?#@]+", origin):
            raise argparse.ArgumentTypeError(
                f"origins such as https://example.org are needed, with commas, not {origin!r}"
            )
    return origins


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[\x21-\x7e]+", key) for key in keys):
        # What is wrong with which stays unsaid: it would stand in a log.
        raise argparse.ArgumentTypeError(
            "a key of visible ASCII characters is needed, or several with commas between them"
        )
    return keys


def _by(parse: Callable[[str], Any], text: str, flag: bool = True) -> dict[str, Any]:
    return {"parse": parse, "help": text, "flag": flag}


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; `parse` reads it from flags and environment."""

    host: str = field(
        default="127.0.0.1",
        metadata=_by(_text, "address to listen on; 0.0.0.0 takes calls from all"),
    )
    port: int = field(
        default=7860, metadata=_by(whole(0, 65535), "port to listen on; 0 takes a free one")
    )
    grpc_port: int = field(
        default=0, metadata=_by(whole(0, 65535), "port for gRPC, without TLS; 0: no gRPC")
    )
    model: tuple[Path, ...] = field(
        default=(RELEASE,),
        metadata=_by(
            paths,
            "a network, an .onnx file, or a folder of them; give it several times for several "
            f"(the variable: {os.pathsep!r} between them), the first answers where none is chosen",
        ),
    )
    ui: bool = field(default=True, metadata=_by(_switch, "offer the page at /, not only the API"))
    max_body_bytes: int = field(
        default=8 * 2**20, metadata=_by(whole(1024, 2**30), "largest request body, in bytes")
    )
    max_pixels: int = field(
        default=25_000_000,
        metadata=_by(whole(28 * 28, 10**9), "most pixels in a picture, known before it is decoded"),
    )
    max_batch: int = field(default=256, metadata=_by(whole(1, 65536), "most images in a request"))
    # Two batches of `serving.batching`: one is computed while the next one gathers. By
    # Little's law nobody then waits longer than 64 / 4,000 a second = 16 ms for a core.
    max_concurrency: int = field(
        default=64,
        metadata=_by(
            whole(1, 65536), "most POST requests inside at a time; others are told 503 at once"
        ),
    )
    max_heavy: int = field(
        default=16,
        metadata=_by(
            whole(1, 65536),
            "of them, most that bring pictures or more than 64 kB, which wait for threads",
        ),
    )
    body_seconds: int = field(
        default=30, metadata=_by(whole(1, 3600), "longest time for a request's body to arrive")
    )
    shutdown_delay: int = field(
        default=0,
        metadata=_by(
            whole(0, 3600),
            "seconds after SIGTERM in which the server is not ready, but takes all requests, so "
            "that a load balancer notices",
        ),
    )
    drain_seconds: int = field(
        default=10, metadata=_by(whole(1, 3600), "longest time after that for requests in flight")
    )
    workers: int = field(default=1, metadata=_by(whole(1, 256), "processes; several need --no-ui"))
    api_key: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=_by(
            _keys,
            "the key that all but health checks must bring, or several with commas, so that one "
            "can be replaced",
            flag=False,  # a command line can be read by everyone on the machine
        ),
    )
    cors_origins: tuple[str, ...] = field(
        default=(),
        metadata=_by(
            _origins, "other sites whose pages may call, as https://example.org,https://..., or *"
        ),
    )
    log_level: str = field(
        default="warning", metadata=_by(_one_of(LOG_LEVELS), f"one of {', '.join(LOG_LEVELS)}")
    )
    log_format: str = field(
        default="text",
        metadata=_by(_one_of(LOG_FORMATS), "text for people, or json: an object on each line"),
    )

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
        values = {}
        for setting in fields(cls):
            variable = variable_of(setting.name)
            if variable in environ:
                try:
                    values[setting.name] = setting.metadata["parse"](environ[variable])
                except argparse.ArgumentTypeError as error:
                    parser.error(f"{variable}: {error}")
        settings = cls(**{**values, **flags})
        if settings.workers > 1 and settings.ui:
            parser.error(
                "--workers: the page needs all its visitors in one process: give --no-ui, or one "
                "worker"
            )
        return settings


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`."""
    return f"SCANLINE_{name.upper()}"


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the command line in one line, and ends with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists all settings)\n")


# How a flag is read, where that is not with the parser of the variable.
_KINDS: dict[Callable[[str], Any], dict[str, Any]] = {
    _switch: {"action": argparse.BooleanOptionalAction},
    paths: {"action": "append", "type": _path, "metavar": "PATH"},
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
