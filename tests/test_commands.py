"""What the commands load before they work, counted by module, and the help of mlc-train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlc.config.help import help_text
from mlc.config.schema import GROUPS
from mlc.train import main
from tests.conftest import Command

SECONDS = {"torch", "sklearn", "scipy.stats", "pandas", "matplotlib", "tensorboard", "transformers"}
# What torch, pandas and matplotlib load themselves differs by version.
OF_OTHERS = 150


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code."""
    code = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("command", "most"),
    [
        ("mlc.train", 480),
        ("mlc.report", 480),
        ("mlc.compare", 480),
        ("mlc.predict", 150),
        ("mlc.data.__main__", 480),
        ("mlc.curves", 150),
        ("mlc.export", 150),
    ],
)
def test_the_help_of_a_command_loads_little(command: str, most: int) -> None:
    modules = loaded(
        f"from {command} import main\nsys.argv[1:] = ['--help']\ntry:\n    main()\n"
        "except SystemExit:\n    pass"
    )
    assert not modules & SECONDS
    assert len(modules) < most


def test_a_report_loads_pandas_and_matplotlib() -> None:
    code = "import pandas, matplotlib.figure, matplotlib.backends.backend_agg"
    needed = loaded(code)
    modules = loaded(f"{code}\nimport mlc.report, mlc.reporting.page, mlc.reporting.summary")
    assert not modules & {"torch", "sklearn", "scipy", "tensorboard"}
    assert len({name for name in modules - needed if not name.startswith("mlc")}) < 700


def test_a_prediction_loads_torch_and_pandas() -> None:
    needed = loaded("import torch, pandas")
    modules = loaded("import torch, pandas\nimport mlc.predict, mlc.runs.predicting")
    assert not modules & {"sklearn", "scipy.stats", "matplotlib", "tensorboard", "transformers"}
    assert len({name for name in modules - needed if not name.startswith("mlc")}) < 500


def test_the_help_names_every_part() -> None:
    words = set(help_text().replace("=", " ").replace(",", " ").split())
    assert {name for registry in GROUPS.values() for name in registry} <= words
    assert {"emotions", "compare", "which_head"} <= words


def test_the_help_names_the_parts_of_an_imported_module(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_IMPORT", "")
    ended = command(main, "--help", "--import", "of_no_file")
    assert (ended.status, ended.error.count("\n")) == (2, 1)
    assert "of_no_file cannot be found" in ended.error
    monkeypatch.setenv("MLC_IMPORT", "")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_the_help.py").write_text(
        "from mlc.config.registry import HEADS\nHEADS.add('of_the_help', object, __name__)\n"
    )
    heads = GROUPS["head"]
    try:
        assert "of_the_help" in command(main, "--import", "of_the_help", "--help").out
    finally:
        for parts in (heads._parts, heads._elsewhere):
            parts.pop("of_the_help", None)
        sys.modules.pop("of_the_help", None)
