"""Imports go one way, and light parts stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlc

PACKAGE = Path(mlc.__file__).parent

# What stands in a row may import from rows above it, and from its own.
ROWS = [
    {"texts"},
    {"errors", "storage"},
    {"option_types", "ownership", "leases"},
    {"options"},
    {"registry", "rows"},
    {"targets"},
    {"layers", "data", "metrics"},
    {"backbones", "heads"},
    {"decisions"},
    {"training"},
    {"baselines"},
    {"evaluation"},
    {"limits"},
    {"optimum"},
    {"identity"},
    {"tracking"},
    {"stored"},
    {"runs"},
    {"reporting"},
    {"config"},
    {"overrides", "ending"},
    {"assembly"},
    {"prediction"},
    {"keeper"},
    {"grouping", "cohort", "loading"},
    {"keeping"},
    {"resuming", "launch_folders"},
    {"sweep"},
    {"job"},
    {"launching"},
    {"estimator", "train", "report", "predict", "curves"},
]
ROW_OF = {part: row for row, parts in enumerate(ROWS) for part in parts}


def part_of(file: Path) -> str:
    if file.name == "__main__.py":
        return "train"  # a command
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(file: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(file.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "mlc":
            modules = [f"mlc.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        parts |= {module.split(".")[1] for module in modules if module.startswith("mlc.")}
    return parts


FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(file: Path) -> None:
    own = part_of(file)
    for part in imported_parts(file) - {own}:
        if part not in ROW_OF:
            continue  # a name of the package itself, such as its version
        assert ROW_OF[part] < ROW_OF[own] or (part, own) == ("layers", "backbones"), (
            f"{file} imports mlc.{part}, which does not stand left of mlc.{own}"
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300


def test_heads_can_be_used_without_hydra_and_scikit_learn() -> None:
    code = "import sys, mlc.heads; print(*{'hydra', 'sklearn', 'pandas'} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == ""
