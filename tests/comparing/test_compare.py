"""mlc-compare from a file to an answer, in process."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.compare import main
from mlc.comparing.budgets import BUDGETS, Budget
from mlc.comparing.plan import Plan
from mlc.comparing.stored import write_plan
from mlc.data import load_features
from mlc.data.base import SOURCES
from mlc.predict import main as mlc_predict
from tests.conftest import Command
from tests.images import clothes


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two numbers and two labels that follow from them."""
    rng = np.random.default_rng(0)
    path = tmp_path / "things.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "y", "high", "wide"])
        for x, y in rng.normal(size=(120, 2)):
            writer.writerow([f"{x:.3f}", f"{y:.3f}", int(x > 0), int(y > 0.3)])
    return path


def test_a_file_gets_an_answer_and_the_same_command_goes_on(
    command: Command, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUDGETS, "quick", Budget(1, 2, 1))
    words = [
        str(table), "--labels", "high", "wide", "--heads", "sigmoid,pairwise",
        "trainer.max_epochs=1", "backbone.widths=[8]", "decisions=[fixed,auto]",
        "hydra.launcher.n_workers=1",
    ]  # fmt: skip
    planned = command(lambda: main(None), *words, "--plan")
    assert planned.status == 0, planned.error
    assert "things: 120 rows, 2 labels" in planned.out
    plan = " ".join(planned.out.split())
    assert (
        "heads, the same draws for all, on 2 splits, and the best one of each on 1 further" in plan
    )
    assert "That is all of --budget quick; one training takes" in plan
    assert not Path("compared").exists()
    first = command(lambda: main(None), *words)
    assert first.status == 0, first.error
    folder = Path("compared/things_jaccard_samples_quick")
    answer = json.loads((folder / "answer.json").read_text())
    assert answer["draws_test_rows"]
    # A third of the rows for each of three splits.
    assert answer["n_test"] == 40
    networks, linear = {"sigmoid", "pairwise"}, {"linear_svm", "logistic_regression"}
    assert set(answer["heads"]) == networks | linear | {"prior", "most_frequent_set"}
    # The labels follow from one number each, which one epoch of a network does not learn.
    # The answer begins with the linear model, which leads, and names the head to use all the same.
    assert answer["chosen"]["head"] in networks
    beside, use, _, _ = answer["shown"]["sentences"]
    assert beside.startswith("Use a linear model, no head: ")
    assert use.startswith(f"Of the heads, use {answer['chosen']['head']}, decided by")
    assert f" leads {answer['chosen']['head']} by +" in beside
    assert "on validation rows, too, no head leads it by more than" in beside
    assert list(answer["shown"]["code"])[-1].endswith("by scikit-learn")
    # The further split has a value too, of every contestant.
    assert answer["n_splits"] == 3
    assert {len(rows[0]["values"]) for rows in answer["heads"].values()} == {3}
    assert first.out.count("things: 120 rows") == 1
    assert " finished, " not in first.out + first.error
    assert "Launching" not in first.out + first.error
    assert "outputs need" not in first.out + first.error
    assert "MultiLabelClassifier(" in first.out
    assert answer["shown"]["sentences"][0].split()[0] == "Use"
    (predict,) = re.findall(r"^ +mlc-predict (.*)$", first.out, re.MULTILINE)
    predicted = command(mlc_predict, *predict.replace("NEW_FILE", str(table)).split())
    assert predicted.status == 0, predicted.error
    assert f"{answer['chosen']['head']}, decided by the rule " in predicted.error
    # The exported file lies in the comparison's folder, not among the files of the user.
    (export,) = re.findall(r"^ +mlc-export (.*)$", first.out, re.MULTILINE)
    assert export.endswith(f"--output {folder}/exported/model.onnx")
    assert len(Path("labels.csv").read_text(encoding="utf-8").splitlines()) == 121
    page = (folder / "report.html").read_text()
    assert page.index('<p class="lead">Use ') < page.index("<h2>")
    weights = folder / "things/sigmoid/trial=0,seed=0/checkpoint.safetensors"
    trained = weights.stat().st_mtime_ns
    again = command(lambda: main(None), *words)
    assert again.status == 0, again.error
    assert weights.stat().st_mtime_ns == trained
    resumed = json.loads((folder / "answer.json").read_text())
    assert resumed["heads"] == answer["heads"]
    assert resumed["seconds_in_all"] > answer["seconds_in_all"]
    other = command(lambda: main(None), *words, "--metric", "f1_macro", "--folder", str(folder))
    assert other.status == 1
    assert "holds a comparison with --metric jaccard_samples" in other.error
    # Refused before the card is printed.
    assert other.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gaps.csv", "--labels", "high", "wide"], "1 of 240 labels is missing (of wide), and"),
        (["gaps.csv", "--labels", "high", "wide", "data.missing_labels=mask"], "(of wide), and"),
        (["things.csv", "--labels", "high", "data.soft_labels=true"], "leave data.soft_labels out"),
    ],
)
def test_missing_and_soft_labels_are_refused_with_what_a_comparison_takes(
    command: Command, table: Path, words: list[str], said: str
) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ","
    (table.parent / "gaps.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = command(lambda: main(None), *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.error
    assert len(outcome.error.strip().splitlines()) == 1
    if "gaps.csv" in words:
        assert "data.missing_labels=negative, which takes them as 0" in outcome.error
        taken = command(lambda: main(None), *words[:4], "data.missing_labels=negative", "--plan")
        assert taken.status == 0, taken.error


def test_data_that_cannot_be_read_are_read_once(
    command: Command, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    load = SOURCES["table"].load

    def counted(options: Any) -> Any:
        loads.append(options.missing_labels)
        return load(options)

    monkeypatch.setattr(SOURCES["table"], "load", counted)
    outcome = command(lambda: main(None), str(table), "--labels", "no such")
    assert "there is no column 'no such'" in outcome.error
    assert loads == ["refuse"]


def test_no_option_that_was_not_stated_is_noted(command: Command, tmp_path: Path) -> None:
    rows = [f"{row % 7},{'a;b' if row % 3 else ''}" for row in range(60)]
    path = tmp_path / "sets.csv"
    path.write_text("\n".join(["x,tags", *rows]) + "\n", encoding="utf-8")
    planned = command(lambda: main(None), str(path), "--labels", "tags", "--plan")
    assert planned.status == 0, planned.error
    assert "missing_labels" not in planned.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.csv"], "nothing.csv"),
        (["things.csv", "--labels", "hihg"], "hihg"),
        (["things.csv", "--labels", "high", "--heads", "sigmiod"], "did you mean sigmoid"),
        (["things.csv", "--labels", "high", "data.blub=1"], "blub"),
        (
            ["things.csv", "--metric", "f1"],
            "did you mean f1_macro or f1_micro or f1_samples? choose",
        ),
        (["things.csv", "--metric", "jacard_samples"], "did you mean jaccard_samples"),
        (["things.csv", "--labels", "high", "high"], "--labels names 'high' twice"),
    ],
)
def test_mistakes_get_one_sentence(
    command: Command, table: Path, words: list[str], said: str
) -> None:
    outcome = command(lambda: main(None), *words)
    assert outcome.status in (1, 2)
    assert outcome.out == ""
    assert said in outcome.error
    assert outcome.error.startswith("mlc-compare: ")
    assert "Traceback" not in outcome.error
    assert len(outcome.error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "message"), [("abc", "'abc' is not a number"), ("0", "0 is not more than 0")]
)
def test_minutes_that_are_none_are_refused_in_words(
    command: Command, table: Path, value: str, message: str
) -> None:
    ended = command(lambda: main(None), str(table), "--labels", "high", "--minutes", value)
    assert ended.status == 2
    assert message in ended.error


def test_minutes_that_are_too_few_are_refused_with_numbers(
    command: Command, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc.comparing.timing.START", 0.0)
    ended = command(
        lambda: main(None), str(table), "--labels", "high", "--heads", "sigmoid", "--minutes",
        "0.0001", "report.yardsticks=false",
    )  # fmt: skip
    assert ended.status == 2
    assert ended.out == ""
    message = ended.error.strip().splitlines()[-1]
    assert re.search(
        r"may take [\d.]+ minutes, and --minutes is 0\.0001: allow --minutes \d+, or", message
    )
    assert not Path("compared").exists()


def test_a_misspelled_column_is_named_though_the_folder_holds_another_comparison(
    command: Command, table: Path
) -> None:
    folder = table.parent / "c"
    plan = Plan(["sigmoid"], ("global",), 1, 1, 1.0)
    write_plan(folder, plan, {"data": str(table), "labels": ["high"]})
    ended = command(lambda: main(None), str(table), "--labels", "hihg", "--folder", str(folder))
    assert ended.status == 1
    assert "hihg" in ended.error
    assert "holds a comparison" not in ended.error


def test_a_folder_of_images_is_compared_by_networks_for_images(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUDGETS, "quick", Budget(1, 2, 1))
    clothes(tmp_path / "clothes")
    ended = command(
        lambda: main(None), "clothes", "--heads", "sigmoid", "trainer.max_epochs=1",
        "backbone.channels=[4]", "decisions=[fixed,auto]", "hydra.launcher.n_workers=1",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    folder = Path("compared/clothes_jaccard_samples_quick")
    answer = json.loads((folder / "answer.json").read_text())
    assert set(answer["heads"]) == {"sigmoid", "prior", "most_frequent_set"}
    blocks = re.findall(r"```python\n(.*?)```", (folder / "answer.md").read_text(), re.DOTALL)
    (script,) = (block for block in blocks if "load_data" in block)
    names: dict[str, Any] = {}
    exec(script, names)
    assert names["X"].shape == (48, 3, 8, 8)
    assert names["label_sets"].shape == (48, 5)
    assert load_features("clothes", names["data"], "images").shape == (48, 3, 8, 8)


def test_labels_with_commas_between_them_are_taken_as_meant(command: Command, table: Path) -> None:
    planned = command(lambda: main(None), str(table), "--labels", "high,wide", "--plan")
    assert planned.status == 0, planned.error
    said = " ".join(planned.out.split())
    assert "things: 120 rows, 2 labels" in said
    assert "There is no label column 'high,wide'; it is taken as high and wide." in said
