"""Whole runs with 1,000 labels and more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.metrics.at_top import at_top, inverse_propensities
from mlc.train import main
from mlc.training.memory import bytes_of_evaluation
from tests.conftest import Command

K = 1100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rows whose one feature other than 0 says which of 20 pairs of labels they have."""
    draw = np.random.default_rng(0)
    lines = [f"120 20 {K}"]
    for _ in range(120):
        kind = int(draw.integers(20))
        lines.append(f"{kind},{1000 + kind} {kind}:1")
    path = tmp_path / "many.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_runs_through_libsvm_store_their_metrics(
    command: Command, file: Path, tmp_path: Path
) -> None:
    ended = command(
        main, "-m", "data=libsvm", f"data.path={file}", "head=sigmoid,pick_one,ova_n,negative_sampling",
        "backbone.widths=[32]", "optimizer.lr=0.03", "trainer.max_epochs=12", "trainer.batch_size=16",
        "report.figures=false", "report.yardsticks=false", "backbone.dropout=0",
        "decisions=[fixed,global,top_k,per_label,oracle]",
        "hydra.launcher.n_workers=1", "hydra.sweep.dir=s",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    for head in ("sigmoid", "pick_one", "ova_n", "negative_sampling"):
        (folder,) = (tmp_path / "s").rglob(f"{head}/seed=0")
        metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
        # A row's two labels are the highest: the heads have learned.
        assert metrics["test/precision_at_1"] > 0.8, (head, metrics["test/precision_at_1"])
        with np.load(folder / "predictions.npz") as stored, np.load(folder / "split.npz") as split:
            scores, targets = stored["scores"], stored["targets"]
            decided, train = stored["decisions_global"], split["train"]
        assert targets.shape == (36, K)
        label_sets = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines()[1:]]
        known = np.zeros((120, K), dtype=bool)
        for row, labels in enumerate(label_sets):
            known[row, list(map(int, labels.split(",")))] = True
        expected = at_top(scores, targets, inverse_propensities(known[train]))
        for name, value in expected.items():
            assert metrics[f"test/{name}"] == pytest.approx(value)
        union = (decided | targets).sum(axis=1)
        jaccard = ((decided & targets).sum(axis=1) / union).mean()
        assert metrics["test/global/jaccard_samples"] == pytest.approx(jaccard)


def test_a_head_for_few_labels_is_refused_in_one_sentence(command: Command, file: Path) -> None:
    ended = command(main, "data=libsvm", f"data.path={file}", "head=pairwise", "hydra.run.dir=r")
    assert ended.status == 1
    assert "The head 'pairwise' cannot be trained with 1,100 labels" in " ".join(
        (ended.out + ended.error).split()
    )


def test_a_cohort_has_as_many_runs_as_their_scores_fit_into_memory() -> None:
    assert bytes_of_evaluation(6600, 999, 3) == 0
    # Scores in float32 and targets twice, and three rules.
    assert bytes_of_evaluation(6600, 4000, 3) == 6600 * 4000 * 13
