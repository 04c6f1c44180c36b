"""The code to take away as a script: the data, and the estimator or a linear model fitted on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from mlc.comparing.code import rule_lines
from mlc.comparing.linear import HEAD_OF
from mlc.comparing.lines import as_list, call, changed, comment, literals
from mlc.comparing.settled import Settled
from mlc.config.registry import BACKBONES, DECISIONS, HEADS
from mlc.data.base import SOURCES, Dataset, SplitOptions
from mlc.evaluation.linear_models import YARDSTICKS

# Options of a source that do not change what is read.
_NOT_READ = {field.name for field in fields(SplitOptions)} | {"name", "title", "obtain", "root"}

_WITHOUT_TEST = 'train = np.setdiff1d(np.arange(data.n_samples), data.parts["test"])'


def estimator_code(
    config: Mapping[str, Any], settled: Settled, defaults: Mapping[str, Any], data: Dataset | None
) -> str:
    """The estimator with the options that differ from its defaults, on the data of the comparison.

    Args:
        config: of one of the runs, nested.
        settled: the head and rule.
        defaults: `MultiLabelClassifier().get_params(deep=False)`.
        data: the data set, for its shape; None where it was not loaded.
    """
    values: dict[str, Any] = {
        "head_options": changed(HEADS, settled.model.name, settled.model.options),
        "decision_options": changed(DECISIONS, settled.chosen, settled.chosen_options),
        **_network_options(config["backbone"]),
        **_optimizer_options(config["optimizer"], defaults),
        **{
            key: config["trainer"][key]
            for key in ("max_epochs", "batch_size", "monitor", "patience")
        },
        "weighting": _weighting(config["data"]),
    }
    given = {
        key: value
        for key, value in values.items()
        if value not in (None, {}) and as_list(defaults[key]) != value
    }
    arguments = literals({"decision": settled.chosen, **given, "random_state": 0})
    has_test = data is not None and "test" in data.parts
    return "\n".join([
        *(["import numpy as np"] if has_test else []),
        "from mlc import MultiLabelClassifier",
        *_data_lines(config["data"], data),
        call("classifier = MultiLabelClassifier", [repr(settled.model.name)], arguments),
        "classifier.fit(X, y)",
        *_new_rows(config["data"]),
        "label_sets = classifier.predict(new)  # (N, K), of data.label_names",
        "",
    ])  # fmt: skip


def linear_code(config: Mapping[str, Any], settled: Settled, data: Dataset) -> str:
    """A linear model of scikit-learn with the rule, on the data of the comparison.

    Args:
        config: of one of the runs, nested.
        settled: the linear model and rule.
        data: the data set.
    """
    kind = next(kind for kind in YARDSTICKS if kind.name == settled.model.name)
    model = kind().classifier(float(settled.model.options["C"]))
    package = type(model).__module__.rpartition(".")[0]
    scale, modules = _scaling_lines(data)
    return "\n".join([
        "import numpy as np",
        "from scipy.special import expit",
        *sorted({f"from {package} import {type(model).__name__}",
                 "from sklearn.pipeline import make_pipeline",
                 "from sklearn.multiclass import OneVsRestClassifier", *modules}),
        *_library_imports(settled),
        *_data_lines(config["data"], data),
        *scale,
        comment(
            f'MultiLabelClassifier("{HEAD_OF[kind.name]}", backbone="linear") of mlc minimises the same'
            " loss, chooses C and the rule on validation rows, and can be exported."
        ),
        call(f"model = {type(model).__name__}", _named_values(model)),
        *_fitting(settled),
        *_new_rows(config["data"]),
        "scores = expit(model.decision_function(new)).reshape(new.shape[0], -1)",
        *_decision_lines(settled),
        "",
    ])  # fmt: skip


def _named_values(model: Any) -> list[str]:
    """The parameters of a scikit-learn model that differ from their defaults."""
    defaults = type(model)().get_params()
    values = model.get_params()
    return [f"{key}={value!r}" for key, value in values.items() if value != defaults[key]]


def constant_code(labels: Sequence[str]) -> str:
    """The label set of every row, where no model is better."""
    return f"{call('LABEL_SET = list', [repr(list(labels))])}  # of every row\n"


def _data_lines(options: Mapping[str, Any], data: Dataset | None) -> list[str]:
    """The lines that read X and y as the comparison did, without the rows of a given test part."""
    source = options["name"]
    defaults = SOURCES.schema(source)()
    given = {
        key: value
        for key, value in options.items()
        if key not in _NOT_READ and as_list(getattr(defaults, key)) != as_list(value)
    }
    if options.get("root"):
        given["root"] = options["root"]
    lines = [
        "from mlc.data import load_data",
        "",
        call("OPTIONS = dict", [], literals(given)),
        f"data = load_data({source!r}, **OPTIONS)",
        comment("X: numbers as they are, a column for each category or word, NaN where a value is"
                " missing. y: 0 and 1 for each label."),
    ]  # fmt: skip
    has_test = data is not None and "test" in data.parts
    if hasattr(SOURCES[source], "read_samples"):
        lines[-1] = "# X: images as bytes. y: 0 and 1 for each label."
        images = "data.features.reshape(-1, *data.sample_shape)"
        if not has_test:
            return [*lines, f"X, y = {images}, data.targets"]
        return [*lines, _WITHOUT_TEST, f"X, y = {images}[train], data.targets[train]"]
    if not has_test:
        return [*lines, "X, y = data.features, data.targets"]
    return [
        *lines,
        _WITHOUT_TEST,
        "X, y = data.features[train], data.targets[train]",
    ]


def _new_rows(options: Mapping[str, Any]) -> list[str]:
    if "path" not in options:
        return ["new = X  # or other rows in the same columns"]
    source = options["name"]
    return [
        comment(
            f"Or rows of another file: mlc.data.load_features(FILE, data, {source!r}, **OPTIONS)."
        ),
        "new = X",
    ]


def _weighting(options: Mapping[str, Any]) -> str:
    """How counts enter the network: those of a text by TF-IDF, though none may exceed 1."""
    weighting = str(options.get("weighting", "auto"))
    return "tfidf" if weighting == "auto" and options.get("text") else weighting


def _network_options(backbone: Mapping[str, Any]) -> dict[str, Any]:
    names = ("widths", "dropout", "activation", "normalization")
    if backbone["name"] == "mlp" and not backbone.get("separate"):
        return {key: backbone[key] for key in names}
    options = {key: value for key, value in backbone.items() if key != "name"}
    return {
        "backbone": backbone["name"],
        "backbone_options": changed(BACKBONES, backbone["name"], options),
    }


def _optimizer_options(optimizer: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser and those of its options that the estimator has."""
    known = ("lr", "weight_decay", "schedule")
    return {
        "optimizer": optimizer["name"],
        **{key: optimizer[key] for key in known if key in optimizer and key in defaults},
    }


def _scaling_lines(data: Dataset) -> tuple[list[str], list[str]]:
    """The step that scales features as networks see them, and its imports."""
    is_sparse = hasattr(data.features, "tocsr")
    if is_sparse and data.weighting == "tfidf":
        return (
            ["scale = TfidfTransformer(sublinear_tf=True)"],
            ["from sklearn.feature_extraction.text import TfidfTransformer"],
        )
    if is_sparse:
        return ["scale = MaxAbsScaler()"], ["from sklearn.preprocessing import MaxAbsScaler"]
    return (
        [
            "# Columns of 0 and 1 stay as they are; a missing value becomes the mean.",
            "numeric = ~np.all((X == 0) | (X == 1) | np.isnan(X), axis=0)",
            "scale = make_pipeline(",
            '    ColumnTransformer([("numeric", StandardScaler(), numeric)],',
            '                      remainder="passthrough"),',
            "    FunctionTransformer(np.nan_to_num),",
            ")",
        ],
        [
            "from sklearn.compose import ColumnTransformer",
            "from sklearn.preprocessing import FunctionTransformer, StandardScaler",
        ],
    )


def _needs_fit(settled: Settled) -> bool:
    """Whether the rule is fitted on validation rows, for it has no numbers."""
    return DECISIONS[settled.rule].tuned_on != "nothing" and not settled.fitted


def _has_numbers(settled: Settled) -> bool:
    """Whether thresholds in the code say it all."""
    return settled.rule in ("fixed", "global", "per_label") and bool(settled.fitted)


def _library_imports(settled: Settled) -> list[str]:
    if _has_numbers(settled):
        return []
    uses_sets = DECISIONS[settled.rule].uses_training_sets
    return ["import torch"] * uses_sets + ["from mlc.decisions import build_decision"]


def _fitting(settled: Settled) -> list[str]:
    if not _needs_fit(settled):
        return ["model = make_pipeline(scale, OneVsRestClassifier(model)).fit(X, y)"]
    uses_sets = DECISIONS[settled.rule].uses_training_sets
    return [
        "# The rule is fitted on a fifth of the rows.",
        "is_val = np.random.default_rng(0).random(len(y)) < 0.2",
        "model = make_pipeline(scale, OneVsRestClassifier(model))",
        "model.fit(X[~is_val], y[~is_val])",
        *(["training_targets = torch.tensor(y[~is_val])"] if uses_sets else []),
        "validation_scores = expit(model.decision_function(X[is_val]))",
        "validation_scores = validation_scores.reshape(-1, y.shape[1])",
    ]


def _decision_lines(settled: Settled) -> list[str]:
    if not _has_numbers(settled):
        return [
            *rule_lines(settled, "validation_scores", "y[is_val]"),
            "label_sets = rule.decide(scores).numpy()  # (N, K)",
        ]
    threshold = settled.fitted["threshold"]
    lines = [f"label_sets = scores >= {threshold!r}  # (N, K)"]
    if settled.rule == "per_label":
        lines = [
            call("thresholds = np.array", [repr(threshold)]),
            "label_sets = scores >= thresholds",
        ]
    if settled.rule_options.get("at_least_one"):
        lines += [
            "empty = np.flatnonzero(~label_sets.any(axis=1))",
            "label_sets[empty, scores[empty].argmax(axis=1)] = True",
        ]
    return lines
