"""The entry points as a user meets them: in a process of their own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlc.config.errors import ConfigError
from mlc.report import main as report
from mlc.train import main
from tests.conftest import REPOSITORY, Command, Outcome

Write = Callable[..., Path]

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
QUICK = ("trainer.max_epochs=2", "backbone.widths=[8]")


@pytest.fixture
def train(command: Command, write_arff: Write) -> Callable[..., Outcome]:
    def start(*arguments: str) -> Outcome:
        flags = [argument for argument in arguments if argument == "-m"]
        overrides = [argument for argument in arguments if argument != "-m"]
        if not any(override.startswith("data=") for override in overrides):
            overrides = ["data=arff", f"data.path={write_arff()}", *overrides]
        return command(main, *flags, *QUICK, *overrides)

    return start


def said(outcome: Outcome) -> str:
    """The one sentence that the user is told."""
    assert "Traceback" not in outcome.error
    last = outcome.error.strip().splitlines()[-1]
    assert last.startswith(("mlc-train: ", "mlc-report: "))
    return last


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_one_run_leaves_what_the_readme_says_and_is_repeatable(
    train: Command, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        result = train(f"hydra.run.dir={folder}", "head=powerset", "seed=4")
        assert result.status == 0, result.error
    there = {path.name for path in (tmp_path / "a").iterdir() if not path.name.startswith("events")}
    assert there >= {
        ".hydra", "metrics.json", "rules.json", "baselines.json", "predictions.npz", "split.npz",
        "checkpoint.safetensors", "history.csv", "status.json", "train.log",
        "results.csv", "summary.md", "jaccard_samples.png",
    }  # fmt: skip
    assert not list((tmp_path / "a").glob(".*.json*"))
    status = read(tmp_path / "a" / "status.json")
    assert (status["state"], status["data"], status["head"], status["seed"]) == (
        "completed",
        "toy",
        "powerset",
        4,
    )
    first, second = (read(tmp_path / folder / "metrics.json") for folder in "ab")
    assert first.pop("train/seconds") > 0
    second.pop("train/seconds")
    assert first == second
    assert first["train/epochs"] == 2
    # Hidden layer, batch normalisation, output layer of 2^2 label sets.
    assert first["parameters"] == (2 + 1) * 8 + 2 * 8 + (8 + 1) * 4
    for key in (
        "test/lrap",
        "test/nll",
        "val/mode/f1_macro",
        "test/global/jaccard_samples",
        "test/oracle/recall_micro",
    ):
        assert key in first
    with np.load(tmp_path / "a" / "predictions.npz") as stored:
        made = stored["scores"] >= read(tmp_path / "a" / "rules.json")["global"]["threshold"]
        assert np.array_equal(made, stored["decisions_global"])
        correct = (stored["decisions_mode"] == stored["targets"]).all(axis=1).mean()
        assert correct == pytest.approx(first["test/mode/subset_accuracy"])
    with np.load(tmp_path / "a" / "split.npz") as split:
        assert sorted(np.concatenate([split[part] for part in split])) == list(range(60))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompletedProcess[str]]:
    """A sweep over heads, rates and seeds, one of whose jobs diverges."""
    folder = tmp_path_factory.mktemp("swept")
    result = run(
        [
            sys.executable, "-m", "mlc.train", "--multirun", "data=digits", "data.n_train=100",
            "data.n_test=50", "data.absent_labels=keep", "head=sigmoid,powerset", "seed=range(2)",
            "optimizer=sgd", "optimizer.lr=0.01,1e38", "hydra.sweep.dir=sweep", *QUICK,
        ],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return folder / "sweep", result


@pytest.mark.slow
class TestSweep:
    Swept = tuple[Path, CompletedProcess[str]]

    def test_failed_runs_are_told_and_not_counted(self, swept: Swept) -> None:
        folder, result = swept
        assert result.returncode == 1
        last = said(Outcome(result.returncode, result.stdout, result.stderr))
        assert last == "mlc-train: 4 of 8 runs failed, for the reasons above."
        progress, _, _ = result.stdout.partition("8 of 8 runs ended")
        assert progress.count("lower optimizer.lr") == 4
        failed = folder / "digits" / "sigmoid" / "seed=0,optimizer.lr=1e+38"
        assert read(failed / "status.json")["state"] == "failed"
        assert not (failed / "metrics.json").exists()
        assert "4 failed and are not counted" in result.stdout
        assert "8 of 8 runs ended, 4 failed" in result.stdout

    def test_results_have_a_row_per_run_and_rule(self, swept: Swept) -> None:
        results = pd.read_csv(swept[0] / "results.csv")
        assert list(results.columns[:5]) == ["run", "data", "head", "rule", "seed"]
        assert "optimizer.lr" in results
        assert len(results) == 2 * 3 + 2 * 4
        assert results.groupby("head")["rule"].nunique().to_dict() == {"sigmoid": 3, "powerset": 4}
        metrics = read(
            swept[0] / "digits" / "powerset" / "seed=1,optimizer.lr=0.01" / "metrics.json"
        )
        row = results.query("head == 'powerset' and seed == 1 and rule == 'mode'").iloc[0]
        assert row["f1_micro"] == pytest.approx(metrics["test/mode/f1_micro"])
        assert row["val_lrap"] == pytest.approx(metrics["val/lrap"])

    def test_the_summary_fits_a_terminal_and_names_its_conventions(self, swept: Swept) -> None:
        printed = swept[1].stdout[swept[1].stdout.index("digits, test rows") :]
        table = [
            line
            for line in printed.splitlines()
            if not line.startswith(("/", "mlc-curves", "http"))
        ]
        assert max(map(len, table)) <= 80
        for text in (
            "powerset",
            "oracle*",
            "(most_frequent_set)",
            "(prior)",
            "(logistic_regression)",
            "(linear_svm)",
            "two empty sets are 1",
        ):
            assert text in printed
        assert "| powerset" in (swept[0] / "summary.md").read_text()

    def test_the_report_command_makes_the_same_again(self, swept: Swept) -> None:
        before = (swept[0] / "summary.md").read_text()
        (swept[0] / "summary.md").unlink()
        result = run(
            [sys.executable, "-m", "mlc.report", str(swept[0])],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (swept[0] / "summary.md").read_text() == before
        assert result.stdout in swept[1].stdout


def test_the_page_escapes_what_it_was_given(
    train: Command, command: Command, tmp_path: Path
) -> None:
    attack = "<script>alert(1)</script>"
    rows = [f"{i % 2},{int(i % 3 == 0)},{i % 2 + 0.1 * (i % 7)}" for i in range(60)]
    header = ["@relation 'evil: -C 2'", f'@attribute "{attack}" {{0,1}}', "@attribute b {0,1}"]
    (tmp_path / "evil.arff").write_text(
        "\n".join([*header, "@attribute x numeric", "@data", *rows]) + "\n"
    )
    ended = command(
        main, *QUICK, "data=arff", "data.path=evil", "data.title='<b>evil</b>'", "hydra.run.dir=run"
    )
    assert ended.status == 0, ended.error
    assert command(report, "run", "--html").status == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert attack not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>evil" not in page
    assert page.count('<svg class="threshold"') == 3
    assert not re.search(r"(src|href)=", page)


def test_a_folder_with_a_finished_run_is_left_alone(train: Command, tmp_path: Path) -> None:
    assert train("hydra.run.dir=a").status == 0
    before = (tmp_path / "a" / "metrics.json").read_bytes()
    again = train("hydra.run.dir=a", "seed=1")
    assert again.status == 1
    assert "already holds a finished run" in said(again)
    assert (tmp_path / "a" / "metrics.json").read_bytes() == before
    assert read(tmp_path / "a" / "status.json")["state"] == "completed"


BAD = {
    "unknown head": (
        ("head=sigmid",),
        2,
        "head=sigmid does not exist: did you mean sigmoid.*choose one of",
    ),
    "unknown key": (("optimizer.learning_rate=1",), 2, "learning_rate.*choose one of .*lr"),
    "wrong type": (("trainer.max_epochs=many",), 2, "max_epochs|many"),
    "negative seed": (("seed=-1",), 2, "seed=-1 is out of range: it must be at least 0"),
    "missing file": (("data=arff", "data.path=nowhere/x"), 1, "There is no .*x.arff"),
    "no data set there": (("data=yeast", "data.root=nowhere"), 1, "download yeast from https"),
    "chdir": (("hydra.job.chdir=true",), 2, "chdir"),
    "rules": (
        ("decisions=[mode]",),
        2,
        r"decisions=\['mode'\] all need more than the cardinality, marginals, scores that the",
    ),
    "no multirun": (("head=sigmoid,powerset",), 2, "add --multirun"),
    "syntax": (("seed=[1",), 2, "seed"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_one_sentence(case: str, train: Command, tmp_path: Path) -> None:
    overrides, status, message = BAD[case]
    result = train("hydra.run.dir=a", *overrides)
    assert result.status == status, result.error
    assert re.search(message, said(result))
    assert not (tmp_path / "a" / "metrics.json").exists()
    if (tmp_path / "a" / "status.json").exists():
        assert read(tmp_path / "a" / "status.json")["state"] == "failed"


def test_more_labels_than_the_powerset_can_hold_are_refused(
    train: Command, write_arff: Write, tmp_path: Path
) -> None:
    labels = [f"@attribute l{k} {{0,1}}" for k in range(60)]
    header = "\n".join(["@relation 'many: -C 60'", *labels, "@attribute x numeric"])
    rows = [",".join(["01"[(i + k) % 2] for k in range(60)] + [str(i)]) for i in range(40)]
    base = write_arff("many", rows=rows, header=header)
    result = train("data=arff", f"data.path={base}", "head=powerset", "hydra.run.dir=a")
    assert result.status == 1
    assert re.search(
        "'powerset' does not fit with 60 labels.*choose a head that does", said(result)
    )
    assert read(tmp_path / "a" / "status.json")["state"] == "failed"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("seed=0,-1", "seed=-1 is out of range"),
        ("head=sigmoid,sigmid", "head=sigmid does not exist"),
        ("optimizer.lr=0.1,0", "optimizer.lr=0 is out of range"),
        ("seed=range(-1,2)", "seed=-1 is out of range"),
    ],
)
def test_a_sweep_is_checked_as_a_whole_before_it_starts(
    sweep: str, message: str, train: Command, tmp_path: Path
) -> None:
    result = train("-m", sweep, "hydra.sweep.dir=s")
    assert result.status == 2
    assert message in said(result)
    assert not list(tmp_path.glob("s/**/status.json"))


def test_a_folder_that_cannot_be_written_is_named(train: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = train("hydra.run.dir=file/run")
    assert result.status == 1
    assert "file" in said(result)


def test_a_traceback_is_there_for_who_asks(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError):
        train("seed=-1")


def test_the_report_of_no_runs_says_so(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, message in (("empty", "no run under empty"), ("nowhere", "is not a folder")):
        result = command(report, folder)
        assert result.status == 1
        assert message in said(result)
    assert command(report, "empty", "--metrics", "accuracy").status == 2


def test_the_documents_own_head_trains_and_appears_in_the_table(tmp_path: Path) -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "docs/own_head.md").read_text(), flags=re.DOTALL
    )
    script = next(block for block in blocks if "register_head" in block)
    (tmp_path / "my_head.py").write_text(script)
    name = re.search(r'register_head\("(\w+)"\)', script)
    assert name is not None
    result = run(
        [
            sys.executable, "my_head.py", "--multirun", f"head=sigmoid,{name[1]}", "data.n_train=100",
            "data.n_test=50", "data.absent_labels=keep", "hydra.sweep.dir=s", *QUICK,
        ],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert re.search(rf"^{name[1]}\n(  .*\n)*?  global ", result.stdout, flags=re.MULTILINE)
    assert set(pd.read_csv(tmp_path / "s" / "results.csv")["head"]) == {"sigmoid", name[1]}
