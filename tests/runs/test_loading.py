"""A loaded run predicts as in its evaluation, and forged files in its folder are refused."""

from __future__ import annotations

import json
import os
import pickle
import re
import resource
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix

import mlc
from mlc.config.errors import ConfigError, DataError, MlcError, RunFolderError
from mlc.config.texts import cause, shortened
from mlc.data.base import SOURCES, select_columns
from mlc.evaluation import predictor
from mlc.files.reading import read_arrays
from mlc.heads.base import HEADS
from mlc.predict import main as predict_main
from mlc.runs.predicting import note_on_empty_rows, predict
from mlc.train import main
from tests.choices import force_choice
from tests.conftest import Command, Outcome, exit_status, toy_arff

PLAIN = ("report.figures=false", "report.yardsticks=false")
QUICK = ("trainer.max_epochs=2", "backbone.widths=[8]", *PLAIN)
ALL_RULES = (
    "decisions=[global,per_label,top_k,fixed,cardinality,mode,expected_jaccard,expected_f1,"
    "auto,seen,calibrated]"
)


@pytest.fixture
def train(command: Command, write_arff: Callable[..., Path]) -> Callable[..., Path]:
    """One run on the toy file, by its folder."""

    def start(*arguments: str) -> Path:
        path = write_arff()
        ended = command(
            main, *QUICK, "data=arff", f"data.path={path}", "hydra.run.dir=run", *arguments
        )
        assert ended.status == 0, ended.error
        return path.parent / "run"

    return start


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to copy."""
    folder = tmp_path_factory.mktemp("finished")
    arguments = (*QUICK, "data=arff", f"data.path={toy_arff(folder)}", "head=label_powerset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert exit_status(main, [*arguments, f"hydra.run.dir={folder / 'run'}"], patch) == 0
    return folder / "run"


def test_rules_state_what_they_chose_and_the_sets_of_the_training_rows(
    train: Callable[..., Path],
) -> None:
    run = train("head=sigmoid", "decisions=[auto,seen,calibrated]", "decision.auto.metric=f1_micro")
    stored = json.loads((run / "rules.json").read_text())
    assert stored["auto"]["chosen"].split(",")[0] in ("fixed", "global", "top_k", "per_label") or (
        stored["auto"]["chosen"].startswith("expected")
    )
    assert stored["calibrated"]["ece_before"] >= 0
    with np.load(run / "split.npz") as split:
        rows = split["train"]
    options = SOURCES.options("arff", path=str(run.parent / "toy"))
    targets = SOURCES["arff"].load(options).targets[rows]
    sets = mlc.load(run, "seen").rule.fitted()["label_sets"]
    assert sets.tolist() == np.unique(targets, axis=0).tolist()


# One head of each kind of scores is loaded with every rule, the others with the last three.
KINDS = ("sigmoid", "pick_one", "two_way", "f_measure", "powerset")


@pytest.mark.parametrize("head", [name for name in HEADS if name != "grouped"])
def test_it_predicts_the_test_rows_as_the_run_did(
    head: str, train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its table and figure take a third of the time.
    monkeypatch.setattr("mlc.launching.sweep._summary", lambda launch: "")
    run = train(f"head={head}", ALL_RULES)
    with np.load(run / "predictions.npz") as stored, np.load(run / "split.npz") as split:
        expected, rows = dict(stored), split["test"]
    options = SOURCES.options("arff", path=str(run.parent / "toy"))
    features = SOURCES["arff"].load(options).features[rows]
    rules = [key.removeprefix("decisions_") for key in expected if key.startswith("decisions_")]
    assert len(rules) >= 3
    for rule in rules if head in KINDS else rules[-3:]:
        loaded = mlc.load(run, rule)
        np.testing.assert_allclose(loaded.scores(features), expected["scores"], atol=1e-6)
        np.testing.assert_array_equal(loaded.predict(features), expected[f"decisions_{rule}"])
    assert mlc.load(run).rule.name == "global"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("label_powerset", "mode, by the joint"),
        ("chain", "expected_jaccard, by the joint, at least one label"),
        ("bernoulli_mixture", "seen (expected_jaccard)"),
        ("zlpr", "calibrated (expected_jaccard)"),
    ],
)
def test_auto_decides_as_in_the_run_whatever_it_chose(
    head: str, words: str, train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        force_choice(patch, words)
        run = train(f"head={head}", "decisions=[auto]")
    assert json.loads((run / "rules.json").read_text())["auto"]["chosen"] == words
    with np.load(run / "predictions.npz") as stored, np.load(run / "split.npz") as split:
        expected, rows = stored["decisions_auto"], split["test"]
    table = predict(run, run.parent / "toy.arff")
    names = ["even", "large"]
    decided = [[name in cell.split(";") for name in names] for cell in table["labels"]]
    np.testing.assert_array_equal(np.array(decided)[rows], expected)


def test_the_model_is_in_evaluation_mode(train: Callable[..., Path]) -> None:
    """Called directly, it gives the run's scores, whatever else is in the batch."""
    run = train("backbone.dropout=0.5", "backbone.normalization=batch", "head=sigmoid")
    loaded = mlc.load(run)
    assert not any(module.training for module in loaded.model.modules())
    with np.load(run / "predictions.npz") as stored, np.load(run / "split.npz") as split:
        expected, rows = stored["scores"], split["test"]
    features = SOURCES["arff"].load(SOURCES.options("arff", path=str(run.parent / "toy"))).features
    scaling = loaded.scalings[0]
    scaled = torch.as_tensor((features[rows] - scaling.shift) * scaling.scale, dtype=torch.float32)
    with torch.no_grad():
        one_by_one = [loaded.model(row.expand(1, 1, -1)).sigmoid()[0, 0] for row in scaled]
    np.testing.assert_allclose(torch.stack(one_by_one), expected, atol=1e-6)


def test_the_command_writes_label_sets_and_scores(
    train: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    run = train("head=powerset")
    frame = pd.DataFrame({"y": [0.9, -1.0, 2.0], "x": [1.0, -1.0, 2.0]})
    frame.to_csv(tmp_path / "new.csv", index=False)
    table = predict(run, tmp_path / "new.csv")
    assert list(table.columns) == ["row", "labels", "score:even", "score:large"]
    decided = mlc.load(run).predict(frame[["x", "y"]].to_numpy())
    expected = [
        ";".join(n for n, positive in zip(("even", "large"), row, strict=True) if positive)
        for row in decided
    ]
    assert table["labels"].tolist() == expected
    ended = command(lambda: predict_main([str(run), "new.csv", "--output", "out.csv"]))
    assert (ended.status, ended.out) == (0, "")
    card = " ".join(ended.error.split())
    assert (
        "new.csv: 3 rows to predict features 2, as in training; 2 of them standardised labels 2: even,"
        " large model powerset, decided by the rule global, threshold " in card
    )
    written = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert written["labels"].tolist() == expected
    np.testing.assert_allclose(written["score:even"], table["score:even"], rtol=1e-5)
    assert "is replaced" not in ended.error
    ended = command(lambda: predict_main([str(run), "new.csv", "--output", "out.csv"]))
    assert ended.error.endswith("\nmlc-predict: out.csv was there before and is replaced.\n")
    # The file of the training, labels and all, serves as well.
    assert len(predict(run, tmp_path / "toy.arff")) == 60


def test_columns_in_another_unit_are_named_once(
    train: Callable[..., Path],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = train("head=powerset")
    warned: list[str] = []
    monkeypatch.setattr(predictor.log, "warning", lambda _, text, **__: warned.append(text))
    x = np.linspace(-1, 1, 30)
    pd.DataFrame({"x": x, "y": 1000 * x}).to_csv(tmp_path / "new.csv", index=False)
    ended = command(lambda: predict_main([str(run), "new.csv", "--output", "out.csv"]))
    assert ended.status == 0
    (said,) = warned
    assert "'y' has values such as" in said
    assert "'x'" not in said
    # A run that has not stored the magnitudes of its columns is judged by the deviations alone.
    with np.load(run / "preprocessing.npz") as stored:
        assert len(stored["least"]) == 2
        older = {key: stored[key] for key in stored if key != "least"}
    np.savez(run / "preprocessing.npz", **older)
    loaded = mlc.load(run)
    loaded.predict(np.column_stack([x, 1000 * x]))
    loaded.scores(np.column_stack([x, 1000 * x]))
    loaded.scores(np.column_stack([x, x]))
    assert warned == [said, said]


def test_labels_that_look_like_formulas_are_exact_unless_a_spreadsheet_is_meant(
    command: Command, tmp_path: Path
) -> None:
    """A cell that begins with =, +, - or @; what is written is read back as it was."""
    x = np.random.default_rng(0).normal(size=(80, 2))
    tags = ["=1+1" if a > 0 else "@b;-c" for a in x[:, 0]]
    pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "tags": tags}).to_csv(
        tmp_path / "all.csv", index=False
    )
    arguments = (
        "data=table",
        f"data.path={tmp_path}/all.csv",
        "data.labels=[tags]",
        "decisions=[top_k]",
    )
    ended = command(main, *QUICK, *arguments, "data.separator=';'", "hydra.run.dir=run")
    assert ended.status == 0, ended.error
    predict_main([f"{tmp_path}/run", f"{tmp_path}/all.csv", "--output", f"{tmp_path}/exact.csv"])
    exact = pd.read_csv(tmp_path / "exact.csv")
    assert {label for row in exact["labels"] for label in row.split(";")} <= {"=1+1", "@b", "-c"}
    options = SOURCES.options(
        "table", path=f"{tmp_path}/exact.csv", labels=["labels"], separator=";"
    )
    assert set(SOURCES["table"].load(options).label_names) <= {"=1+1", "@b", "-c"}
    guarded = [f"{tmp_path}/run", f"{tmp_path}/all.csv", "--spreadsheet", "--output"]
    predict_main([*guarded, f"{tmp_path}/guarded.csv"])
    cells = pd.read_csv(tmp_path / "guarded.csv")["labels"]
    assert cells.tolist() == [f"'{labels}" for labels in exact["labels"]]


def test_a_text_runs_words_are_kept(command: Command, tmp_path: Path) -> None:
    texts = [f"salt {'oven' if i % 2 else 'goal'} word{i % 3}" for i in range(200)]
    labels = ["cooking" if i % 2 else "sport" for i in range(200)]
    pd.DataFrame({"body": texts, "tags": labels}).to_csv(tmp_path / "texts.csv", index=False)
    ended: Outcome = command(
        main, "data=table", "data.path=texts.csv", "data.labels=[tags]", "data.text=body",
        "data.ngram_range=[1,2]", "data.buckets=64", "backbone=embedding_bag", "trainer.max_epochs=30",
        "optimizer.lr=0.05", "hydra.run.dir=run", *PLAIN,
    )  # fmt: skip
    assert ended.status == 0, ended.error
    pd.DataFrame({"body": ["salt oven hot", "one salt goal"]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    assert predict(tmp_path / "run", tmp_path / "new.csv")["labels"].tolist() == [
        "cooking",
        "sport",
    ]
    frame = pd.DataFrame({"id": ["a", "b"], "body": ["salt oven hot", "one salt goal"]})
    loaded = mlc.load(tmp_path / "run")
    for given in (frame, frame["body"], frame["body"].tolist()):
        np.testing.assert_array_equal(loaded.predict(given), [[True, False], [False, True]])
    with pytest.raises(DataError, match="no column 'body', which held the texts"):
        loaded.predict(frame.rename(columns={"body": "text"}))


@pytest.mark.parametrize(("backbone", "n_buckets"), [("mlp", 0), ("embedding_bag", 16)])
def test_words_that_a_run_left_out_are_left_out_again(
    backbone: str, n_buckets: int, command: Command, tmp_path: Path
) -> None:
    """Each text has a unique word, so that test texts hold words that no training text has."""
    rng = np.random.default_rng(0)
    common = [" ".join(f"word{w}" for w in rng.integers(12, size=4)) for _ in range(60)]
    texts = [f"{text} own{row} own{row}" for row, text in enumerate(common)]
    frame = pd.DataFrame({"body": texts, "kept": rng.integers(2, size=60)})
    frame.to_csv(tmp_path / "texts.csv", index=False)
    ended = command(
        main, "data=table", "data.path=texts.csv", "data.labels=[kept]", "data.text=body",
        "data.ngram_range=[1,2]", f"data.buckets={n_buckets}", "data.min_df=1",
        "data.max_features=25",
        f"backbone={backbone}", "trainer.max_epochs=3", "hydra.run.dir=run", *PLAIN,
    )  # fmt: skip
    assert ended.status == 0, ended.error
    run = tmp_path / "run"
    with np.load(run / "predictions.npz") as stored, np.load(run / "split.npz") as split:
        scores, rows = stored["scores"], split["test"]
    with np.load(run / "preprocessing.npz") as stored:
        names, used = stored["feature_names"], stored["scale"] != 0
    assert used.sum() == 25 + n_buckets
    assert not set(names[used]) & {f"own{row}" for row in rows}
    frame.iloc[rows][["body"]].to_csv(tmp_path / "new.csv", index=False)
    found = predict(run, tmp_path / "new.csv")["score:kept"].to_numpy()
    np.testing.assert_allclose(found, scores[:, 0], atol=1e-6)
    of_texts = mlc.load(run).scores(frame["body"].iloc[rows])
    np.testing.assert_allclose(of_texts, scores, atol=1e-6)


class TestAStrangersFolder:
    """Nothing in the folder is executed, and the error is one sentence."""

    @pytest.fixture
    def run(self, finished: Path, tmp_path: Path) -> Path:
        return shutil.copytree(finished, tmp_path / "run")

    def change(self, run: Path, **values: object) -> None:
        status = json.loads((run / "status.json").read_text())
        status["config"].update(values)
        (run / "status.json").write_text(json.dumps(status))

    def test_a_target_in_the_config_is_refused(self, run: Path) -> None:
        config = json.loads((run / "status.json").read_text())["config"]
        self.change(run, head={**config["head"], "_target_": "os.system"})
        with pytest.raises(RunFolderError, match="Key '_target_' not in"):
            mlc.load(run)

    def test_an_unknown_part_is_refused(self, run: Path) -> None:
        self.change(run, head={"name": "os.system"})
        with pytest.raises(ConfigError, match=r"There is no head named 'os.system'"):
            mlc.load(run)

    def test_pickled_arrays_are_not_read(self, run: Path) -> None:
        class Bomb:
            def __reduce__(self) -> object:
                return (pytest.fail, ("it was executed",))

        array = np.array([Bomb()], dtype=object)
        np.savez(run / "preprocessing.npz", shift=array, feature_names=np.array(["x"]))
        with pytest.raises(RunFolderError, match=r"preprocessing.npz cannot be read"):
            mlc.load(run)

    def test_pickled_weights_are_not_read(self, run: Path) -> None:
        (run / "checkpoint.safetensors").write_bytes(pickle.dumps({"weight": 1}))
        with pytest.raises(RunFolderError, match="no weights can be read"):
            mlc.load(run)

    def test_weights_of_another_shape_are_refused(self, run: Path) -> None:
        self.change(run, backbone={"name": "mlp", "widths": [9]})
        with pytest.raises(RunFolderError, match="weights of another model"):
            mlc.load(run)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_weights_that_are_not_finite_are_named_and_not_the_rows(
        self, value: float, run: Path
    ) -> None:
        path = run / "checkpoint.safetensors"
        weights = load_file(path)
        weights["head.output.bias"][0, 1] = value
        save_file(weights, path)
        with pytest.raises(
            RunFolderError, match=r"head\.output\.bias holds a value that is not finite"
        ):
            mlc.load(run)

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("scale", np.float32([1, np.inf]), "holds a scaling that is infinite"),
            ("shift", np.float32([-np.inf, 0]), "holds a scaling that is infinite"),
            ("least", np.float64([0, 0, 0]), "does not hold a scaling of its features"),
            ("weighting", np.array("x" * 5000), "names no known weighting"),
            ("feature_names", np.float32([1, 2]), "holds names that are no texts"),
            ("label_names", np.int64([1, 2]), "holds names that are no texts"),
            ("raw_names", np.float32([1]), "holds names that are no texts"),
        ],
    )
    def test_a_scaling_that_no_run_writes_is_named(
        self, key: str, value: np.ndarray, message: str, run: Path
    ) -> None:
        path = run / "preprocessing.npz"
        with np.load(path) as stored:
            np.savez(path, **{**stored, key: value})
        with pytest.raises(RunFolderError, match=rf"preprocessing\.npz {message}"):
            mlc.load(run)

    def test_the_file_of_a_config_that_cannot_be_used_is_named(self, run: Path) -> None:
        for changes in ({"seed": "x"}, {"head": {"name": "sigmoid", "gamma": 2}}, {"head": 3}):
            self.change(run, **changes)
            with pytest.raises(MlcError, match=rf"^{run}/status\.json"):
                mlc.load(run)

    def test_a_far_larger_model_is_not_built(self, run: Path) -> None:
        message = r"far fewer weights than the model|does not fit with|holds 100\d+ values, more"
        original = (run / "status.json").read_bytes()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for changed in (
            {"backbone": {"name": "mlp", "widths": [2 * 10**8]}},
            {"backbone": {"name": "mlp", "widths": [10**12]}},
            {"backbone": {"name": "mlp", "widths": [1] * 10**5}},
            {"backbone": {"name": "embedding_bag", "width": 10**9}},
            {"head": {"name": "chain", "n_chains": 10**9}},
            {"head": {"name": "bernoulli_mixture", "n_components": 10**8}},
        ):
            self.change(run, **changed)
            with pytest.raises(MlcError, match=message):
                mlc.load(run)
            (run / "status.json").write_bytes(original)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 500_000  # kB

    def test_files_that_claim_or_hide_more_than_they_hold_are_not_unpacked(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Zeros that were packed, a header of 10^12 rows, files that are nearly all holes."""
        arrays, weights = run / "preprocessing.npz", run / "checkpoint.safetensors"
        original, weight_bytes = arrays.read_bytes(), weights.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr("mlc.files.reading.free_bytes", lambda: 10**6)
            np.savez_compressed(arrays, label_sets=np.zeros((10**6, 10), dtype=bool))
            assert arrays.stat().st_size < 20_000
            with pytest.raises(RunFolderError, match="more than half the free memory"):
                mlc.load(run)
        with zipfile.ZipFile(arrays, "w") as archive:
            header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 4)}"
            padded = header.ljust(118 - 1) + b"\n"
            archive.writestr("shift.npy", b"\x93NUMPY\x01\x00\x76\x00" + padded)
        with pytest.raises(RunFolderError, match="another size than its shape"):
            mlc.load(run)
        arrays.write_bytes(original)
        for path in (arrays, weights):
            os.truncate(path, 10**11)
            with pytest.raises(RunFolderError, match=rf"{path.name}.*(cannot|can) be read"):
                mlc.load(run)
            path.write_bytes(original if path == arrays else weight_bytes)
        length = int.from_bytes(weight_bytes[:8], "little")
        names = json.loads(weight_bytes[8 : 8 + length])
        first = min(names, key=lambda name: names[name]["data_offsets"][0])
        for name, claimed in (("longer", [0, 10**11]), ("hidden", [10**9, 10**11])):
            changed = names | {first: {**names[first], "data_offsets": claimed}}
            content = json.dumps(changed if name == "longer" else names | {name: changed[first]})
            weights.write_bytes(len(content).to_bytes(8, "little") + content.encode())
            os.truncate(weights, 8 + len(content) + 10**11)
            with pytest.raises(RunFolderError, match="more bytes than its shape"):
                mlc.load(run)
        weights.write_bytes(weight_bytes)
        assert mlc.load(run).n_features == 2

    @pytest.mark.parametrize(
        "name", ["status.json", "rules.json", "preprocessing.npz", "checkpoint.safetensors"]
    )
    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\x00\xff" * 40, None])
    def test_damaged_files_are_named(self, name: str, content: bytes | None, run: Path) -> None:
        if content is None:
            (run / name).unlink()
        else:
            (run / name).write_bytes(content)
        with pytest.raises(MlcError):
            mlc.load(run)

    def test_an_unfinished_run_and_an_unknown_rule_are_refused(self, run: Path) -> None:
        with pytest.raises(
            RunFolderError, match=r"was not evaluated with the rule 'top_k': choose one of"
        ):
            mlc.load(run, "top_k")
        shutil.rmtree(run)
        with pytest.raises(RunFolderError, match="holds no finished run"):
            mlc.load(run)

    @pytest.mark.parametrize("within", ["sweep/toy/sigmoid/seed=0", "sweep/own=0", "sweep/a/b/c/d"])
    def test_of_a_sweeps_folder_a_run_is_named(
        self, within: str, run: Path, tmp_path: Path
    ) -> None:
        moved = tmp_path / within
        shutil.copytree(run, moved)
        with pytest.raises(RunFolderError, match=rf"of one, such as {re.escape(str(moved))}\."):
            mlc.load(tmp_path / "sweep")


@pytest.mark.parametrize("form", ["libsvm", "arrays"])
def test_new_files_of_every_source_that_reads_files(
    form: str, command: Command, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = x[:, :2] > 0

    def written(name: str, first: int, last: int) -> str:
        if form == "arrays":
            np.savez(tmp_path / f"{name}.npz", X=x[first:last], y=y[first:last])
            return f"{name}.npz"
        rows = [
            ",".join(map(str, np.flatnonzero(labels) + 7))
            + "".join(f" {j + 1}:{value!r}" for j, value in enumerate(map(float, features)))
            for features, labels in zip(x[first:last], y[first:last], strict=True)
        ]
        (tmp_path / name).write_text("\n".join(rows))
        return name

    ended: Outcome = command(
        main, *QUICK, f"data={form}", f"data.path={written('all', 0, 60)}", "hydra.run.dir=run"
    )
    assert ended.status == 0, ended.error
    table = predict(tmp_path / "run", tmp_path / written("new", 50, 60))
    names = ["score:7", "score:8"] if form == "libsvm" else ["score:0", "score:1"]
    assert table.columns.tolist() == ["row", "labels", *names]
    expected = mlc.load(tmp_path / "run").scores(x[50:])
    np.testing.assert_allclose(table[names], expected, atol=1e-6)


def test_rows_without_a_known_word_are_named() -> None:
    rows = csr_matrix(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=np.float32))
    note = note_on_empty_rows(rows, True)
    assert note is not None
    assert note.startswith("Warning: 2 of 4 rows hold no word of the training (row 2, 4): their")
    # A row of LIBSVM is none of words.
    note = note_on_empty_rows(rows[:3], False)
    assert note == (
        "Warning: 1 of 3 rows holds no value but 0 (row 2): its labels say nothing about it."
    )
    assert note_on_empty_rows(rows[[0, 2]], True) is None
    assert note_on_empty_rows(rows.toarray(), True) is None


def test_several_runs_are_refused_in_words_that_say_what_to_do(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("a,b\n1,2\n")
    for files in ([str(finished), "new.csv"], [str(finished)]):
        ended = command(predict_main, str(finished), *files)
        assert ended.status == 2
        assert ended.out == ""
        assert ended.error.endswith(
            f"mlc-predict: {finished} is the folder of a run, and a prediction is that of one run: give"
            " one run, then its files, and repeat the command with another --output for each further"
            " run.\n"
        )
    ended = command(predict_main, str(finished), "new.csv", "--skip-broken")
    assert "--skip-broken is for images" in ended.error


def test_what_other_libraries_say_of_damaged_files_is_shortened_and_their_warnings_are_not_shown(
    tmp_path: Path,
) -> None:
    assert cause(ValueError("x" * 500)) == shortened("x" * 500, 120)
    assert cause(KeyboardInterrupt()) == "KeyboardInterrupt"
    header = b"\x93NUMPY\x01\x00\x20\x00" + b"{'descr': '\\:', 'shape': (,".ljust(31) + b"\n"
    with zipfile.ZipFile(tmp_path / "preprocessing.npz", "w") as archive:
        archive.writestr("shift.npy", header)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RunFolderError, match="cannot be read"):
            read_arrays(tmp_path / "preprocessing.npz")


def test_a_run_that_names_no_feature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"new\.csv: the run names no feature"):
        select_columns(tmp_path / "new.csv", np.ones((3, 2)), ["a", "b"], [])
