"""The code to take away as a script: the data, and a linear model of scikit-learn fitted on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler

from mlc.comparing.code import rule_lines
from mlc.comparing.linear import HEAD_OF
from mlc.comparing.lines import call, comment
from mlc.comparing.scripts import data_lines, new_rows
from mlc.comparing.settled import Settled
from mlc.config.registry import DECISIONS
from mlc.data.base import Dataset
from mlc.evaluation.linear_models import YARDSTICKS

# Somewhat above the magnitude below which `MaxAbsScaler` takes a column of 32 bits for constant zeros.
_SMALL = 1e-5
# With more rows of each kind, a label is not constant in four fifths of the rows by chance.
_FEW_ROWS = 20


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
        *data_lines(config["data"], data),
        *scale,
        comment(
            f'MultiLabelClassifier("{HEAD_OF[kind.name]}", backbone="linear") of mlc minimises the same'
            " loss, chooses C and the rule on validation rows, and can be exported."
        ),
        call(f"model = {type(model).__name__}", _named_values(model)),
        *_fitting(settled, _may_be_constant(data)),
        *new_rows(config["data"]),
        "scores = score(new)",
        *_decision_lines(settled),
        "",
    ])  # fmt: skip


def _named_values(model: Any) -> list[str]:
    """The parameters of a scikit-learn model that differ from their defaults."""
    defaults = type(model)().get_params()
    values = model.get_params()
    return [f"{key}={value!r}" for key, value in values.items() if value != defaults[key]]


def _scaling_lines(data: Dataset) -> tuple[list[str], list[str]]:
    """The step that scales features as networks see them, and its imports."""
    if hasattr(data.features, "tocsr"):
        return _sparse_scaling_lines(data)
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


def _sparse_scaling_lines(data: Dataset) -> tuple[list[str], list[str]]:
    """The same for sparse features: `MaxAbsScaler` leaves small columns and gaps as they are."""
    if data.weighting == "tfidf":
        return (
            ["scale = TfidfTransformer(sublinear_tf=True)"],
            ["from sklearn.feature_extraction.text import TfidfTransformer"],
        )
    transformer = "from sklearn.preprocessing import FunctionTransformer"
    if data.weighting == "binary":
        lines = ["scale = FunctionTransformer(lambda counts: (counts != 0).astype(float))"]
        return lines, [transformer]
    imports = ["from sklearn.preprocessing import MaxAbsScaler"]
    features: Any = data.features
    magnitudes = np.abs(features.data)
    largest = MaxAbsScaler().fit(features).max_abs_
    if not np.isnan(magnitudes).any() and not ((largest > 0) & (largest < _SMALL)).any():
        return ["scale = MaxAbsScaler()"], imports
    return (
        [
            "# MaxAbsScaler itself leaves columns below 1e-6, and missing values.",
            "largest = MaxAbsScaler().fit(X).max_abs_.astype(float)",
            "factors = 1 / np.where(largest > 3e-39, largest, 1)",
            "",
            "",
            "def divided(rows):",
            '    """Columns by their largest magnitude; a missing value becomes 0."""',
            "    rows = rows.multiply(factors).tocsr()",
            "    rows.data = np.nan_to_num(rows.data)",
            "    return rows",
            "",
            "",
            "scale = FunctionTransformer(divided)",
        ],
        [*imports, transformer],
    )


def _may_be_constant(data: Dataset) -> bool:
    """Whether all rows that a script fits, or none, may have some label."""
    train = np.setdiff1d(np.arange(data.n_samples), data.parts.get("test", ()))
    counts = np.asarray(data.targets[train]).sum(axis=0)
    return bool((np.minimum(counts, len(train) - counts) < _FEW_ROWS).any())


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


def _fitting(settled: Settled, may_be_constant: bool) -> list[str]:
    """The fit, the scores of rows as `fit_scores` gives them, and those of validation rows if needed."""
    needs_fit = _needs_fit(settled)
    targets = "y[~is_val]" if needs_fit else "y"
    uses_sets = DECISIONS[settled.rule].uses_training_sets
    values = "expit(model.decision_function(rows)).reshape(rows.shape[0], -1)"
    scoring = [f"    return {values}"]
    if may_be_constant:
        scoring = [
            f"    values = {values}",
            "    # scikit-learn gives 0.73 or 0.5 to a label of all or no rows.",
            f"    values[:, {targets}.all(axis=0)] = 1",
            f"    values[:, ~{targets}.any(axis=0)] = 0",
            "    return values",
        ]
    about = '    """In [0, 1], for each label: (N, K)."""'
    scoring = ["", "", "def score(rows):", about, *scoring, "", ""]
    if not needs_fit:
        return ["model = make_pipeline(scale, OneVsRestClassifier(model)).fit(X, y)", *scoring]
    return [
        "# The rule is fitted on a fifth of the rows.",
        "is_val = np.random.default_rng(0).random(len(y)) < 0.2",
        "model = make_pipeline(scale, OneVsRestClassifier(model))",
        "model.fit(X[~is_val], y[~is_val])",
        *scoring,
        *(["training_targets = torch.tensor(y[~is_val])"] if uses_sets else []),
        "validation_scores = score(X[is_val])",
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
