"""What the container may do, whose its files are, and what is not in it."""

import json

import pytest

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

# Walks the image's own file system; /proc, /dev and /tmp are others.
STRANGE_FILES = """
import json, os, stat
found = []
device = os.lstat("/").st_dev
for folder, names, files in os.walk("/"):
    names[:] = [n for n in names if os.lstat(os.path.join(folder, n)).st_dev == device]
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        status = os.lstat(path)
        if status.st_dev != device or os.path.islink(path):
            continue
        if status.st_mode & stat.S_ISVTX:
            continue  # the base image's folders for everybody, such as /var/tmp
        ours = path.startswith(("/app", "/venv"))
        readable = os.access(path, os.R_OK)
        if os.access(path, os.W_OK, follow_symlinks=False) or (
            ours and (status.st_uid or status.st_gid or not readable)
        ):
            found.append(path)
print(json.dumps(found))
"""


def test_the_first_process_is_python_without_rights(container):
    lines = container.execute("cat", "/proc/1/status").splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Name"] == "python"
    assert status["Uid"].split() == status["Gid"].split() == ["1000"] * 4
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_files_are_root_s_and_nobody_else_s_to_change(start):
    """With a root that could be written to: the files' own rights must be enough."""
    container = start("--read-only=false")
    assert json.loads(container.execute("python", "-c", STRANGE_FILES)) == []


@pytest.mark.parametrize("which", ["image", "api_image"])
def test_nothing_of_training_and_no_tools_are_there(request, start, which):
    heavy = ["tensorflow", "keras", "jax", "torch", "onnx", "scipy", "pytest", "pip", "training"]
    heavy += ["setuptools"] + ["gradio", "pandas"] * (which == "api_image")
    tools = ["cc", "gcc", "g++", "ld", "make", "curl", "git"]
    code = (
        "from importlib.util import find_spec; from shutil import which;"
        f"print([n for n in {heavy} if find_spec(n)] + [n for n in {tools} if which(n)])"
    )
    container = start(tag=request.getfixturevalue(which))
    assert container.execute("python", "-c", code).strip() == "[]"


def test_all_of_it_is_compiled(container):
    """Without bytecode every start would compile, and a read-only root cannot keep it."""
    code = (
        "import importlib.util as u, pathlib as p;"
        "print([str(s) for f in ('/app', '/venv/lib') for s in p.Path(f).rglob('*.py')"
        " if not p.Path(u.cache_from_source(s)).exists()])"
    )
    assert container.execute("python", "-c", code).strip() == "[]"
