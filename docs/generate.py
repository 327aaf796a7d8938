"""Write what the documents say about the code from the code: ``make docs``.

Each part stands between ``<!-- NAME: ... -->`` and ``<!-- end NAME -->``: the settings in
``operate.md``, the import graph and the file map in ``architecture.md``. ``tests/test_docs.py``
fails where one is not current.
"""

import ast
import re
import subprocess
from pathlib import Path

import grimp

from serving.settings import Settings, flag_of, shown, variable_of

ROOT = Path(__file__).parents[1]
PACKAGES = ("model", "training", "serving")
# What the files do not say themselves.
NOTES = {
    "model/release": "the networks that we ship, their cards, and a table of them",
    "serving/page/static": "the page itself, without a build step",
    "serving/page/static/core": "what all parts share: the stream, keys, menus, sentences, colours",
    "serving/page/static/drawing": "the pad, examples, pictures and the camera",
    "serving/page/static/reading": "hidden states, belief and answer, row by row",
    "serving/page/static/explain": "why: gradients, erased rows and strokes, one unit",
    "serving/page/static/core/dom.js": "small helpers for elements, texts and events",
    "serving/page/static/compare": "a second network on the same drawing",
    "serving/page/static/export": "link, poster, numbers, code",
    "tests/support": "what tests share",
    "benchmarks": "one script for each table of `benchmarks/README.md`",
    "benchmarks/serving": "our service beside others, and under overload",
    "deploy": "compose, Kubernetes, KServe, Ray, proxies: `deploy/README.md`",
}
MAPPED = ("model", "training", "serving", "benchmarks", "deploy", "tests/support", "docs")
CODE = (".py", ".js", ".css")


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = sorted(name for name in done.stdout.split("\0") if (ROOT / name).is_file())
    return [Path(name) for name in names]


def settings() -> str:
    """The table of all settings."""
    rows = ["| flag, variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        flag = "(variable only)" if name == "api_key" else f"`{flag_of(name)}`"
        default = shown(field.default)
        rows.append(f"| {flag}, `{variable_of(name)}` | {default} | {field.description} |")
    return "\n".join(rows)


def imports() -> str:
    """The import graph as Mermaid: folders, and the modules beside them by the folders they reach.

    Arrows that follow from others are left out.
    """
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    uses: dict[str, set[str]] = {}
    for module in graph.modules:
        others = map(_room, graph.find_modules_directly_imported_by(module))
        uses.setdefault(_room(module), set()).update(others)
    folders = {room for room in uses if "." in room and graph.find_children(room)}
    reached = {room: _reach(uses, room) for room in uses}

    def group(room: str) -> tuple[str, ...]:
        if room in folders:
            return (room,)
        package = room.partition(".")[0]
        return package, *sorted(r for r in reached[room] & folders if r.startswith(package + "."))

    groups = {room: group(room) for room in uses if room not in PACKAGES}
    arrows: dict[tuple, set[tuple]] = {one: set() for one in groups.values()}
    for room, one in groups.items():
        arrows[one] |= {groups[other] for other in uses[room] if other in groups} - {one}
    far = {one: _reach(arrows, one) for one in arrows}
    names = {one: f"n{number}" for number, one in enumerate(sorted(arrows))}
    lines = ["```mermaid", "flowchart TD"]
    for one, name in names.items():
        modules = ", ".join(
            sorted(room.partition(".")[2] for room in groups if groups[room] == one)
        )
        lines.append(
            f'  {name}["{one[0]}"]' if one[0] in folders else f'  {name}["{one[0]}: {modules}"]'
        )
    for one, name in names.items():
        direct = {o for o in arrows[one] if not any(o in far[via] for via in arrows[one] - {o})}
        lines += [f"  {name} --> {names[other]}" for other in sorted(direct)]
    return "\n".join([*lines, "```"])


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _reach(uses: dict, start) -> set:
    """Everything that `start` imports, directly or not."""
    found: set = set()
    left = [*(uses[start] - {start})]
    while left:
        if (one := left.pop()) not in found:
            found.add(one)
            left += uses.get(one, ())
    return found


def files() -> str:
    """The file map: a folder's purpose, then a line for each of its files."""
    lines = []
    folder = None
    for path in sorted(tracked(*MAPPED), key=lambda path: (path.parent.as_posix(), path.name)):
        if path.suffix not in CODE or path.name == "__init__.py":
            continue
        if path.parent != folder:
            folder = path.parent
            purpose = NOTES.get(folder.as_posix()) or _sentence(ROOT / folder / "__init__.py")
            lines += ["", f"**`{folder.as_posix()}/`**" + (f" – {purpose}" if purpose else ""), ""]
        lines.append(f"- `{path.name}` {NOTES.get(path.as_posix()) or _sentence(ROOT / path)}")
    return "\n".join(lines[1:])


def _sentence(path: Path) -> str:
    """The first sentence of a file's own words about itself."""
    if not path.is_file():
        return ""
    text = path.read_text()
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    elif found := re.match(r"/\*+((?s:.*?))\*/|((?://.*\n)+)", text):
        text = found[1] or found[2].replace("//", "")
    else:
        text = ""
    first = " ".join(text.split("\n\n")[0].split()).replace("``", "`")
    return re.split(r"(?<=[^.][.?!]) (?=[A-Z])", first)[0].rstrip(":.")


PARTS = {
    "docs/operate.md": {"settings": settings},
    "docs/architecture.md": {"imports": imports, "files": files},
}


def generated(path: str) -> str:
    """The document `path` as it should be."""
    text = (ROOT / path).read_text()
    for name, make in PARTS[path].items():
        block = re.compile(rf"(<!-- {name}:[^>]*-->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, count = block.subn(lambda m, make=make: f"{m[1]}\n{make()}\n\n{m[2]}", text)
        if count != 1:
            raise ValueError(f"{path} needs one part {name!r}")
    return text


if __name__ == "__main__":
    for path in PARTS:
        (ROOT / path).write_text(generated(path))
