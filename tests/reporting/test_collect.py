"""What counts once: runs by their data, settings and seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from mlc.config.errors import RunFolderError
from mlc.reporting.choice import contestants, named_baselines
from mlc.reporting.collect import check_comparable, collect
from mlc.reporting.reading import ORDER, StoredRun, read_run
from mlc.reporting.summary import summarise, write_summary
from mlc.reporting.tables import means_table
from mlc.runs.provenance import flatten
from tests.reporting.test_tables import METRICS, write_run


def write(
    folder: Path, name: str, gamma: float, overrides: dict[str, str] | None = None, **values: Any
) -> None:
    """A run of a head with one option; its device and folders are no settings."""
    data = {"path": str(folder / name), "n_train": values.pop("n_train", 100)}
    config = {
        "head": {"name": name.split("/")[1], "gamma": gamma}, "optimizer": {"name": "adamw"},
        "seed": int(name.split("=")[1].split(",")[0]), "device": values.pop("device", "cpu"),
        "data": data, "report": {"metrics": [name]}, "decisions": ["global", "oracle"],
    }  # fmt: skip
    identity = {"data": values.pop("fingerprint", "aa"), "code": "0.1.0 abc", "device": "cpu"}
    write_run(folder, name, overrides=overrides or {}, config=config, identity=identity, **values)


@pytest.fixture(params=["default stated", "copied"])
def twice(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two seeds, each in two folders."""
    stated = {"head.gamma": "2.0"} if request.param == "default stated" else {}
    for seed, jaccard in enumerate([0.50, 0.54]):
        write(tmp_path, f"yeast/focal/seed={seed}", 2, jaccard=jaccard)
        write(tmp_path, f"yeast/focal/seed={seed},again", 2.0, stated, jaccard=jaccard)
    return tmp_path


def test_one_run_in_two_folders_counts_once(twice: Path) -> None:
    results = collect(twice)
    table = means_table(contestants(results), named_baselines(results), METRICS, results.tuned_on)
    # 0.52 and t_(1, 0.975) * 0.02, by hand.
    assert [row[1:5] for row in table.rows if row[1] == "global"] == [
        ["global", "2", "0.520", ">0.520 ±0.254"],
        ["global", "2", "-", "0.260 ±0.127"],
    ]
    summary = " ".join(summarise(results, METRICS, "focal").text().split())
    assert "2 runs are repeats of others (same data, settings and seed) and count once:" in summary
    assert "yeast/focal/seed=0,again (as yeast/focal/seed=0)" in summary
    assert len(results.folders) == 2


def test_a_repeat_with_other_numbers_is_named(twice: Path) -> None:
    write(twice, "gpu/focal/seed=0", 2, device="cuda", jaccard=0.57)
    write(twice, "yeast/focal/seed=1,device=cuda", 2, device="cuda", jaccard=0.57)
    summary = " ".join(summarise(collect(twice), METRICS, "focal").text().split())
    assert "seed=1,device=cuda (as yeast/focal/seed=1; values differ by up to 0.03)" in summary
    assert "gpu/focal" not in summary  # other data


@pytest.mark.parametrize("other", [{"gamma": 3}, {"gamma": 2, "fingerprint": "bb"}])
def test_other_settings_or_data_are_no_repeat(other: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, "yeast/focal/seed=0", 2)
    write(tmp_path, "yeast/focal/seed=0,again", **other)
    assert not collect(tmp_path).repeats
    with pytest.raises(RunFolderError, match="cannot be averaged"):
        write_summary(tmp_path, METRICS, "focal")


def test_a_default_and_the_same_value_stated_are_one_setting(tmp_path: Path) -> None:
    write(tmp_path, "yeast/focal/seed=0", 2)
    write(tmp_path, "yeast/focal/seed=1,head.gamma=2", 2, {"head.gamma": "2"})
    write(tmp_path, "yeast/focal/seed=0,head.gamma=3", 3, {"head.gamma": "3"})
    runs = contestants(collect(tmp_path))
    seeds = runs[runs["rule"] == "global"].groupby("contestant")["seed"].apply(list)
    assert seeds.to_dict() == {"focal head.gamma=2": [0, 1], "focal head.gamma=3": [0]}


def test_baselines_belong_to_their_data_settings(tmp_path: Path) -> None:
    for n, jaccard in ((100, 0.5), (1000, 0.6)):
        for head in ("focal", "sigmoid"):
            stated = {"data.n_train": str(n)}
            name = f"yeast/{head}/seed=0,data.n_train={n}"
            write(tmp_path, name, 2, stated, n_train=n, jaccard=jaccard)
    baselines = named_baselines(collect(tmp_path))
    own = baselines[baselines["rule"] == "global"].set_index("contestant")["jaccard_samples"]
    assert own.to_dict() == {"prior data.n_train=100": 0.25, "prior data.n_train=1000": 0.3}


def test_the_work_on_a_run_does_not_grow_with_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of 5,000 runs once flattened the config of each for each setting: a minute."""
    calls = []

    def counted(options: Any, prefix: str = "") -> dict[str, Any]:
        calls.append(prefix)
        return flatten(options, prefix)

    monkeypatch.setattr("mlc.reporting.settings.flatten", counted)
    overrides = {f"head.gamma{number}": str(number) for number in range(20)}
    for seed in range(3):
        write(tmp_path, f"yeast/focal/seed={seed}", 2, overrides)
    results = collect(tmp_path)
    check_comparable(results.statuses)
    assert len(results.folders) == 3
    assert len(calls) <= 5 * 3


def test_a_run_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat was compared with the counted run's files, read anew; they may be gone by then."""

    def read_and_deleted(folder: Path, metrics: Sequence[str]) -> StoredRun:
        run = read_run(folder, metrics)
        rmtree(folder)
        return run

    for name, jaccard in (("a", 0.5), ("b", 0.53), ("c", 0.5)):
        write(tmp_path, f"{name}/focal/seed=0", 2, jaccard=jaccard)
        path = tmp_path / f"{name}/focal/seed=0/status.json"
        path.write_text(path.read_text().replace(f'"data": "{name}"', '"data": "yeast"'))
    monkeypatch.setattr("mlc.reporting.collect.read_run", read_and_deleted)
    repeats = collect(tmp_path).repeats
    assert {name: repeat.of for name, repeat in repeats.items()} == {
        "b/focal/seed=0": "a/focal/seed=0", "c/focal/seed=0": "a/focal/seed=0",
    }  # fmt: skip
    assert [repeat.gap for repeat in repeats.values()] == pytest.approx([0.03, 0])


def test_columns_without_a_value_are_no_numbers(tmp_path: Path) -> None:
    write(tmp_path, "yeast/focal/seed=0", 2, state="failed")
    results = collect(tmp_path)
    for frame in (results.runs, results.baselines):
        assert list(frame.columns) == ORDER
        assert set(map(str, frame.dtypes)) == {"object"}


def test_a_config_without_names_of_rules_is_one_with_the_options_of_all(tmp_path: Path) -> None:
    for name in ("yeast/focal/seed=0", "yeast/focal/seed=1"):
        write_run(tmp_path, name, config={"decision": {"global": {"metric": "f1_macro"}}})
    results = collect(tmp_path)
    assert len(results.folders) == 2
    assert len(results.baselines) == 2 * 2


def test_names_of_files_that_are_not_in_utf_8_are_reported_as_escapes(tmp_path: Path) -> None:
    write(tmp_path, "a/b/seed=0", 1.0, {"data.folder": "caf\udce9.csv"})
    write(tmp_path, "a/b/seed=1", 1.0, {"data.title": "\U0001f600"})
    runs = collect(tmp_path).runs
    assert "caf\\udce9.csv" in set(runs["data.folder"])
    assert "\U0001f600" in set(runs["data.title"])


def test_results_with_few_metrics_keep_their_settings(twice: Path) -> None:
    results = collect(twice)
    narrow = results.with_metrics(METRICS)
    for few, all_of in ((narrow.runs, results.runs), (narrow.baselines, results.baselines)):
        assert [*few] == [name for name in all_of if name in [*few]]
        assert few.equals(all_of[[*few]])
    kept = {*ORDER, *results.overrides, *METRICS, *(f"val_{metric}" for metric in METRICS)}
    assert {*narrow.runs} == kept & {*results.runs}
    assert {*results.runs} - kept
    assert summarise(narrow, METRICS, "focal") == summarise(results, METRICS, "focal")
