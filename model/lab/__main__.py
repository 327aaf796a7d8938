"""Compute one exercise of the sheet and print its numbers as JSON:

python -m model.lab paths --W 0.9 --U 0.8 --V 1.2 --h0 0.5 --x 0.5,-1
python -m model.lab clipping --c 1 --drawing IMAGE
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from model.cards import RELEASE
from model.lab.drawing import Drawing
from model.lab.panels import ON_DRAWING, PANELS, answer, parameters
from model.lab.parameters import Whole
from model.reference import read_image
from model.weights import Network, load_arrays

WHAT = {float: "NUMBER", int: "COUNT", tuple[float, ...]: "NUMBER,NUMBER"}
WHAT |= {Whole: "NUMBER", Whole | None: "NUMBER"}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m model.lab", description=__doc__.split(":")[0])
    panels = parser.add_subparsers(dest="panel", required=True, metavar="PANEL")
    for panel, function in PANELS.items():
        summary = (function.__doc__ or "").partition("\n")[0]
        command = panels.add_parser(
            panel, help=summary, description=summary, allow_abbrev=False, argument_default=None
        )
        _add_options(command, function)
        if panel in ON_DRAWING:
            options = command.add_argument_group(
                "on a drawing, with the networks of model/release, instead of the others"
            )
            options.add_argument("--drawing", type=Path, metavar="IMAGE", help="an image file")
            _add_options(options, ON_DRAWING[panel], known=parameters(function))
    return parser


def _add_options(command, function: Callable, known=()) -> None:
    for name, of in parameters(function).items():
        option = f"--{name.replace('_', '-')}"
        if name in known:
            continue
        if of.annotation is bool:
            command.add_argument(option, dest=name, action="store_const", const="1")
        else:
            what = WHAT.get(of.annotation, "NUMBER,NUMBER;NUMBER")
            command.add_argument(option, dest=name, metavar=what, help=f"({_text(of.default)})")


def _text(default: object) -> str:
    """A default as it would be written."""
    if default is None:
        return "as elman answers"
    if isinstance(default, tuple):
        nested = any(isinstance(part, tuple) for part in default)
        return (";" if nested else ",").join(map(_text, default)) or "none"
    return f"{default:g}"


def joined(argv: list[str]) -> list[str]:
    """``--x -1,0.5`` as ``--x=-1,0.5``, as argparse takes what begins with - for an option."""
    found = []
    for word in argv:
        signed = word[:1] == "-" and word[1:2] in set("0123456789.in")
        if signed and found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def trained(name: str) -> Network:
    return load_arrays(RELEASE / f"{name}.npz")


def main(argv: list[str]) -> int:
    given = vars(build_parser().parse_args(joined(argv)))
    panel, image = given.pop("panel"), given.pop("drawing", None)
    try:
        drawing = image and Drawing(read_image(image), trained)
        texts = {name: text for name, text in given.items() if text is not None}
        print(answer(panel, texts, drawing))
    except (ValueError, OSError) as error:
        print(f"python -m model.lab {panel}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
    sys.exit(main(sys.argv[1:]))
