"""The page's files in few requests: index.html, a style sheet, a script, and a script for later.

Over a slow link sixty modules in a chain take ten seconds. No well-kept bundler comes as a Python
package, so modules become functions here, by the few forms of `import` and `export` that they have.
Names of the files hold a hash of their content, so browsers keep them for good. The modules
themselves stay at their own addresses, too.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

PATH = "live/bundle/"  # of the files, from the page
_MAIN = "core/main.js"
_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "(\.[^"]+)";$', re.M)
_LATER = re.compile(r'\bimport\((["`])(\.[^"`]+)\1\)')
_NAMED = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.M)
_DEFAULT = re.compile(r"^export default ", re.M)
_LISTED = re.compile(r'^export \{([^}]*)\}(?: from "(\.[^"]+)")?;$', re.M)
_STYLES = re.compile(r' *<link rel="stylesheet" href="live/([^"]+)" />\n')
_SCRIPT = re.compile(r'<script type="module" src="live/[^"]+"></script>')
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_FOR_GOOD = "public, max-age=31536000, immutable"

# What is not in the first script is fetched when it is first wanted.
_LOADER = """\
const factories = (globalThis.scanlineModules ??= {});
const made = {};
const need = (name) => (made[name] ??= factories[name](need, later));
const later = async (name) => {
  if (!(name in factories)) await import(MORE);
  return need(name);
};
"""


class Bundle:
    """The files of a folder, put together once.

    Args:
        static: the folder, with ``index.html``, whose style sheets and script are replaced.

    Raises:
        ValueError: a module imports or exports in a form that is not understood.
    """

    def __init__(self, static: Path):
        self._files: dict[str, tuple[bytes, bytes]] = {}  # name → content, and the same by gzip
        modules = {
            path.relative_to(static).as_posix(): path.read_text("utf-8")
            for path in sorted(static.rglob("*.js"))
        }
        first = _needed(modules, _MAIN)
        more = self._add("more.js", _factories(modules, set(modules) - first))
        main = _LOADER.replace("MORE", f'"./{more}"') + _factories(modules, first - {_MAIN})
        main += _rewritten(modules[_MAIN], _MAIN)[0]
        index = (static / "index.html").read_text("utf-8")
        styles = [static / name for name in _STYLES.findall(index)]
        sheet = self._add("page.css", "".join(style.read_text("utf-8") for style in styles))
        script = f'<script type="module" src="{PATH}{self._add("page.js", main)}"></script>'
        head = f'<link rel="stylesheet" href="{PATH}{sheet}" />\n    {script}'
        self._index = self._add("index.html", _SCRIPT.sub(head, _STYLES.sub("", index)))

    def page(self, request: Request) -> Response:
        """index.html; browsers ask each time whether it is still the same."""
        return self._answer(self._index, request, "no-cache")

    def file(self, name: str, request: Request) -> Response:
        """A file of the page by its name in it; of another version's, this version's.

        While a new version is rolled out, page and file may come from different servers.
        """
        if name in self._files:
            return self._answer(name, request, _FOR_GOOD)
        stem, ending = name.partition("-")[0], PurePosixPath(name).suffix
        for known in self._files:
            if known.startswith(f"{stem}-") and known.endswith(ending):
                return self._answer(known, request, "no-cache")
        return Response("no such file of the page", 404)

    def _add(self, name: str, text: str) -> str:
        content = text.encode()
        path = PurePosixPath(name)
        name = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:16]}{path.suffix}"
        self._files[name] = content, gzip.compress(content, mtime=0)
        return name

    def _answer(self, name: str, request: Request, keep: str) -> Response:
        headers = {"Cache-Control": keep, "ETag": f'"{name}"', "Vary": "Accept-Encoding"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content, packed = self._files[name]
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = packed
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=_TYPES[PurePosixPath(name).suffix])


def _needed(modules: Mapping[str, str], name: str) -> set[str]:
    """A module and those that it imports at its start, and they."""
    found, new = set(), {name}
    while new:
        found |= new
        imports = (_from(each, path) for each in new for *_, path in _IMPORT.findall(modules[each]))
        new = set(imports) - found
    return found


def _from(name: str, path: str) -> str:
    """What a module's relative path leads to."""
    parts = [*PurePosixPath(name).parent.parts]
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _factories(modules: Mapping[str, str], names: set[str]) -> str:
    """Functions of `need` and `later` that give what a module exports."""
    texts = []
    for name in sorted(names):
        body, exports = _rewritten(modules[name], name)
        texts.append(
            f'globalThis.scanlineModules["{name}"] = (need, later) => {{\n{body}\n'
            f"return {{ {', '.join(exports)} }};\n}};\n"
        )
    return "".join(texts)


def _rewritten(text: str, name: str) -> tuple[str, list[str]]:
    """A module without `import` and `export`, and what it exports."""
    exports: list[str] = _NAMED.findall(text)

    def imported(match: re.Match[str]) -> str:
        names, whole, path = match.groups()
        names = whole or f"{{{names.replace(' as ', ': ')}}}"
        return f'const {names} = need("{_from(name, path)}");'

    def listed(match: re.Match[str]) -> str:
        names = [each.strip() for each in match[1].split(",")]
        if not match[2]:
            exports.extend(names)
            return ""
        source = f'need("{_from(name, match[2])}")'
        exports.extend(f"{each}: {source}.{each}" for each in names)
        return ""

    text = _IMPORT.sub(imported, text)
    text = _LATER.sub(lambda match: f"later({match[1]}{_from(name, match[2])}{match[1]})", text)
    text = _LISTED.sub(listed, text)
    text, count = _DEFAULT.subn("const standard = ", text)
    exports += ["default: standard"] * count
    text = _NAMED.sub("", text)
    if strange := re.search(r'^(import (\W|\w+ from ")|export ).*', text, re.M):
        raise ValueError(f"{name}: {strange[0]!r} is no form that can be bundled")
    return text, exports
