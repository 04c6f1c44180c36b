"""UC Merced with validation rows that are drawn from both published parts."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.harness.running import RESULTS
from experiments.harness.store import Store
from experiments.harness.study import command_of
from experiments.learned_features import sources
from experiments.learned_features.drawn import METRIC, both, by_head, drawn_numbers, drawn_table
from experiments.learned_features.published import LEVELS
from experiments.learned_features.sources import READERS, Rows
from experiments.learned_features.studies import DRAWN, METRICS, PRECISION, STUDIES
from experiments.learned_features.tuned import best_pair
from mlc.data.base import SOURCES
from mlc.data.splits import split_dataset

FROZEN = next(study for study in STUDIES if study.name == "ucmerced_frozen")


def test_drawn_validation_rows_come_from_both_published_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = {"train": np.arange(60), "val": np.arange(60, 80), "test": np.arange(80, 100)}
    targets = np.arange(100)[:, None] % np.array([2, 3]) == 0
    rows = Rows([str(row) for row in range(100)], targets, ("even", "third"), parts)
    monkeypatch.setitem(READERS, "ucmerced", (lambda folder: rows, "."))
    monkeypatch.setattr(sources, "_LOADED", {})
    monkeypatch.setenv("MLC_FEATURES", str(tmp_path))
    np.save(sources.features_file("ucmerced"), np.zeros((100, 2)))
    source = SOURCES["ucmerced"]

    def split(seed: int, **settings: Any) -> dict[str, set[int]]:
        options = source.Options(root=str(tmp_path), **settings)
        found = split_dataset(source.load(options), options, seed)
        return {part: set(chosen.tolist()) for part, chosen in found.parts().items()}

    published = {part: set(chosen.tolist()) for part, chosen in parts.items()}
    assert split(0) == split(1) == published
    first, second = (split(seed, validation="drawn") for seed in (0, 1))
    assert first["test"] == second["test"] == published["test"]
    assert first["train"] | first["val"] == published["train"] | published["val"]
    assert len(first["val"]) == 16
    assert first["val"] & published["train"]
    assert first["val"] != second["val"]


def frame_of(study: Any, configurations: int, heads: tuple[str, ...], level: float) -> pd.DataFrame:
    """Rows of one rule; each configuration is better than those before it."""
    return pd.DataFrame(
        [
            {
                "run": command_of(trial), "rule": "global", **trial, f"test/{PRECISION}": level,
                f"val/{PRECISION}": number, **dict.fromkeys(METRICS, level + number / 10),
                **{f"val_{metric}": number for metric in METRICS},
            }
            for number, trials in enumerate(study.by_configuration("full")[:configurations])
            for trial in trials
            if trial["head"] in heads
        ]
    )  # fmt: skip


def test_both_validation_parts_have_the_same_heads_and_configurations() -> None:
    frames = {
        FROZEN.name: frame_of(FROZEN, 3, ("sigmoid", "zlpr", "focal"), 0.5),
        DRAWN.name: frame_of(DRAWN, 1, ("sigmoid", "zlpr"), 0.6),
    }
    found = both(frames)
    for rows in found.values():
        assert set(rows["head"]) == {"sigmoid", "zlpr"}
        assert len(rows) == 10
    values = by_head(found["published"])["zlpr"]
    assert [round(value.mean, 9) for value in values] == [0.5, 0.5]
    assert drawn_numbers(found)["drawn_gains"] == "+0.100 to +0.100"
    assert drawn_numbers(found)["drawn_heads"] == "2"
    assert drawn_table(found).rows[0][1:3] == ["0.500", "0.600"]
    assert both({**frames, DRAWN.name: frames[DRAWN.name].iloc[:0]}) == {}
    assert set(drawn_numbers({}).values()) == {"not measured"}


def test_the_published_parts_of_the_aerial_images_hold_other_scenes(benchmarks: Path) -> None:
    with (benchmarks / "ucmerced/labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = Counter(row["split"] for row in rows)
    assert parts["train"] == 1285
    assert parts["train"] + parts["val"] - round(0.2 * (parts["train"] + parts["val"])) == 1344
    scenes = Counter((row["scene_class"], row["split"]) for row in rows)
    for scene, counts in {
        "denseresidential": (36, 21, 43),
        "freeway": (30, 27, 43),
        "parkinglot": (100, 0, 0),
        "mediumresidential": (71, 29, 0),
    }.items():
        assert tuple(scenes[scene, part] for part in ("train", "val", "test")) == counts


def test_drawn_validation_rows_raise_the_values_of_all_heads() -> None:
    folder = RESULTS / "learned_features"
    found = both(
        {study.name: Store(study, folder).frame(study.trials("full")) for study in (FROZEN, DRAWN)}
    )
    (level,) = [level for level in LEVELS if level.study == FROZEN.name and level.metric == METRIC]
    values = {part: best_pair(rows, METRIC)[2].mean for part, rows in found.items()}
    assert level.value <= values["published"] < values["drawn"]
    by_heads = {part: by_head(rows) for part, rows in found.items()}
    for head, (jaccard, precision) in by_heads["drawn"].items():
        published = by_heads["published"][head]
        assert jaccard.mean > published[0].mean
        assert (precision.mean > published[1].mean) == (head != "distribution_cardinality")
