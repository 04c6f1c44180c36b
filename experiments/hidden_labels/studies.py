"""The trainings on hidden labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.harness import Row, Trainings, Trial
from experiments.hidden_labels import sources
from mlc.decisions import build_decision
from mlc.metrics.final import decision_metrics
from mlc.runs.recorder import RunResult

# The source that the trials name.
SOURCE = sources.Hidden.name
# The mean number of labels of a training row, which EPR is told where one positive is known, as in its
# source.
DATA = {"emotions": 1.87, "scene": 1.07, "yeast": 4.24, "enron": 3.38}
N_LABELS = {"emotions": 6, "scene": 6, "yeast": 14, "enron": 53}
# The validation rows have all labels where one positive is known: positives alone tune no threshold.
CONDITIONS: dict[str, dict[str, Any]] = {
    "complete": {"data.hide": "none"},
    "20%": {"data.hide": "random", "data.share": 0.2, "data.hide_val": True},
    "50%": {"data.hide": "random", "data.share": 0.5, "data.hide_val": True},
    "80%": {"data.hide": "random", "data.share": 0.8, "data.hide_val": True},
    "50%, complete validation": {"data.hide": "random", "data.share": 0.5},
    "one positive": {"data.hide": "single"},
}
METHODS: dict[str, dict[str, Any]] = {
    "sigmoid": {"head": "sigmoid"},
    "AN": {"head": "assume_negative"},
    "WAN": {"head": "assume_negative"},
    "EPR": {"head": "expected_positive"},
    "pick_one": {"head": "pick_one"},
    "pick_one, AN": {"head": "pick_one", "data.as_negative": True},
    "label_powerset": {"head": "label_powerset"},
}
# Without hidden labels the assumption changes nothing; with one known label the softmax has one class.
LEFT_OUT = {"complete": ("AN", "WAN", "pick_one, AN"), "one positive": ("pick_one",)}
# The rule whose threshold is tuned for the pooled counts of all known labels.
MICRO = "global by jaccard_micro"
QUICK = {"data": ("emotions", "scene"), "conditions": ("complete", "50%", "one positive")}
SEEDS = {"quick": 3, "full": 5}


class Runs(Trainings):
    """Each method under each condition; each seed hides other labels."""

    experiment = "hidden_labels"
    metrics = ("jaccard_samples", "f1_macro", "cardinality_predicted")
    more = ("test/average_precision_macro", "test/lrap")

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row for each rule, and one for a threshold tuned for jaccard_micro."""
        evaluation = result.evaluation
        rule = build_decision("global", metric="jaccard_micro")
        rule.fit(evaluation.scores["val"], evaluation.targets["val"], evaluation.known["val"])
        row: Row = {"rule": MICRO, **{name: result.evaluation.metrics[name] for name in self.more}}
        for part, prefix in (("val", "val_"), ("test", "")):
            decided = rule.decide(evaluation.scores[part]).numpy()
            pairs = evaluation.targets[part], evaluation.known[part]
            values = decision_metrics(decided, *pairs)
            row |= {prefix + name: values[name] for name in self.metrics}
        return [*super().rows(trial, result), row]

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, conditions, methods and seeds."""
        is_quick = budget == "quick"
        return [
            trial_of(data, condition, method, seed)
            for data in DATA
            if not is_quick or data in QUICK["data"]
            for condition in CONDITIONS
            if not is_quick or condition in QUICK["conditions"]
            for method in METHODS
            if method not in LEFT_OUT.get(condition, ())
            for seed in range(SEEDS[budget])
        ]


def trial_of(data: str, condition: str, method: str, seed: int) -> dict[str, Any]:
    """Return the settings of one training."""
    settings = {**CONDITIONS[condition], **METHODS[method]}
    if method == "WAN":
        settings["head.weight"] = 1 / (N_LABELS[data] - 1)
    if method == "EPR" and condition == "one positive":
        settings["head.positives"] = DATA[data]
    of_data = {key: value for key, value in settings.items() if key.startswith("data")}
    of_head = {key: value for key, value in settings.items() if key not in of_data}
    return {
        "data": SOURCE, "data.path": f"{data}/{data}", "data.title": data, **of_data,
        "data.hide_seed": seed, **of_head, "seed": seed,
    }  # fmt: skip


def condition_of(row: Mapping[str, Any]) -> str:
    """Return the name of the condition of a row's settings."""
    if row["data.hide"] == "none":
        return "complete"
    if row["data.hide"] == "single":
        return "one positive"
    hides_val = str(row.get("data.hide_val")).lower() == "true"
    share = f"{float(row['data.share']):.0%}"
    return share if hides_val else f"{share}, complete validation"


def method_of(row: Mapping[str, Any]) -> str:
    """Return the name of the method of a row's settings."""
    is_negative = str(row.get("data.as_negative")).lower() == "true"
    names = {"sigmoid": "sigmoid", "expected_positive": "EPR", "label_powerset": "label_powerset"}
    if row["head"] == "pick_one":
        return "pick_one, AN" if is_negative else "pick_one"
    if row["head"] == "assume_negative":
        return "AN" if pd.isna(row.get("head.weight")) else "WAN"
    return names[str(row["head"])]
