"""Does imbalance make a network predict nothing, and does weighting help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from experiments.harness import Experiment, Finding, Report, Row, Trainings, Trial
from experiments.harness.frames import complete_groups
from experiments.harness.report import listed
from experiments.imbalance.bin_findings import report_bins
from experiments.imbalance.by_positives import ByPositives
from experiments.imbalance.empty import empty_figure
from mlc.decisions import build_decision
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.runs.folder import BEST_VALUE
from mlc.runs.recorder import RunResult
from mlc.training.loop import Epoch, Training

HEADS = ("sigmoid", "weighted_sigmoid", "class_balanced", "focal", "asymmetric", "zlpr")
# Eight labels, equally frequent or with frequencies from 1/2 to 1/1000.
WORLD = {"data": "world", "data.n_labels": 8, "data.dependence": 1.0, "data.n_train": 20_000,
         "data.n_test": 10_000, "trainer.batch_size": 256}  # fmt: skip
DATA: dict[str, dict[str, Any]] = {
    "50%": WORLD | {"data.cardinality": 4.0, "data.imbalance": 0.0},
    "10%": WORLD | {"data.cardinality": 0.8, "data.imbalance": 0.0},
    "1%": WORLD | {"data.cardinality": 0.08, "data.imbalance": 0.0},
    "0.1%": WORLD | {"data.cardinality": 0.008, "data.imbalance": 0.0},
    "50% to 0.1%": WORLD | {"data.cardinality": 1.2, "data.imbalance": 6.9},
    "imdb": {"data": "imdb", "trainer.batch_size": 512, "trainer.max_epochs": 6},
}
QUICK = ("10%", "1%", "50% to 0.1%")
# Heads weight their gradients differently, so a common rate would favour some of them.
RATES = (0.002, 0.006, 0.02)
FOLLOWED = (1, 2, 3, 4, 6, 10, 20, 40)
SEEDS = {"quick": 3, "full": 5}
METRICS = (
    "hamming_loss", "jaccard_samples", "f1_micro", "f1_macro", "precision_micro",
    "precision_macro", "recall_micro", "recall_macro", "subset_accuracy", "cardinality_predicted",
)  # fmt: skip
_RANKED_BY = "average_precision_macro"
RANKINGS = (_RANKED_BY, "lrap", "ranking_loss", "roc_auc_macro")


class Runs(Trainings):
    """Each head at each rate on each degree of imbalance, with the baselines that ignore features.

    "val_loss" is the loss of the head on the validation rows in the chosen epoch.
    """

    experiment = "imbalance"
    max_runs = 10
    columns = ("rule", "epoch", "empty", "val_loss", *METRICS, *RANKINGS, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, heads, rates and seeds; each seed draws another world."""
        return [
            {
                **settings,
                **({"data.seed": seed} if settings["data"] == "world" else {}),
                "head": head,
                "optimizer.lr": rate,
                "seed": seed,
            }
            for name, settings in DATA.items()
            if budget == "full" or name in QUICK
            for head in HEADS
            for rate in RATES
            for seed in range(min(SEEDS[budget], 3 if name == "imdb" else 5))
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return test metrics by rule; the rows of one head include the baselines as rules."""
        metrics, rows = result.evaluation.metrics, []
        shared = {name: metrics[f"test/{name}"] for name in RANKINGS}
        shared["val_loss"] = result.facts[BEST_VALUE]
        for rule, decided in result.evaluation.decisions["test"].items():
            by_rule = {name: metrics[f"test/{rule}/{name}"] for name in METRICS}
            empty = float((~decided.any(axis=1)).mean())
            rows.append({"rule": rule, "empty": empty, **by_rule, **shared})
        if trial["head"] == HEADS[0]:
            for name, values in result.evaluation.baselines.items():
                for rule in dict.fromkeys(key.split("/")[1] for key in values):
                    by_rule = {m: values[f"test/{rule}/{m}"] for m in METRICS}
                    rows.append({"rule": f"{name} {rule}", **by_rule})
        return rows

    def watch(self, training: Training, epoch: Epoch) -> list[list[Row]] | None:
        """Return the share of validation rows without a prediction at the natural threshold."""
        if epoch.number not in FOLLOWED:
            return None
        head, empty = training.model.head, []
        natural = head.natural_threshold(head.n_labels)
        rule = build_decision("fixed", natural_threshold=natural)
        for outputs, *_ in training.model.outputs(training.data, training.val_rows):
            empty.append(~rule.decide(head.predict(outputs)).any(dim=-1))
        shares = torch.cat(empty, dim=1).double().mean(dim=1)
        return [[{"epoch": epoch.number, "empty": float(share)}] for share in shares]


class Imbalance(Experiment):
    """The experiment on imbalance."""

    name = "imbalance"
    studies = (Runs(), ByPositives())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report empty predictions, metrics, baselines, and labels by their number of positives."""
        rows = frames["runs"].assign(set=_set_names(frames["runs"]))
        rows = complete_groups(rows, ["set"], "head")
        tuned = tune(rows)
        judged, epochs = tuned[tuned["epoch"].isna()], tuned[tuned["epoch"].notna()]
        report = Report()
        report.tables["empty"] = (
            "Share of the test rows for which nothing is predicted: at the head's own threshold / at"
            " the one tuned for jaccard_samples / at each label's own",
            _empty_table(judged),
        )
        for metric in ("f1_macro", _RANKED_BY):
            report.tables[metric] = (
                f"Test {metric} of sigmoid, and the differences of the other heads from it (paired by"
                " world and seed)",
                _metric_table(judged, metric),
            )
        report.tables["rates"] = (
            "Test average_precision_macro by learning rate (> the rate chosen most often, by the head's"
            " own loss on validation rows)",
            _rates_table(rows[rows["rule"] == "fixed"], judged),
        )
        report.tables["metrics"] = (
            "Each metric of sigmoid and of the baselines without features",
            _metrics_table(judged),
        )
        report.figures["empty"] = empty_figure(
            epochs, [name for name in DATA if (epochs["set"] == name).any()], HEADS
        )
        self._find(report, judged, epochs)
        slowest = rows[(rows["rule"] == "fixed") & (rows["optimizer.lr"] == RATES[0])]
        slow = _more(slowest, ("weighted_sigmoid", "fixed"), ("sigmoid", "fixed"), _RANKED_BY)
        report.numbers["slow_rate"] = f"{RATES[0]:g}"
        report.numbers["order_slow"] = listed(slow)
        report.numbers["order_slow_rare"] = _at_one_percent(slow)
        report.numbers |= _of_weights(judged)
        report_bins(report, frames["by_positives"])
        return report

    def _find(self, report: Report, judged: pd.DataFrame, epochs: pd.DataFrame) -> None:
        empty = judged.groupby(["set", "head", "rule"])["empty"].mean()
        sets = [name for name in DATA if (judged["set"] == name).any()]
        rare = [name for name in sets if name in ("1%", "0.1%")]
        common = [name for name in sets if name not in rare]
        fixed = empty.xs(("sigmoid", "fixed"), level=("head", "rule"))
        by_epoch = epochs[epochs["head"] == "sigmoid"].groupby(["set", "epoch"])["empty"].mean()
        first = {name: by_epoch[name].iloc[0] for name in sets}
        last = {name: by_epoch[name].iloc[-1] for name in sets}

        plain, weighted = ("sigmoid", "fixed"), ("weighted_sigmoid", "fixed")
        by_label, both = ("sigmoid", "per_label"), ("weighted_sigmoid", "per_label")
        tuned = _more(judged, by_label, plain, "f1_macro")
        weighing = _more(judged, weighted, plain, "f1_macro")
        remaining = _more(judged, both, by_label, "f1_macro")
        order = _more(judged, weighted, plain, _RANKED_BY)
        one_threshold = _more(
            judged, ("weighted_sigmoid", "global"), ("sigmoid", "global"), "jaccard_samples"
        )
        accuracy = (
            1
            - judged[judged["rule"] == "most_frequent_set constant"]
            .groupby("set")["hamming_loss"]
            .mean()
        )
        report.numbers = {
            "fixed": _listed(fixed[sets], "{:.1%}"),
            "first": _listed(first, "{:.1%}"),
            "last": _listed(last, "{:.1%}"),
            "tuned": listed(tuned),
            "weighing": listed(weighing),
            "left": listed(remaining),
            "order": listed(order),
            "one_threshold": listed(one_threshold),
            "left_rare": _at_one_percent(remaining),
            "order_rare": _at_one_percent(order),
            "accuracy": _listed(accuracy[sets], "{:.1%}"),
        }
        report.findings = [
            Finding(
                "with labels of 1% and rarer, sigmoids at 0.5 predict nothing for more than 95% of the"
                " rows",
                _listed(fixed[rare], "{:.1%}"),
                bool(rare) and bool((fixed[rare] > 0.95).all()),
            ),
            Finding(
                "with labels of 10% or a mixture they do not: below 90% (with labels of 10% nothing is"
                " right for 43%)",
                _listed(fixed[common], "{:.1%}"),
                bool((fixed[common] < 0.9).all()),
            ),
            Finding(
                "they begin by predicting nothing and leave it as they learn",
                f"validation rows, first epoch {report.numbers['first']}; last"
                f" {report.numbers['last']}",
                all(first[name] >= last[name] for name in sets),
            ),
            Finding(
                "a threshold for each label mends f1_macro without any weighting",
                report.numbers["tuned"],
                all(gain.mean > 0 for gain in tuned.values()),
            ),
            Finding(
                "weighting mends it as well at 0.5, and adds less than 0.02 once thresholds are tuned",
                f"at 0.5 {report.numbers['weighing']}; tuned {report.numbers['left']}",
                all(gain.mean > 0 for gain in weighing.values())
                and all(abs(gain.mean) < 0.02 for gain in remaining.values()),
            ),
            Finding(
                "weighting does not change the ranking: average precision within 0.02",
                report.numbers["order"],
                all(abs(gain.mean) < 0.02 for gain in order.values()),
            ),
            Finding(
                "label accuracy (1 - Hamming loss) of predicting the most frequent set is above 85%"
                " wherever labels are rarer than 50%",
                report.numbers["accuracy"],
                bool((accuracy[[n for n in sets if n != "50%"]] > 0.85).all()),
            ),
        ]


def _of_weights(judged: pd.DataFrame) -> dict[str, str]:
    """Return the gains in average precision on imdb, and how often the largest rate is chosen."""
    fixed = judged[judged["rule"] == "fixed"]
    gains = {
        head: _more(fixed, (head, "fixed"), (HEADS[0], "fixed"), _RANKED_BY).get("imdb")
        for head in HEADS[1:]
    }
    largest = fixed["optimizer.lr"] == RATES[-1]
    smallest = fixed[fixed["set"] == "imdb"]["optimizer.lr"] == RATES[0]
    by_set = largest.groupby(fixed["set"], sort=False).agg(["sum", "size"])
    edges = ", ".join(f"{name} {row['sum']} of {row['size']}" for name, row in by_set.iterrows())
    measured = {head: gain for head, gain in gains.items() if gain is not None}
    return {
        "order_imdb": listed(measured) or "not measured",
        "largest_rate": _count(largest),
        "largest_rate_by_set": edges,
        "largest_rate_rare": _count(largest[fixed["set"] == "1%"]),
        "smallest_rate_imdb": _count(smallest),
    }


def _count(chosen: pd.Series) -> str:
    return f"{chosen.sum()} of {len(chosen)}"


def _at_one_percent(gains: Mapping[str, Interval]) -> str:
    return gains["1%"].signed() if "1%" in gains else "not measured"


def tune(rows: pd.DataFrame) -> pd.DataFrame:
    """Return all rows of the runs whose rate has the best validation loss."""
    losses = rows[rows["rule"] == "fixed"]
    best = losses.groupby(["set", "head", "seed"], sort=False)["val_loss"].idxmin()
    return rows[rows["run"].isin(losses.loc[best, "run"])]


def _more(
    rows: pd.DataFrame, one: tuple[str, str], other: tuple[str, str], metric: str
) -> dict[str, Interval]:
    """Return the differences of two pairs of head and rule in each set, paired by world."""
    values = rows.set_index(["set", "head", "rule", "seed"])[metric].sort_index()
    return {
        name: paired_difference(values[(name, *one)], values[(name, *other)]).interval
        for name in DATA
        if (rows["set"] == name).any()
    }


def _set_names(rows: pd.DataFrame) -> pd.Series:
    def name(row: pd.Series) -> str:
        for key, settings in DATA.items():
            if all(row.get(k) == v for k, v in settings.items() if k.startswith("data")):
                return key
        raise KeyError(row["run"])

    runs = rows.drop_duplicates("run").set_index("run", drop=False)
    return rows["run"].map(runs.apply(name, axis=1))


def _listed(values: Mapping[str, float] | pd.Series, form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())


def _empty_table(judged: pd.DataFrame) -> Table:
    sets = [name for name in DATA if (judged["set"] == name).any()]
    groups = judged.groupby(["set", "head", "rule"])["empty"].mean()
    lines = []
    for head in HEADS:
        cells = [
            " / ".join(
                f"{groups[name, head, rule]:.0%}" for rule in ("fixed", "global", "per_label")
            )
            for name in sets
        ]
        lines.append([head, *cells])
    return Table(["head", *sets], lines, 1)


def _metric_table(judged: pd.DataFrame, metric: str) -> Table:
    sets = [name for name in DATA if (judged["set"] == name).any()]
    rules = ("fixed", "per_label") if metric in METRICS else ("fixed",)
    lines = []
    for head in HEADS:
        for rule in rules:
            subset = (
                judged[judged["rule"] == rule]
                .set_index(["set", "head", "seed"])[metric]
                .sort_index()
            )
            cells = []
            for name in sets:
                values, sigmoid = subset[name, head], subset[name, HEADS[0]]
                if head == HEADS[0]:
                    cells.append(str(mean_interval(values)))
                else:
                    cells.append(mean_interval(values - sigmoid).signed())
            lines.append([head, rule if len(rules) > 1 else "-", *cells])
    return Table(["head", "rule", *sets], lines)


def _rates_table(rows: pd.DataFrame, judged: pd.DataFrame) -> Table:
    sets = [name for name in DATA if (rows["set"] == name).any()]
    chosen = judged[judged["rule"] == "fixed"].groupby(["set", "head"])["optimizer.lr"]
    most = chosen.agg(lambda rates: rates.mode().iloc[0])
    values = rows.groupby(["set", "head", "optimizer.lr"])[_RANKED_BY]
    lines = []
    for head in HEADS:
        for rate in RATES:
            cells = [
                (">" if most[name, head] == rate else "")
                + str(mean_interval(values.get_group((name, head, rate))))
                for name in sets
            ]
            lines.append([head, f"{rate:g}", *cells])
    return Table(["head", "rate", *sets], lines)


def _metrics_table(judged: pd.DataFrame) -> Table:
    shown = ("hamming_loss", "subset_accuracy", "jaccard_samples", "precision_micro",
             "recall_micro", "f1_micro", "f1_macro", "average_precision_macro")  # fmt: skip
    contestants = ("fixed", "per_label", "most_frequent_set constant", "prior per_label")
    sigmoid = judged[judged["head"] == HEADS[0]]
    lines = []
    for name in DATA:
        for rule in contestants:
            subset = sigmoid[(sigmoid["set"] == name) & (sigmoid["rule"] == rule)]
            if len(subset):
                label = f"sigmoid {rule}" if rule in ("fixed", "per_label") else f"({rule})"
                values = [subset[metric].mean() for metric in shown]
                lines.append([name, label, *("-" if np.isnan(v) else f"{v:.3f}" for v in values)])
    return Table(["labels", "contestant", *shown], lines)


EXPERIMENT = Imbalance()
