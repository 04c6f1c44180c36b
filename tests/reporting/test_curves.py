"""Which run a head's figures are of, and what a finished sweep's folder is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlc.files.names import EVENTS, PREDICTIONS, PREPROCESSING
from mlc.reporting.curves import Curves, complete_curves, representative
from mlc.tracking.events import EventFile
from mlc.tracking.view import ViewedRun
from tests.reporting.test_tables import write_run
from tests.tracking.test_events import read


def runs(monitor: str, **values: list[float]) -> dict[str, list[ViewedRun]]:
    return {
        name: [
            ViewedRun(
                Path(name), "night", "yeast", "chain", seed, monitor=monitor, chosen=1, value=value
            )
            for seed, value in enumerate(own)
        ]
        for name, own in values.items()
    }


@pytest.mark.parametrize(
    ("monitor", "name", "seed"),
    [("f1_macro", "b", 1), ("loss", "a", 2), ("hamming_loss", "a", 2)],
)
def test_the_figures_are_of_the_best_settings_middle_seed(
    monitor: str, name: str, seed: int
) -> None:
    best, run = representative(runs(monitor, a=[0.1, 0.9, 0.2], b=[0.9, 0.4, 0.3]))
    assert (best, run.seed) == (name, seed)


def test_values_of_different_metrics_are_not_compared() -> None:
    settings = runs("f1_macro", a=[0.1]) | runs("loss", b=[0.9])
    assert representative(settings)[0] == "a"


def finished_run(folder: Path, name: str, index: int) -> Path:
    write_run(folder, name)
    run = folder / name
    report = {"metrics": ["jaccard_samples"]}
    more = {
        "index": index,
        "config": {"trainer": {"followed": []}, "decisions": ["global"], "report": report},
    }
    for file, extra in (
        ("status.json", more),
        ("metrics.json", {"train/best_epoch": 4, "train/best_value": 0.5}),
    ):
        content = json.loads((run / file).read_text())
        (run / file).write_text(json.dumps(content | extra))
    EventFile(run / f"{EVENTS}.17.host").close()
    decisions = np.eye(4, 2) > 0
    np.savez(
        run / PREDICTIONS, scores=decisions * 0.5, targets=decisions, decisions_global=decisions
    )
    np.savez(run / PREPROCESSING, label_names=np.array(["a", "b"]))
    return run


def test_a_sweep_completed_twice_has_one_figure_for_each_head(tmp_path: Path) -> None:
    first = finished_run(tmp_path, "yeast/sigmoid/seed=1", 0)
    assert "pinnedCards" in complete_curves(tmp_path, figures=True)
    assert len(read(first).Tags()["images"]) == 4
    other = finished_run(tmp_path, "yeast/chain/seed=1", 1)
    finished_run(tmp_path, "yeast/chain/seed=2", 2)
    complete_curves(tmp_path, figures=True)
    assert len(list(tmp_path.rglob("*.figures"))) == 2
    assert all(tag.endswith(" 2 chain") for tag in read(other).Tags()["images"])
    complete_curves(tmp_path, figures=False)
    assert list(tmp_path.rglob("*.figures")) == []


def test_runs_stand_as_the_sweep_was_written_and_a_pattern_chooses_among_them(
    tmp_path: Path,
) -> None:
    for index, name in enumerate(("sigmoid/seed=2", "sigmoid/seed=10", "chain/seed=2")):
        finished_run(tmp_path, f"yeast/{name}", index)
    write_run(tmp_path, "yeast/chain/seed=3", state="failed")
    found = [(run.head, run.seed) for run in Curves([tmp_path]).read()]
    assert found == [("sigmoid", 2), ("sigmoid", 10), ("chain", 2)]
    assert [run.seed for run in Curves([tmp_path], "chain/").read()] == [2]


def test_a_sweep_whose_events_were_deleted_has_no_link(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    assert complete_curves(tmp_path, figures=True) == ""
