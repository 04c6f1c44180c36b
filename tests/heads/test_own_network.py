"""The examples of docs/own_network.md run, and learn."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

EXAMPLES = re.findall(
    r"```python\n(.*?)```", (REPOSITORY / "docs/own_network.md").read_text(), re.DOTALL
)


def test_three_heads_learn_on_a_cnn(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[0], "docs/own_network.md, CNN", "exec"), {"__name__": "example"})
    results = dict(re.findall(r"(\w+): ([\d.]+) of the labels", capsys.readouterr().out))
    assert list(results) == ["sigmoid", "powerset", "pick_one"]
    assert all(float(share) > 0.6 for share in results.values())


def test_three_heads_learn_on_a_text_encoder(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[1], "docs/own_network.md, text", "exec"), {"__name__": "example"})
    results = dict(re.findall(r"(\w+): loss ([\d.]+)", capsys.readouterr().out))
    assert list(results) == ["sigmoid", "label_powerset", "pick_one"]
    # One softmax keeps the entropy of choosing among two labels: half the rows have two.
    assert float(results["sigmoid"]) < 0.1
    assert float(results["label_powerset"]) < 0.1
    assert float(results["pick_one"]) < 0.6


def test_importing_the_heads_imports_little_beside_torch() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import mlc.heads;"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    heavy = {"hydra", "omegaconf", "sklearn", "pandas", "scipy", "matplotlib", "tensorboard"}
    assert not heavy & set(re.findall(r"'(\w+)'", done.stdout))
