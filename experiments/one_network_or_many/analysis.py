"""One network for all labels or one per label; and groups of mutually exclusive labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.harness import Experiment, Finding, Report, Row, Trainings, Trial
from experiments.harness.frames import complete_groups
from experiments.harness.plots import curve, legend, panels
from experiments.harness.report import listed
from mlc.decisions import build_decision
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.runs.recorder import RunResult

SHARED_WIDTH = 256
# Settings, number of features, number of labels.
DATA: dict[str, tuple[dict[str, Any], int, int]] = {
    "emotions": ({"data": "emotions"}, 72, 6),
    "scene": ({"data": "scene"}, 294, 6),
    "yeast": ({"data": "yeast"}, 103, 14),
    "digits": ({"data": "digits"}, 384, 10),
    "world": ({"data": "world", "data.n_train": 2000, "data.energies": "network"}, 10, 6),
}
QUICK = ("emotions", "digits", "world")
SEEDS = {"quick": 3, "full": 10}
DIGIT_LABELS, COLOUR_LABELS = slice(0, 10), slice(10, 13)
GROUPS = [list(range(10)), list(range(10, 13))]
_ROWS = {"quick": (200, 1000), "full": (200, 500, 1000, 4000)}


def width_of_many(n_features: int, n_labels: int) -> int:
    """Return the width of separate networks that together have the weights of the shared one."""
    shared = (n_features + 1) * SHARED_WIDTH + (SHARED_WIDTH + 1) * n_labels
    return round((shared / n_labels - 1) / (n_features + 2))


class Networks(Trainings):
    """Sigmoids on a shared network, on many as large in total, and on many as large each."""

    name = "networks"
    experiment = "one_network_or_many"
    more = ("parameters",)
    max_runs = 10

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, networks and seeds."""
        trials: list[Trial] = []
        for name, (settings, n_features, n_labels) in DATA.items():
            if budget == "quick" and name not in QUICK:
                continue
            networks = {
                (SHARED_WIDTH, False): None,
                (width_of_many(n_features, n_labels), True): None,
                (SHARED_WIDTH, True): None,
            }
            for width, separate in networks:
                trials += [
                    {
                        **settings, "backbone.widths": [width], "backbone.separate": separate,
                        "head": "sigmoid", "seed": seed,
                    }
                    for seed in range(SEEDS[budget])
                ]  # fmt: skip
        return trials


class Groups(Trainings):
    """Coloured digits: a softmax per group, or sigmoids for all labels."""

    name = "groups"
    experiment = "one_network_or_many"
    metrics = ("subset_accuracy", "jaccard_samples", "hamming_loss")
    max_runs = 10

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a training, and the share of impossible predictions."""
        return (*super().columns[:-1], "impossible", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of rows, heads and seeds; each seed draws other images."""
        heads: tuple[dict[str, Any], ...] = (
            {"head": "sigmoid"},
            {"head": "grouped", "head.groups": GROUPS, "head.none": False},
            {"head": "label_powerset"},
        )
        return [
            {
                "data": "coloured_digits", "data.n_train": n, "data.seed": seed,
                "backbone.widths": [SHARED_WIDTH], **head, "seed": seed,
            }
            for n in _ROWS[budget]
            for head in heads
            for seed in range(SEEDS[budget])
        ]  # fmt: skip

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row per rule, and one for the highest score of each group."""
        evaluation = result.evaluation
        rows = super().rows(trial, result)
        for row in rows:
            row["impossible"] = impossible(evaluation.decisions["test"][row["rule"]])
        highest: Row = {"rule": "argmax_of_group"}
        for part, prefix in (("val", "val_"), ("test", "")):
            decided = torch.as_tensor(highest_of_groups(evaluation.scores[part]))
            targets = torch.as_tensor(evaluation.targets[part])
            for metric in self.metrics:
                highest[prefix + metric] = float(COUNT_METRICS[metric](decided, targets))
        return [*rows, {**highest, "impossible": impossible(decided.numpy())}]


def impossible(decisions: NDArray[np.bool_]) -> float:
    """Return the share of rows without exactly one digit and one colour."""
    groups = [decisions[:, labels].sum(axis=1) == 1 for labels in (DIGIT_LABELS, COLOUR_LABELS)]
    return float(1 - np.logical_and(*groups).mean())


def highest_of_groups(scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Predict the highest score of each group, and free labels with at least 0.5: (N, K)."""
    decided = build_decision("fixed").decide(scores).numpy()
    for labels in (DIGIT_LABELS, COLOUR_LABELS):
        group = scores[:, labels]
        decided[:, labels] = np.arange(group.shape[1]) == group.argmax(axis=1)[:, None]
    return decided


class OneNetworkOrMany(Experiment):
    """The experiment on shared and separate networks, and on groups of labels."""

    name = "one_network_or_many"
    studies = (Networks(), Groups())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report networks by data set, and groups by number of rows."""
        networks = frames["networks"].assign(network=_networks(frames["networks"]))
        networks = complete_groups(networks[networks["rule"] == "global"], ["data"], "network")
        groups = complete_groups(frames["groups"], ["data.n_train"], "head")
        report = Report()
        report.tables["networks"] = (
            "Test jaccard_samples with one tuned threshold, and weights in thousands",
            _networks_table(networks),
        )
        report.tables["groups"] = (
            "Coloured digits, test subset_accuracy (share of rows without exactly one digit and one"
            " colour), by training and validation rows",
            _groups_table(groups),
        )
        report.figures["groups"] = _figure(groups)
        alike = _less(networks, "many, as large together", "one")
        larger = _less(networks, "many, as large each", "one")
        few, many = groups["data.n_train"].min(), groups["data.n_train"].max()
        grouped, flat_sigmoid = ("grouped", "argmax_of_group"), ("sigmoid", "argmax_of_group")
        observed, fixed = ("label_powerset", "argmax_of_group"), ("sigmoid", "fixed")
        gain = {n: _more(groups, n, grouped, flat_sigmoid) for n in (few, many)}
        flat = {n: _more(groups, n, grouped, fixed) for n in (few, many)}
        powerset = {n: _more(groups, n, observed, grouped) for n in (few, many)}
        wrong = groups[(groups["head"] == "sigmoid") & (groups["rule"] == "fixed")]
        wrong_few = wrong[wrong["data.n_train"] == few]["impossible"].mean()
        report.numbers = {
            "alike": listed(alike),
            "larger": listed(larger),
            "gain_few": gain[few].signed(),
            "gain_many": gain[many].signed(),
            "flat_few": flat[few].signed(),
            "flat_many": flat[many].signed(),
            "wrong_few": f"{wrong_few:.0%}",
            "few": f"{few:,}",
            "many": f"{many:,}",
            "powerset_few": powerset[few].signed(),
            "powerset_many": powerset[many].signed(),
        }
        report.findings = [
            Finding(
                "with equal weights one shared network is at least as good as one for each label",
                report.numbers["alike"],
                all(interval.mean <= 0.005 for interval in alike.values()),
            ),
            Finding(
                "K times the weights change that by less than 0.02",
                report.numbers["larger"],
                all(abs(interval.mean) < 0.02 for interval in larger.values()),
            ),
            Finding(
                f"flat sigmoids at 0.5 give more than 20% of the rows an impossible label set with"
                f" {few} rows",
                f"{wrong_few:.0%}",
                bool(wrong_few > 0.2),
            ),
            Finding(
                "a softmax for each group finds the exact label set more often than flat sigmoids"
                " at 0.5",
                f"{few:,} rows {flat[few].signed()}; {many:,} rows {flat[many].signed()}",
                all(interval.mean > 0 for interval in flat.values()),
            ),
            Finding(
                "most of that is the decision: with the highest score of each group, flat sigmoids are"
                " within 0.02",
                f"{few:,} rows {gain[few].signed()}; {many:,} rows {gain[many].signed()}",
                all(abs(interval.mean) < 0.02 for interval in gain.values()),
            ),
            Finding(
                "a softmax over the observed label sets, which has to learn 120 classes, is behind"
                " the groups with few rows",
                powerset[few].signed(),
                powerset[few].mean < 0,
            ),
        ]
        return report


def _networks(rows: pd.DataFrame) -> list[str]:
    return [
        "one"
        if str(row["backbone.separate"]) == "false"
        else "many, as large each"
        if row["backbone.widths"] == f"[{SHARED_WIDTH}]"
        else "many, as large together"
        for _, row in rows.iterrows()
    ]


def _less(rows: pd.DataFrame, network: str, other: str) -> dict[str, Interval]:
    values = rows.set_index(["data", "network", "seed"])["jaccard_samples"].sort_index()
    return {
        data: paired_difference(values[data, network], values[data, other]).interval
        for data in dict.fromkeys(rows["data"])
    }


def _more(rows: pd.DataFrame, n: int, one: tuple[str, str], other: tuple[str, str]) -> Interval:
    """Return the difference in subset accuracy of two pairs of head and rule, with n rows."""
    subset = rows[rows["data.n_train"] == n]
    values = subset.set_index(["head", "rule", "seed"])["subset_accuracy"].sort_index()
    return paired_difference(values[one], values[other]).interval


def _networks_table(rows: pd.DataFrame) -> Table:
    data_sets = list(dict.fromkeys(rows["data"]))
    lines = []
    for network in dict.fromkeys(rows["network"]):
        cells = []
        for data in data_sets:
            group = rows[(rows["data"] == data) & (rows["network"] == network)]
            weights = group["parameters"].iloc[0] / 1000
            cells.append(f"{mean_interval(group['jaccard_samples'])} ({weights:.0f})")
        lines.append([network, *cells])
    return Table(["networks", *data_sets], lines, 1)


def _groups_table(rows: pd.DataFrame) -> Table:
    numbers = sorted(rows["data.n_train"].unique())
    lines = []
    for (head, rule), group in rows.groupby(["head", "rule"], sort=False):
        cells = []
        for n in numbers:
            subset = group[group["data.n_train"] == n]
            shown = mean_interval(subset["subset_accuracy"])
            cells.append(f"{shown} ({subset['impossible'].mean():.0%})")
        lines.append([str(head), str(rule), *cells])
    return Table(["head", "rule", *(f"{n:,}" for n in numbers)], lines)


def _figure(rows: pd.DataFrame) -> Figure:
    figure, (panel,) = panels(1, width=6)
    shown = (("sigmoid", "fixed"), ("sigmoid", "argmax_of_group"), ("grouped", "argmax_of_group"),
             ("label_powerset", "argmax_of_group"))  # fmt: skip
    for index, (head, rule) in enumerate(shown):
        group = rows[(rows["head"] == head) & (rows["rule"] == rule)].groupby("data.n_train")
        intervals = [mean_interval(values) for _, values in group["subset_accuracy"]]
        curve(panel, list(group.groups), intervals, index, f"{head}, {rule}")
    panel.set(xscale="log", xlabel="training and validation rows", ylabel="test subset_accuracy")
    numbers = sorted(rows["data.n_train"].unique())
    panel.set_xticks(numbers, [f"{n:,}" for n in numbers])
    panel.minorticks_off()
    legend(figure, panel, 2)
    return figure


EXPERIMENT = OneNetworkOrMany()
