"""The scripts to take away, run as they are printed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc import MultiLabelClassifier
from mlc.comparing.linear_script import linear_code
from mlc.comparing.lines import WIDTH
from mlc.comparing.scripts import constant_code, estimator_code
from mlc.comparing.settled import Model, settle
from mlc.config.registry import BACKBONES, DECISIONS, HEADS, OPTIMIZERS
from mlc.config.schema import TrainerOptions
from mlc.data import Dataset, load_data, load_features
from mlc.data.base import SOURCES
from mlc.data.splits import Split
from mlc.evaluation.linear_models import YARDSTICKS, fit_scores
from mlc.evaluation.yardsticks import network_features


def options_of(registry: Any, name: str, **changed: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(registry[name].Options()), **changed}


def config_of(data: dict[str, Any], head: str = "sigmoid", **changed: Any) -> dict[str, Any]:
    """A run's config, nested, as its status holds it."""
    source = data["name"]
    values = {key: value for key, value in data.items() if key != "name"}
    parts = {
        "head": {"name": head, **options_of(HEADS, head)},
        "backbone": {"name": "mlp", **options_of(BACKBONES, "mlp", widths=[4])},
        "optimizer": {"name": "adamw", **options_of(OPTIMIZERS, "adamw")},
        "trainer": dataclasses.asdict(TrainerOptions(max_epochs=1)),
        "data": {**dataclasses.asdict(SOURCES.options(source, **values)), "name": source},
    }
    for key, value in changed.items():
        part, _, name = key.partition("__")
        parts[part][name] = value
    return parts


def table(folder: Path) -> dict[str, Any]:
    """Numbers and categories with gaps, dates, and labels of yes and no."""
    rng = np.random.default_rng(0)
    lines = ["age,kind,day,seen,red,blue"]
    for row in range(60):
        age, kind = rng.integers(9), rng.choice(["a", "b", ""])
        red, blue = age > 4, kind == "a"
        words = ["yes" if label else "no" for label in (red, blue)]
        cells = ["" if row == 3 else age, kind, f"2020-01-{row % 9 + 1:02}", row % 2, *words]
        lines.append(",".join(map(str, cells)))
    (folder / "things.csv").write_text("\n".join(lines))
    return {"name": "table", "path": str(folder / "things.csv"), "labels": ["red", "blue"]}


def texts(folder: Path) -> dict[str, Any]:
    """Texts whose words stand once in each, and cells of several labels."""
    lines = ["body,tags"]
    lines += [
        "salt and oven,cooking",
        "a goal,sport;league",
        "salted moon,",
        "oven goal,sport",
    ] * 12
    (folder / "posts.csv").write_text("\n".join(lines))
    path = str(folder / "posts.csv")
    return {"name": "table", "path": path, "labels": ["tags"], "text": "body"}


def arff(folder: Path) -> dict[str, Any]:
    """Numbers and a category in MEKA's form."""
    rows = [f"{row % 2},{row % 3 // 2},{row},{'uv'[row % 2]}" for row in range(40)]
    head = "@relation 'toy: -C 2'\n@attribute l1 {0,1}\n@attribute l2 {0,1}\n"
    head += "@attribute x numeric\n@attribute c {u,v}\n@data\n"
    (folder / "toy.arff").write_text(head + "\n".join(rows))
    return {"name": "arff", "path": str(folder / "toy.arff")}


def loaded(data: dict[str, Any]) -> Dataset:
    return load_data(data["name"], **{key: own for key, own in data.items() if key != "name"})


DATA = {"table": table, "texts": texts, "arff": arff}
STORED = [{"threshold": 0.3}, {"threshold": 0.4}]


@pytest.mark.parametrize("kind", DATA)
def test_the_estimator_runs_as_printed(kind: str, tmp_path: Path) -> None:
    data = DATA[kind](tmp_path)
    dataset = loaded(data)
    model = Model("sigmoid", options_of(HEADS, "sigmoid"), 0.5, dataset.label_names)
    own = settle(model, "global", options_of(DECISIONS, "global"), STORED)
    defaults = MultiLabelClassifier().get_params(deep=False)
    code = estimator_code(config_of(data), own, defaults, dataset)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["label_sets"].shape == dataset.targets.shape
    np.testing.assert_array_equal(names["y"], dataset.targets)
    again = load_features(data["path"], dataset, data["name"], **names["OPTIONS"])
    np.testing.assert_array_equal(names["classifier"].predict(again), names["label_sets"])
    assert names["classifier"].predictor_.scalings[0].weighting == dataset.weighting


def test_the_estimator_has_the_options_of_the_run(tmp_path: Path) -> None:
    data = table(tmp_path)
    options = options_of(HEADS, "focal", gamma=1.5)
    model = Model("focal", options, 0.5, ("red", "blue"))
    stored = [{"chosen": "top_k", "learned": {"top_k": {"k": 1}}}] * 2
    rule = options_of(DECISIONS, "auto", metric="f1_samples")
    own = settle(model, "auto", rule, stored)
    defaults = MultiLabelClassifier().get_params(deep=False)
    config = config_of(data, "focal", backbone__widths=[8], optimizer__lr=0.01)
    names: dict[str, Any] = {}
    exec(estimator_code(config, own, defaults, None), names)
    classifier = names["classifier"]
    assert classifier.head_options == {"gamma": 1.5}
    assert (classifier.widths, classifier.lr, classifier.max_epochs) == ([8], 0.01, 1)
    # What was measured is auto, and not the rule that it chose.
    assert (classifier.decision, classifier.decision_options) == ("auto", {"metric": "f1_samples"})


def test_options_that_the_estimator_cannot_have_are_named(tmp_path: Path) -> None:
    """As momentum or warm-up; the share of the validation rows it has."""
    data = {**table(tmp_path), "val_fraction": 0.4}
    model = Model("sigmoid", options_of(HEADS, "sigmoid"), 0.5, ("red", "blue"))
    own = settle(model, "global", options_of(DECISIONS, "global"), STORED)
    defaults = MultiLabelClassifier().get_params(deep=False)
    usual = estimator_code(config_of(data), own, defaults, None)
    assert "no parameter" not in usual
    assert "    val_fraction=0.4,\n" in usual
    config = config_of(
        data, optimizer__betas=[0.5, 0.9], trainer__warmup=0.1, trainer__compile=True
    )
    code = estimator_code(config, own, defaults, None)
    words = " ".join(line.removeprefix("# ") for line in code.splitlines())
    assert (
        "The runs had optimizer.betas=[0.5, 0.9], trainer.warmup=0.1 too, for which the estimator has"
        " no parameter."
    ) in words
    exec(code, {})
    images = config_of({"name": "images", "path": "photos", "augment": ["hflip"]})
    assert "data.augment=['hflip'] too" in estimator_code(images, own, defaults, None)


def test_the_printed_estimator_gives_the_same_scores_again(tmp_path: Path) -> None:
    data = table(tmp_path)
    dataset = loaded(data)
    model = Model("sigmoid", options_of(HEADS, "sigmoid"), 0.5, dataset.label_names)
    own = settle(model, "global", options_of(DECISIONS, "global"), STORED)
    defaults = MultiLabelClassifier().get_params(deep=False)
    code = estimator_code(config_of(data), own, defaults, dataset)
    assert "    random_state=0,\n" in code
    scores = []
    for _ in range(2):
        names: dict[str, Any] = {}
        exec(code, names)
        scores.append(names["classifier"].predict_proba(names["X"]))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("linear", YARDSTICKS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("kind", DATA)
def test_linear_models_run_as_printed_and_score_as_those_that_were_compared(
    kind: str, linear: Any, tmp_path: Path
) -> None:
    data = DATA[kind](tmp_path)
    dataset = loaded(data)
    model = Model(linear.name, {"C": "0.3"}, None, dataset.label_names)
    own = settle(model, "global", options_of(DECISIONS, "global", at_least_one=True), STORED)
    code = linear_code(config_of(data), own, dataset)
    assert max(map(len, code.splitlines())) <= max(WIDTH, len(data["path"]) + 20)
    names: dict[str, Any] = {}
    exec(code, names)
    rows = np.arange(dataset.n_samples)
    features = network_features(dataset, Split(rows, rows, rows))
    scores = fit_scores(linear(), features, dataset.targets, 0.3)["test"]
    np.testing.assert_allclose(names["scores"], scores, atol=2e-3)
    passed = names["scores"] >= 0.35
    top = names["scores"].argmax(axis=1)
    passed[np.arange(len(passed)), top] |= ~passed.any(axis=1)
    np.testing.assert_array_equal(names["label_sets"], passed)


@pytest.mark.parametrize(
    "rule", ["auto", "seen", "expected_jaccard", "top_k", "per_label", "fixed"]
)
def test_linear_models_run_with_every_rule_and_one_label(rule: str, tmp_path: Path) -> None:
    data = table(tmp_path) | {"labels": ["red"], "ignore": ["blue"]}
    stored: dict[str, Any] = {
        "auto": {"chosen": "calibrated (expected_jaccard)", "learned": {}},
        "top_k": {"k": 1},
        "per_label": {"threshold": [0.4]},
    }
    model = Model("logistic_regression", {"C": "3"}, 0.5, ("red",))
    own = settle(model, rule, options_of(DECISIONS, rule), [stored.get(rule, {})])
    names: dict[str, Any] = {}
    exec(linear_code(config_of(data), own, loaded(data)), names)
    assert names["label_sets"].shape == (60, 1)


def sparse(folder: Path, weighting: str, entries: list[float]) -> dict[str, Any]:
    """Five sparse columns, the first two of entries below what 32 bits distinguish from 0 near 1."""
    rng = np.random.default_rng(0)
    factors = [1e-9, 1e-30, 1, 10, 1] if weighting == "auto" else [1] * 5
    lines = []
    for row in range(60):
        cells = [f"{k}:{factor * rng.choice(entries)}" for k, factor in enumerate(factors)]
        lines.append(f"{row % 2} " + " ".join(cells[row % 2 :]))
    (folder / "rows.txt").write_text("\n".join(lines))
    return {"name": "libsvm", "path": str(folder / "rows.txt"), "weighting": weighting}


@pytest.mark.parametrize(
    ("weighting", "entries"),
    [("auto", [0.1, 0.7, 1.0]), ("binary", [1.0, 2.0, 5.0])],
    ids=["small", "binary"],
)
def test_sparse_columns_are_scaled_as_those_that_were_compared(
    weighting: str, entries: list[float], tmp_path: Path
) -> None:
    check_scale(loaded(data := sparse(tmp_path, weighting, entries)), data)


def test_missing_values_of_sparse_rows_are_zeros_as_in_the_comparison(tmp_path: Path) -> None:
    body = "\n".join(f"{{0 {row % 2}, 1 {row % 7 + 1.5 if row % 5 else '?'}}}" for row in range(40))
    head = "@relation 'gaps: -C 1'\n@attribute l {0,1}\n@attribute x numeric\n@data\n"
    (tmp_path / "gaps.arff").write_text(head + body)
    data = {"name": "arff", "path": str(tmp_path / "gaps.arff")}
    check_scale(loaded(data), data)


def check_scale(dataset: Dataset, data: dict[str, Any]) -> None:
    """The step `scale` of the printed script gives the features that networks see."""
    model = Model("logistic_regression", {"C": "1"}, 0.5, dataset.label_names)
    own = settle(model, "global", options_of(DECISIONS, "global"), STORED)
    names: dict[str, Any] = {}
    exec(linear_code(config_of(data), own, dataset), names)
    rows = np.arange(dataset.n_samples)
    seen = network_features(dataset, Split(rows, rows, rows))["train"].toarray()
    scaled = names["model"].steps[0][1].transform(names["X"]).toarray()
    np.testing.assert_allclose(scaled, seen, rtol=1e-5)


@pytest.mark.parametrize("linear", YARDSTICKS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("rule", ["per_label", "auto"])
@pytest.mark.filterwarnings("ignore:Label .* is present in all training examples")
def test_labels_of_all_or_no_rows_are_decided_as_those_that_were_compared(
    rule: str, linear: Any, tmp_path: Path
) -> None:
    lines = [f"{row},{int(row > 30)},1,0" for row in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,a,always,never", *lines]))
    labels = ["a", "always", "never"]
    data = {"name": "table", "path": str(tmp_path / "t.csv"), "labels": labels}
    stored: dict[str, Any] = {
        # As of a comparison: of "never" the least number above 0, which no row has.
        "per_label": {"threshold": [0.5, 1.0, 5e-324]},
        "auto": {"chosen": "global", "learned": {"global": {"threshold": 0.5}}},
    }
    model = Model(linear.name, {"C": "1"}, 0.5, tuple(labels))
    own = settle(model, rule, options_of(DECISIONS, rule), [stored[rule]] * 2)
    names: dict[str, Any] = {}
    exec(linear_code(config_of(data), own, loaded(data)), names)
    np.testing.assert_array_equal(names["scores"][:, 1:], np.tile([1.0, 0.0], (60, 1)))
    assert names["label_sets"][:, 1:].mean(axis=0).tolist() == [1, 0]


def test_a_constant_is_a_label_set() -> None:
    names: dict[str, Any] = {}
    exec(constant_code(["a", "b"]), names)
    assert names["LABEL_SET"] == ["a", "b"]
