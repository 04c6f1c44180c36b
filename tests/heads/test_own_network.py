"""The examples of docs/own_network.md run, and learn; its backbone trains, resumes and predicts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backbones.base import BACKBONES
from mlc.data.base import SOURCES
from tests.conftest import REPOSITORY, Command
from tests.registered import forget

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


def test_a_backbone_trains_resumes_and_predicts(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example: dict[str, Any] = {"__name__": "my_backbone"}
    exec(compile(EXAMPLES[2], "docs/own_network.md, backbone", "exec"), example)
    try:
        small = ("data=digits", "data.n_train=300", "data.n_test=40", "data.canvas=[8,8]",
                 "data.digits_per_image=[0,1]")  # fmt: skip
        many = ("backbone=strokes", "trainer.max_epochs=6", "trainer.batch_size=16", "device=cpu",
                "optimizer.lr=0.02", "hydra.run.dir=run")  # fmt: skip
        for _ in ("trained", "kept"):
            ended = command(example["main"], *small, *many, "resume=true")
            assert ended.status == 0, ended.error
        assert "run was finished before" in ended.error
        images = SOURCES["digits"].load(
            SOURCES.options(
                "digits", n_train=300, n_test=40, canvas=[8, 8], digits_per_image=[0.0, 1.0]
            )
        )
        shown = images.features[-40:].reshape(-1, *images.sample_shape)
        label_sets = mlc.load(tmp_path / "run").predict(shown)
        monkeypatch.setitem(sys.modules, "my_backbone", ModuleType("my_backbone"))
        stored_path = re.search(r"\"multirun/.*?\"", EXAMPLES[3])
        assert stored_path is not None
        loaded = {"images": shown}
        exec(EXAMPLES[3].replace(stored_path[0], "'run'"), loaded)
        np.testing.assert_array_equal(loaded["label_sets"], label_sets)
    finally:
        forget(BACKBONES, "strokes")
    with np.load(tmp_path / "run" / "predictions.npz") as stored:
        np.testing.assert_array_equal(label_sets, stored["decisions_global"])
    right = images.targets[-40:]
    jaccard = (label_sets & right).sum(axis=1) / (label_sets | right).sum(axis=1)
    # By chance it is 0.1: each image shows one of ten digits.
    assert jaccard.mean() > 0.4


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
