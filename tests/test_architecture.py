"""Imports go one way, and light parts stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mlc

PACKAGE = Path(mlc.__file__).parent

# Each package imports only from those before it; the modules beside them are the commands.
ORDER = "config files metrics layers data heads decisions backbones training evaluation bayes"
PACKAGES = [
    *ORDER.split(),
    "tracking",
    "runs",
    "search",
    "reporting",
    "exporting",
    "launching",
    "comparing",
]


def package_of(name: str) -> int:
    return PACKAGES.index(name) if name in PACKAGES else len(PACKAGES)


def imported(file: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module.split(".")[1] for module in modules if module.startswith("mlc.")}


FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(file: Path) -> None:
    own = "command" if file.name == "__main__.py" else file.relative_to(PACKAGE).parts[0]
    later = {
        name
        for name in imported(file) - {own}
        if package_of(own) < package_of(name) and not name.startswith("__")
    }
    assert not later, f"{file} imports from {later}, which come after mlc.{own}"


def test_the_order_of_packages_names_them_all() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


INNER = {"tune", "by_joint", "by_cardinality", "by_scores", "_decide"}
CALLERS = [file for file in FILES if file.parent.name != "decisions"] + [
    file for name in ("experiments", "benchmarks") for file in (PACKAGE.parent / name).rglob("*.py")
]


def test_only_fit_and_decide_lead_from_a_prediction_to_label_sets() -> None:
    calls = {
        (file.name, node.func.attr)
        for file in CALLERS
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "decide" in {name for _, name in calls}
    assert not {call for call in calls if call[1] in INNER}


def loaded_by(file: Path) -> set[str]:
    """The modules that a file imports when it is imported itself, directly or by others of mlc."""
    names, waiting = set(), [file]
    while waiting:
        for node in ast.parse(waiting.pop().read_text(encoding="utf-8")).body:
            modules = set()
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {str(node.module)}
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}
            for name in modules - names:
                path = PACKAGE.parent / name.replace(".", "/")
                files = path.with_suffix(".py"), path / "__init__.py"
                waiting += [other for other in files if other.exists()]
            names |= modules
    return names


@pytest.mark.parametrize("command", sorted(PACKAGE.glob("*.py")), ids=lambda file: file.stem)
def test_tensorboard_is_not_imported_before_it_is_needed(command: Path) -> None:
    assert not {name for name in loaded_by(command) if name.startswith("tensorboard")}


def test_a_report_of_stored_runs_leaves_heavy_libraries_out() -> None:
    """Hydra and scipy's sparse matrices took a third of the time of a small report."""
    heavy = ("torch", "hydra", "omegaconf", "scipy.sparse", "sklearn", "iterstrat")
    for name in ("reporting/page.py", "reporting/summary.py", "runs/folder.py", "data/card.py"):
        assert not {module for module in loaded_by(PACKAGE / name) if module.startswith(heavy)}, (
            name
        )


def test_a_report_without_a_page_loads_no_library_that_only_others_need() -> None:
    """Each took a few hundredths of the time of a report of two runs."""
    heavy = ("jinja2", "mlc.reporting.page", "yaml", "psutil", "importlib.metadata")
    for name in ("reporting/summary.py", "report.py"):
        modules = loaded_by(PACKAGE / name)
        assert not {module for module in modules if module.startswith(heavy)}, name


def test_importing_the_curves_leaves_tensorboard_out() -> None:
    assert any(
        name.startswith("tensorboard.") for name in loaded_by(PACKAGE / "tracking/events.py")
    )
    code = "import mlc.curves, sys; sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_files_that_the_architecture_names_exist() -> None:
    root = PACKAGE.parent
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:mlc|tests|hydra_plugins)/[\w/.]+)`", text))
    assert len(named) > 40
    assert not {name for name in named if not (root / name).exists()}


def test_the_files_of_each_step_have_the_names_that_the_architecture_gives() -> None:
    root = PACKAGE.parent
    steps = re.findall(r"^\| (.*) \| (`.*`) \|$", (root / "docs/architecture.md").read_text(), re.M)
    assert len(steps) > 20
    for step, cell in steps:
        files = [root / name for name in re.findall(r"`([\w/.]+\.py)`", cell)]
        code = "\n".join(file.read_text(encoding="utf-8") for file in files)
        names = re.findall(r"\(`(\w+)`\)|`(?:\w+\.)?(\w+)`, which", step)
        for name in (first or second for first, second in names):
            assert re.search(rf"^ *(def|class) {name}\b", code, re.M), (step, name)
