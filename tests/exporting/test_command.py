"""mlc-export: the files of a run, its model card, and one sentence for what cannot be exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlc
from mlc import MultiLabelClassifier
from mlc.data.text import count_words
from mlc.export import main as mlc_export
from mlc.exporting import command as exporting
from mlc.exporting.usage import usage
from mlc.files.writing import write_as_whole, write_text
from mlc.reporting.statistics import mean_interval
from mlc.train import main as mlc_train
from tests.conftest import REPOSITORY, exit_status, toy_arff

DOCUMENT = REPOSITORY / "docs" / "export.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
FORMATS = ("pt2", "torch")  # test_writing.py has ONNX
NAMES = {"onnx": "model.onnx", "pt2": "model.pt2", "torch": "model_torch"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of one head with two seeds, and a third run with another setting."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = (
        "-m", "data=arff", f"data.path={toy_arff(folder)}", "head=label_powerset", "seed=0,1",
        "backbone.widths=[4],[8]", "trainer.max_epochs=2", "decisions=[per_label,mode,oracle]",
        "report.figures=false", "report.yardsticks=false", f"hydra.sweep.dir={folder}/sweep",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert exit_status(mlc_train, arguments, patch) == 0
    return folder / "sweep"


def run_of(sweep: Path, width: int = 4, seed: int = 0) -> Path:
    return next(sweep.rglob(f"seed={seed},*{width}*"))


def test_files_predict_without_mlc_by_the_code_of_the_document(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_of(sweep)
    mlc_export([str(run), "--to", "torch", "--rule", "mode", "--card", "torch.md"])
    # The format follows from the ending.
    mlc_export([str(run), "--output", "model.pt2", "--rule", "mode", "--card", "pt2.md"])
    # NumPy's and pandas' own type: the code converts it.
    rows = np.random.default_rng(0).normal(size=(40, 2))
    rows[1, 0] = np.nan
    np.save("rows.npy", rows)
    script = Path(__file__).parent / "fresh.py"
    command = [sys.executable, str(script), str(DOCUMENT), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    loaded = mlc.load(run, "mode")
    label_sets = loaded.predict(rows)
    named = [";".join(np.array(["even", "large"])[row]) for row in label_sets]
    with np.load("results.npz") as results:
        assert {key.split()[0] for key in results} == set(FORMATS)
        for to in FORMATS:
            for n in (40, 1):
                scores = results[f"{to} {n} scores"]
                np.testing.assert_allclose(scores, loaded.scores(rows)[:n], atol=1e-6)
                np.testing.assert_array_equal(results[f"{to} {n} label_sets"], label_sets[:n])
                assert results[f"{to} {n} named"].tolist() == named[:n]


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("moment", ["before the card", "after the card"])
def test_an_export_that_is_stopped_leaves_nothing(
    to: str, moment: str, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def stopped(path: Path, content: str) -> None:
        assert not Path(NAMES[to]).exists()
        if moment == "after the card":
            write_text(path, content)
            # In the rename of the model.
            monkeypatch.setattr(Path, "replace", interrupted)
        else:
            interrupted()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "write_text", stopped)
    with pytest.raises(KeyboardInterrupt):
        exporting.export_run(run_of(sweep), to)
    assert list(tmp_path.iterdir()) == []


def test_another_format_goes_beside_the_first_and_the_card_lists_both(
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run, card = str(run_of(sweep)), Path("MODEL_CARD.md")
    mlc_export([run, "--to", "pt2"])
    first = card.read_text(encoding="utf-8")
    second = [run, "--to", "torch", "--card", "MODEL_CARD.md"]
    # What is stopped leaves the card as it was.
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "write_predictor", stopped_after_the_card)
        with pytest.raises(KeyboardInterrupt):
            exporting.export_run(run, "torch", card=card)
    assert card.read_text(encoding="utf-8") == first
    mlc_export(second)
    assert "card: MODEL_CARD.md, of model.pt2, model_torch" in capsys.readouterr().out
    both = card.read_text(encoding="utf-8")
    assert re.findall(r"^- File: `(.+)`; 64 of 64", both, re.MULTILINE) == [
        "model.pt2",
        "model_torch",
    ]
    codes = re.findall(r"`([^`]+)`:\n\n```python\n(.*?)```", both, re.DOTALL)
    assert codes == [(NAMES[to], usage(to, Path(NAMES[to]))) for to in FORMATS]
    # A file that is gone is no longer listed.
    Path("model.pt2").unlink()
    mlc_export([run, "--output", "other.pt2"])
    names = re.findall(r"^- File: `(.+)`;", card.read_text(encoding="utf-8"), re.MULTILINE)
    assert names == ["model_torch", "other.pt2"]


def stopped_after_the_card(*_: Any, complete: Any) -> None:
    complete(Path("model_torch"), "")
    raise KeyboardInterrupt


@pytest.mark.parametrize("other", ["run", "rule", "edited"])
def test_the_card_of_another_run_or_rule_or_an_edited_one_is_not_replaced(
    other: str,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    card = Path("MODEL_CARD.md")
    mlc_export([str(run_of(sweep)), "--to", "pt2"])
    if other == "edited":
        text = card.read_text(encoding="utf-8").replace("## Use", "## How we use it")
        card.write_text(text, encoding="utf-8")
    before = card.read_text(encoding="utf-8")
    run = run_of(sweep, seed=1 if other == "run" else 0)
    rule = ["--rule", "mode"] if other == "rule" else []
    with pytest.raises(SystemExit) as exited:
        mlc_export([str(run), "--output", "second.pt2", *rule])
    said = capsys.readouterr().err
    assert exited.value.code == 2
    reason = "MODEL_CARD.md exists" if other == "edited" else "of another run or rule, of model.pt2"
    assert reason in said
    assert "name another path with --card" in said
    assert (card.read_text(encoding="utf-8"), sorted(map(str, Path().iterdir()))) == (
        before,
        ["MODEL_CARD.md", "model.pt2"],
    )


def test_a_folder_that_cannot_be_written_to_is_named_and_not_a_temporary(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    for raised, named in ((None, path), ("card.md", "card.md")):
        with (
            pytest.raises(OSError, match=re.escape(f"No space left on device: '{named}'")),
            write_as_whole(path) as place,
        ):
            raise OSError(28, "No space left on device", raised or str(place))
    assert list(tmp_path.iterdir()) == []


def test_the_document_and_the_card_have_the_same_code() -> None:
    assert BLOCKS[:3] == [usage(to, Path("folder") / name) for to, name in NAMES.items()]
    for to, name in NAMES.items():
        assert usage(to, Path(name), counts_words=True).count(BLOCKS[3]) == 1


def test_the_card_of_a_run_on_texts_predicts_for_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["Red car, fast;red|car", "blue car;car", "green tree;", "red tree;red"] * 10
    Path("cars.csv").write_text("\n".join(["text;labels", *rows]), encoding="utf-8")
    arguments = (
        "data=table", "data.path=cars.csv", "data.labels=[labels]", "data.text=text",
        "head=sigmoid", "backbone.widths=[4]", "trainer.max_epochs=2", "decisions=[global]",
        "report.figures=false", "report.yardsticks=false", "hydra.run.dir=run",
    )  # fmt: skip
    assert exit_status(mlc_train, arguments, monkeypatch) == 0
    mlc_export(["run", "--output", "cars.pt2"])
    card = Path("MODEL_CARD.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(code.replace("a new text", "a red tree"), names)
    loaded = mlc.load(Path("run"))
    np.testing.assert_allclose(names["scores"], loaded.scores(["a red tree"]), atol=1e-6)
    np.testing.assert_array_equal(names["label_sets"], loaded.predict(["a red tree"]))


def stored(run: Path, key: str) -> float:
    return float(json.loads((run / "metrics.json").read_text())[key])


def test_the_card_has_the_results_of_the_run_and_of_its_other_seeds(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(sweep)
    mlc_export([str(run), "--to", "torch", "--output", f"{tmp_path}/model"])
    printed = capsys.readouterr().out
    assert re.search(
        r"rule: per_label\ncheck: \d+ of 64 random rows get the same label set as from the predictor"
        r".*\nnot in the file, and not checked: reading a table",
        printed,
    )
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    values = [stored(run_of(sweep, seed=seed), "test/per_label/f1_macro") for seed in (0, 1)]
    assert f"| f1_macro | {values[0]:.3f} | {mean_interval(values)} |" in card
    assert "mean of 2 seeds, 95% interval" in card
    assert "over seeds: of the validation split, the weights and the batches." in card
    data = json.loads((run / "data.json").read_text())
    with np.load(run / "predictions.npz") as predictions:
        decided, actual = predictions["decisions_per_label"], predictions["targets"]
    thresholds = mlc.load(run, "per_label").rule.fitted()["threshold"].flatten().tolist()
    for k, name in enumerate(["even", "large"]):
        both = sum(a and b for a, b in zip(decided[:, k], actual[:, k], strict=True))
        shares = [
            f"{both / n:.2f}" if n else "-" for n in (decided[:, k].sum(), actual[:, k].sum())
        ]
        row = [name, str(data["counts"][k]), f"{thresholds[k]:.3g}", *shares]
        assert f"| {' | '.join(row)} |" in card
    for text in (
        "toy: 60 rows, 2 labels",
        "Head: label_powerset. A softmax",
        "SHA-256 of the data",
    ):
        assert text in card


def test_the_card_says_where_each_seed_drew_its_test_rows(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of(sweep).parent, tmp_path / "runs")
    for path in (tmp_path / "runs").glob("*/status.json"):
        status = json.loads(path.read_text())
        status["config"]["data"]["split_seed"] = None
        path.write_text(json.dumps(status))
    run = tmp_path / "runs" / run_of(sweep).name
    mlc_export([str(run), "--to", "torch", "--output", f"{tmp_path}/model"])
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "each with test and validation rows, weights and batches of its own" in card
    assert "of the validation split" not in card


def test_the_card_judges_each_label_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(80, 2))
    y = np.where(draw.random((80, 2)) < 0.4, np.nan, (rows > 0).astype(float))
    np.savez(tmp_path / "toy.npz", X=rows, y=y)
    arguments = (
        "data=arrays", f"data.path={tmp_path}/toy.npz", "data.missing_labels=mask",
        "backbone.widths=[4]", "trainer.max_epochs=2", "report.figures=false",
        "report.yardsticks=false", f"hydra.run.dir={tmp_path}/run",
        "decisions=[top_k]", "decision.top_k.k=1",
    )  # fmt: skip
    assert exit_status(mlc_train, arguments, monkeypatch) == 0
    mlc_export([f"{tmp_path}/run", "--to", "torch", "--output", f"{tmp_path}/model"])
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    shares = np.array(re.findall(r"^\| \d \| \d+ \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE))
    means = [stored(tmp_path / "run", f"test/top_k/{n}_macro") for n in ("precision", "recall")]
    assert shares.astype(float).mean(axis=0) == pytest.approx(means, abs=0.006)


def test_the_card_says_that_a_rule_was_tuned_on_the_test_rows(sweep: Path, tmp_path: Path) -> None:
    warned = []
    for rule in ("oracle", "mode"):
        output = tmp_path / rule
        mlc_export([str(run_of(sweep)), "--to", "torch", "--output", f"{output}", "--rule", rule])
        card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
        warned.append("tuned on the test rows, so that its results are too good" in card)
    assert warned == [True, False]


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        (["{sweep}", "--to", "pt2"], "holds 4 runs in its folders: name one, such as ", 2),
        (["{run}", "{run}", "--to", "pt2"], "2 runs are named: export one at a time.", 2),
        (["{run}", "--to", "tflite"], "There is no format 'tflite': choose one of onnx, pt2,", 2),
        (["{run}/split.npz", "--to", "pt2"], "holds no finished run: name the folder of one.", 1),
        (
            ["{run}", "--to", "pt2", "--rule", "global"],
            "was not evaluated with the rule 'global'",
            1,
        ),
        (
            ["{run}", "--to", "torch", "--output", "{run}"],
            "exists: name another path with --output",
            2,
        ),
        (["{run}", "--to", "pt2", "--card", "{run}"], "exists: name another path with --card", 2),
        (
            ["{run}"],
            "Neither --to nor --output names a format: give --to with one of onnx, pt2, ",
            2,
        ),
        (
            ["{run}", "--output", "a.tflite"],
            "a.tflite ends with '.tflite': name a file that ends",
            2,
        ),
        (
            ["{run}", "--to", "torch", "--output", "a.PT2"],
            "--output a.PT2 does not fit --to torch: name a folder, or choose --to pt2.",
            2,
        ),
        (
            ["{run}", "--to", "pt2", "--output", "a.onnx"],
            "a.onnx does not fit --to pt2: name a file that ends with .pt2, or choose --to onnx.",
            2,
        ),
        (["{run}", "--to", "pt2", "--output", "a"], "a file that ends with .pt2, or choose", 2),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    arguments: list[str],
    sentence: str,
    status: int,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [word.format(sweep=sweep, run=run_of(sweep)) for word in arguments]
    with pytest.raises(SystemExit) as ended:
        mlc_export(filled)
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (status, 1)
    assert error.startswith("mlc-export: ")
    assert sentence in error
    assert not list(tmp_path.iterdir())


def test_a_classifier_of_texts_exports_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several networks, and counts by the code of the document."""
    monkeypatch.chdir(tmp_path)
    texts = ["Red car, fast", "blue car", "green tree", "red tree"] * 10
    targets = np.array([["red" in text.lower(), "car" in text] for text in texts])
    classifier = MultiLabelClassifier(
        n_seeds=2, widths=(4,), max_epochs=2, decision="global", random_state=0,
        text_options={"ngram_range": [1, 2]},
    ).fit(texts, targets)  # fmt: skip
    exec(compile(BLOCKS[4], str(DOCUMENT), "exec"), {"classifier": classifier})
    extra: dict[str, Any] = {"metadata.json": ""}
    model = torch.export.load("model.pt2", extra_files=extra).module()
    metadata = json.loads(extra["metadata.json"])
    names: dict[str, Any] = {"metadata": metadata}
    new = ["A RED tree", "", "an unknown word", "car car red car"]
    block = BLOCKS[3].replace('["a new text"]', repr(new))
    assert block != BLOCKS[3]
    exec(compile(block, str(DOCUMENT), "exec"), names)
    counts, _ = count_words(new, classifier._texts.options, "X", metadata["rows"]["columns"])
    np.testing.assert_array_equal(names["rows"], counts.toarray())
    scores, label_sets = model(torch.as_tensor(names["rows"]))
    np.testing.assert_allclose(scores, classifier.predict_proba(new), atol=1e-6)
    np.testing.assert_array_equal(label_sets, classifier.predict(new))
    with pytest.raises(mlc.config.errors.ConfigError, match=r"ends with '\.tflite': name a file"):
        classifier.export("model.tflite")
