"""What the linters do not see: sizes, names, layers."""

import ast
import operator
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / "operator" / "quartermaster",
    ROOT / "operator" / "kubectl_qm",
    ROOT / "trainer_image" / "qm_trainer",
]
FILES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES})
MAX_LINES = 400
MAX_MODULES = 12
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools"}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 60


@pytest.mark.parametrize("path", FILES, ids=short)
def test_a_file_is_short_and_named_after_what_is_in_it(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert path.stem not in VAGUE
    assert path.parent.name not in VAGUE
    assert ast.get_docstring(ast.parse(text)), "a module says what it is for"


@pytest.mark.parametrize("folder", FOLDERS, ids=short)
def test_a_folder_can_be_looked_over(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, modules


def test_the_operators_folder_does_not_shadow_the_standard_module() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert operator.itemgetter(0)("ab") == "a"
    assert not str(operator.__file__).startswith(str(ROOT))


@pytest.mark.parametrize("path", FILES, ids=short)
def test_time_comes_as_an_argument(path: Path) -> None:
    """`datetime.now` and `time.time` are for the clock's adapter and the trainer's own shell."""
    allowed = {"clock.py"}
    if path.name in allowed or PACKAGES[0] not in path.parents:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            assert called not in ("datetime.now", "datetime.utcnow", "time.time"), path


def test_layers_point_downwards() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [command], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": "operator", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
