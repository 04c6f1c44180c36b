"""Collecting runs and summing them up, from folders written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

import pytest

from mlc.config.errors import RunFolderError
from mlc.reporting.choice import contestants, named_baselines
from mlc.reporting.collect import collect
from mlc.reporting.summary import summarise, write_summary
from mlc.reporting.tables import Table, foot, means_table

METRICS = ["jaccard_samples", "hamming_loss"]


def write_run(folder: Path, name: str, state: str = "completed", **values: Any) -> None:
    run = folder / name
    run.mkdir(parents=True)
    head, seed = name.split("/")[1], int(name.split("=")[1].split(",")[0])
    status = {
        "state": state, "run": name, "data": name.split("/")[0], "head": head, "seed": seed,
        "overrides": values.pop("overrides", {}), "monitor": "jaccard_samples", "error": "It broke.",
        "config": values.pop("config", {}), "identity": values.pop("identity", None),
    }  # fmt: skip
    jaccard = values.pop("jaccard", 0.5)
    val = values.pop("val", jaccard)
    metrics = {"parameters": 3, "train/seconds": 1.0, "test/lrap": 0.7, "val/lrap": 0.8}
    rules = {"global": "validation", "oracle": "test", **values.pop("rules", {})}
    for rule in rules:
        bonus = 0.05 if rule == "oracle" else 0
        metrics |= {
            f"test/{rule}/jaccard_samples": jaccard + bonus,
            f"test/{rule}/hamming_loss": 1 - jaccard,
        }
        metrics |= {f"val/{rule}/jaccard_samples": val, f"val/{rule}/hamming_loss": 1 - val}
    baselines = {"prior": {key: value / 2 for key, value in metrics.items() if "/" in key}}
    for file, content in (
        ("status.json", status),
        ("metrics.json", metrics),
        ("rules.json", {rule: {"tuned_on": part} for rule, part in rules.items()}),
        ("baselines.json", baselines),
    ):
        (run / file).write_text(json.dumps(content))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed, (a, b) in enumerate([(0.50, 0.55), (0.52, 0.58), (0.51, 0.56)]):
        write_run(tmp_path, f"yeast/sigmoid/seed={seed}", jaccard=a)
        write_run(tmp_path, f"yeast/powerset/seed={seed}", jaccard=b, rules={"mode": "nothing"})
    write_run(tmp_path, "yeast/sigmoid/seed=3", state="failed")
    write_run(tmp_path, "yeast/sigmoid/seed=4", state="running")
    return tmp_path


def test_only_finished_runs_are_counted(runs: Path) -> None:
    results = collect(runs)
    assert len(results.folders) == 6
    assert results.failed == {"yeast/sigmoid/seed=3": "It broke."}
    assert results.unfinished == ["yeast/sigmoid/seed=4"]
    assert len(results.runs) == 3 * 2 + 3 * 3
    assert len(results.baselines) == 3 * 3
    summary = summarise(results, METRICS, "sigmoid").text()
    assert "1 failed and are not counted" in summary
    assert "It broke." in summary
    assert "1 unfinished" in summary


def test_means_and_the_best_fair_row(runs: Path) -> None:
    results = collect(runs)
    table = means_table(contestants(results), named_baselines(results), METRICS, results.tuned_on)
    rows = {(row[0], row[1]): row for row in table.rows}
    assert rows["sigmoid", "global"][2:] == ["3", "0.510", "0.510 ±0.025", "0.490 ±0.025"]
    assert rows["powerset", "global"][4].startswith(">0.563")
    assert rows["powerset", "global"][5].startswith(">0.437")
    assert not rows["powerset", "oracle*"][4].startswith(">")
    assert table.header == ["head", "rule", "n", "val", *METRICS]
    assert any(note.startswith("val: mean jaccard_samples") for note in foot(results, METRICS))
    assert rows["(prior)", "global"][3] == "-"


def test_differences_are_paired_by_seed(runs: Path) -> None:
    write_run(runs, "yeast/powerset/seed=9", jaccard=0.1)
    summary = summarise(collect(runs), METRICS, "sigmoid").text()
    line = next(line for line in summary.splitlines() if "+0.053" in line)
    assert line.split()[:3] == ["powerset", "global", "3"]
    assert "jaccard_samples less that of sigmoid" in summary
    assert "less that of" not in summarise(collect(runs), METRICS, "nobody").text()


def test_swept_overrides_make_contestants(tmp_path: Path) -> None:
    for lr in ("0.1", "0.2"):
        overrides = {"optimizer.lr": lr, "trainer.max_epochs": "5"}
        write_run(tmp_path, f"yeast/sigmoid/seed=0,lr={lr}", overrides=overrides)
    names = set(contestants(collect(tmp_path))["contestant"])
    assert names == {"sigmoid optimizer.lr=0.1", "sigmoid optimizer.lr=0.2"}


def test_a_setting_stays_where_the_other_values_failed(tmp_path: Path) -> None:
    for lr, state in (("0.1", "completed"), ("0.2", "failed"), ("0.3", "running")):
        write_run(tmp_path, f"yeast/sigmoid/seed=0,lr={lr}", state, overrides={"optimizer.lr": lr})
    assert set(contestants(collect(tmp_path))["contestant"]) == {"sigmoid optimizer.lr=0.1"}


def test_a_setting_stays_where_no_other_value_has_begun(tmp_path: Path) -> None:
    overrides = {"optimizer.lr": "0.1", "trainer.max_epochs": "5"}
    write_run(tmp_path, "yeast/sigmoid/seed=0,optimizer.lr=0.1", overrides=overrides)
    assert set(contestants(collect(tmp_path))["contestant"]) == {"sigmoid optimizer.lr=0.1"}


def test_two_data_sets_have_a_table_each(runs: Path) -> None:
    write_run(runs, "scene/sigmoid/seed=0")
    summary = summarise(collect(runs), METRICS, "sigmoid").markdown()
    assert "## scene, test rows: mean of 1 seed\n" in summary
    assert "## yeast, test rows: mean of 3 seeds, ± half the 95% interval" in summary


def test_the_same_summary_is_written_twice(runs: Path) -> None:
    _, first = write_summary(runs, METRICS, "sigmoid")
    files = {path.name: path.read_bytes() for path in runs.iterdir() if path.is_file()}
    assert set(files) == {"results.csv", "baselines.csv", "summary.md", "jaccard_samples.png"}
    _, second = write_summary(runs, METRICS, "sigmoid")
    assert first == second
    assert (runs / "results.csv").read_bytes() == files["results.csv"]


def test_a_summary_without_a_figure_leaves_none_of_older_runs(runs: Path) -> None:
    _, text = write_summary(runs, METRICS, "sigmoid", figure=False)
    assert {path.name for path in runs.iterdir() if path.is_file()} == {
        "results.csv", "baselines.csv", "summary.md",
    }  # fmt: skip
    assert write_summary(runs, METRICS, "sigmoid")[1] == text
    picture = runs / "jaccard_samples.png"
    before = picture.read_bytes()
    write_run(runs, "scene/sigmoid/seed=0")
    write_summary(runs, METRICS, "sigmoid", figure=False)
    assert picture.read_bytes() != before


def test_damaged_and_missing_runs_are_named(runs: Path, tmp_path: Path) -> None:
    (runs / "yeast/sigmoid/seed=0/metrics.json").write_text("{")
    reason = collect(runs).unreadable["yeast/sigmoid/seed=0"]
    assert "seed=0/metrics.json of a finished run cannot be read" in reason
    write_run(tmp_path / "other", "yeast/sigmoid/seed=0", state="failed")
    with pytest.raises(RunFolderError, match=r"No run under .* has finished .*It broke"):
        write_summary(tmp_path / "other", METRICS, "sigmoid")


def test_columns_line_up() -> None:
    table = Table(["head", "rule", "n"], [["a", "bc", "10"], ["abc", "d", "2"]])
    assert table.text().splitlines() == [
        "head  rule   n",
        "--------------",
        "a     bc    10",
        "abc   d      2",
    ]
    assert table.markdown().splitlines()[1] == "| ---  | ---  | ---: |"


def test_regrets_are_shown_in_their_parts_where_the_truth_is_known(runs: Path) -> None:
    assert "Bayes" not in summarise(collect(runs), METRICS, "sigmoid").text()
    for path in runs.rglob("metrics.json"):
        known = {"bayes/jaccard_samples": 0.7}
        for rule in json.loads((path.parent / "rules.json").read_text()):
            known |= {f"regret/{rule}/jaccard_samples": 0.12}
            if "sigmoid" in path.parts:
                known |= {
                    f"unreachable/{rule}/jaccard_samples": 0.04 + 0.02 * int(path.parent.name[-1]),
                    f"avoidable/{rule}/jaccard_samples": 0.08,
                }
        path.write_text(json.dumps(json.loads(path.read_text()) | known))
    rows = {
        tuple(line.split()[:2]): line.split()[2:]
        for line in summarise(collect(runs), METRICS, "sigmoid")
        .text()
        .split("regret\n")[1]
        .splitlines()
        if "0.700" in line
    }
    assert rows["sigmoid", "global"][1:] == ["0.700", "0.060", "±0.050", "0.080", "0.120"]
    assert rows["powerset", "mode"][2:4] == ["-", "-"]


def test_a_table_too_wide_for_a_terminal_is_folded() -> None:
    rows = [["a" * 24, rule, "1", *["0.571 ±0.043"] * 3] for rule in ("fixed", "expected_jaccard")]
    header = ["head", "rule", "n", "jaccard_samples", "f1_macro_of_x", "subset_accuracy"]
    lines = Table(header, rows).text().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("head, rule")
    assert [line.split()[0] for line in lines[2:]] == ["a" * 24, "fixed", "expected_jaccard"]


class TestWhatCannotBeAveraged:
    """Runs of one row differ in their seed alone, or the report is refused."""

    def identify(self, run: Path, data: str, code: str, lr: float) -> None:
        status = json.loads((run / "status.json").read_text())
        status["identity"] = {"data": data, "code": code, "versions": {}, "device": "cpu"}
        status["config"] = {"optimizer": {"lr": lr}, "device": "cpu", "seed": status["seed"]}
        (run / "status.json").write_text(json.dumps(status))

    @pytest.mark.parametrize(
        ("data", "code", "lr", "message"),
        [
            ("bb", "0.1.0 abc", 0.1, r"their data differs \(aa and bb\)"),
            ("aa", "0.2.0", 0.1, r"their version of mlc differs \(0.1.0 and 0.2.0\)"),
            ("aa", "0.1.0 def", 0.2, r"their optimizer.lr differs \(0.1 and 0.2\)"),
        ],
    )
    def test_it_is_named(self, data: str, code: str, lr: float, message: str, runs: Path) -> None:
        for seed in range(3):
            self.identify(runs / f"yeast/sigmoid/seed={seed}", "aa", "0.1.0 abc", 0.1)
            self.identify(runs / f"yeast/powerset/seed={seed}", "aa", "0.1.0 abc", 0.3)
        write_summary(runs, METRICS, "sigmoid")
        self.identify(runs / "yeast/sigmoid/seed=2", data, code, lr)
        with pytest.raises(RunFolderError, match=message):
            write_summary(runs, METRICS, "sigmoid")


def test_under_one_seed_stands_what_matters_there(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    write_run(tmp_path, "yeast/powerset/seed=0", rules={"mode": "nothing"})
    notes = foot(collect(tmp_path))
    assert not any("Student" in note for note in notes)
    assert sum(note.startswith("One seed") for note in notes) == 1
    assert len("\n".join(fill(note, 80) for note in notes).splitlines()) <= 8
    write_run(tmp_path, "yeast/sigmoid/seed=1")
    assert any("Student" in note for note in foot(collect(tmp_path)))
    assert any("the test rows are always the same" in note for note in foot(collect(tmp_path)))
    drawn = {"data": {"split_seed": None}}
    write_run(tmp_path, "yeast/sigmoid/seed=7", config=drawn)
    notes = " ".join(foot(collect(tmp_path)))
    assert "(initialisation, batches, validation and test rows)." in notes
    assert "always the same" not in notes


def test_linear_models_that_were_left_out_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0", jaccard=0.5)
    path = tmp_path / "yeast/sigmoid/seed=0/baselines.json"
    path.write_text(json.dumps({"linear_svm": {"train/values": 2e9}}))
    results = collect(tmp_path)
    summary = summarise(results, METRICS, "sigmoid").text()
    assert "are more than" in summary
    assert "linear_svm on yeast" in summary
    assert "(linear_svm)" not in summary
