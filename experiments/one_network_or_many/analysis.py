"""One network for all labels or one per label; and groups of mutually exclusive labels."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from experiments.harness import Experiment, Finding, Report
from experiments.harness.frames import complete_groups
from experiments.harness.plots import curve, headline, label_ends, panels
from experiments.harness.report import listed
from experiments.one_network_or_many.rates import choose
from experiments.one_network_or_many.studies import (
    SHARED_WIDTH,
    GroupRates,
    Groups,
    NetworkRates,
    Networks,
)
from experiments.rates import RATE, RATES, at_edge
from mlc.reporting.statistics import (
    Interval,
    PairedDifference,
    holm,
    mean_interval,
    paired_difference,
)
from mlc.reporting.tables import Table
from mlc.tracking.palette import styles

_OPEN = "not measured"
_OTHER_METRICS = ("f1_macro", "subset_accuracy")
_Kind = tuple[str, str]  # head and rule


class OneNetworkOrMany(Experiment):
    """The experiment on shared and separate networks, and on groups of labels."""

    name = "one_network_or_many"
    studies = (Networks(), Groups(), NetworkRates(), GroupRates())

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
        sizes = sorted(groups["data.n_train"].unique())
        by_rule = {
            f"{n:,} rows": _more(groups, n, flat_sigmoid, ("sigmoid", "global"), "jaccard_samples")
            for n in sizes
        }
        wrong = groups[(groups["head"] == "sigmoid") & (groups["rule"] == "fixed")]
        wrong_few = wrong[wrong["data.n_train"] == few]["impossible"].mean()
        report.numbers = {
            "alike": listed(alike),
            "larger": listed(larger),
            "alike_behind": _n_behind(alike),
            "larger_ahead": _ahead_elsewhere(networks, "many, as large each", "one"),
            "rule_jaccard": listed(by_rule),
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
        _report_rates(report, frames, networks, groups)
        return report


def _report_rates(
    report: Report,
    frames: Mapping[str, pd.DataFrame],
    networks: pd.DataFrame,
    groups: pd.DataFrame,
) -> None:
    """Add the tables, numbers and predictions with a rate chosen for each network and head."""
    more = frames["network_rates"]
    if len(more):
        more = more.assign(network=_networks(more))
        more = more[(more["rule"] == "global") | more["error"].notna()]
    tuned = choose(more, networks, "data", "network", "jaccard_samples")
    of_groups = choose(frames["group_rates"], groups, "data.n_train", "head", "subset_accuracy")
    report.tables["tuned_networks"] = (
        f"Test jaccard_samples with one tuned threshold and the rate (of {len(RATES)}) chosen on"
        " validation rows, and weights in thousands",
        _networks_table(tuned),
    )
    report.tables["tuned_groups"] = (
        f"Coloured digits, test subset_accuracy with the rate (of {len(RATES)}) chosen on"
        " validation rows (share of rows without exactly one digit and one colour), by number of"
        " training and validation rows",
        _groups_table(of_groups),
    )
    report.numbers["network_edges"] = at_edge(tuned[RATE], RATES)
    report.numbers["group_edges"] = at_edge(of_groups[RATE], RATES)
    alike = _less(tuned, "many, as large together", "one")
    larger = _less(tuned, "many, as large each", "one")
    numbers = sorted(of_groups["data.n_train"].unique())
    grouped, flat = ("grouped", "argmax_of_group"), ("sigmoid", "argmax_of_group")
    gains = {f"{n:,} rows": _more(of_groups, n, grouped, flat) for n in numbers}
    sets = ("label_powerset", "argmax_of_group")
    powerset = {f"{n:,} rows": _more(of_groups, n, sets, grouped) for n in numbers}
    differences = {
        "tuned_alike": alike, "tuned_larger": larger, "tuned_groups": gains, "tuned_powerset": powerset,
    }  # fmt: skip
    report.numbers |= {name: listed(each) or _OPEN for name, each in differences.items()}
    report.numbers["tuned_alike_behind"] = _n_behind(alike)
    report.numbers["tuned_larger_ahead"] = _ahead_elsewhere(tuned, "many, as large each", "one")
    p_values = holm([_paired(of_groups, n, sets, grouped).p_value for n in numbers])
    report.numbers["tuned_powerset_p"] = f"{min(p_values):.2f}" if p_values else _OPEN
    report.findings += [
        Finding(
            "that holds with a rate chosen for each network: with equal weights one for each label is at"
            " most 0.005 ahead",
            report.numbers["tuned_alike"],
            all(each.mean <= 0.005 for each in alike.values()) if alike else None,
        ),
        Finding(
            "with a rate chosen for each head flat sigmoids with the highest score of each group are"
            " still within 0.02 of a softmax for each group",
            report.numbers["tuned_groups"],
            all(abs(each.mean) < 0.02 for each in gains.values()) if gains else None,
        ),
    ]


def _networks(rows: pd.DataFrame) -> list[str]:
    return [
        "one"
        if str(row["backbone.separate"]) == "false"
        else "many, as large each"
        if row["backbone.widths"] == f"[{SHARED_WIDTH}]"
        else "many, as large together"
        for _, row in rows.iterrows()
    ]


def _less(
    rows: pd.DataFrame, network: str, other: str, metric: str = "jaccard_samples"
) -> dict[str, Interval]:
    values = rows.set_index(["data", "network", "seed"])[metric].sort_index()
    return {
        data: paired_difference(values[data, network], values[data, other]).interval
        for data in dict.fromkeys(rows["data"])
    }


def _n_behind(differences: Mapping[str, Interval]) -> str:
    """Count the differences whose interval lies below 0."""
    n_behind = sum(each.is_below for each in differences.values())
    return f"{n_behind} of {len(differences)}" if differences else _OPEN


def _ahead_elsewhere(rows: pd.DataFrame, network: str, other: str) -> str:
    """List the data sets on which a network is ahead beyond the interval by further metrics."""
    if rows.empty:
        return _OPEN
    ahead = {
        f"{data} {metric}": each
        for metric in _OTHER_METRICS
        for data, each in _less(rows, network, other, metric).items()
        if each.is_above
    }
    return listed(ahead) or "none"


def _more(
    rows: pd.DataFrame, n: int, one: _Kind, other: _Kind, metric: str = "subset_accuracy"
) -> Interval:
    return _paired(rows, n, one, other, metric).interval


def _paired(
    rows: pd.DataFrame, n: int, one: _Kind, other: _Kind, metric: str = "subset_accuracy"
) -> PairedDifference:
    """Compare two pairs of head and rule, with n rows."""
    subset = rows[rows["data.n_train"] == n]
    values = subset.set_index(["head", "rule", "seed"])[metric].sort_index()
    return paired_difference(values[one], values[other])


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
    figure, (panel,) = panels(1, width=7.5, height=2.8)
    shown = (("sigmoid", "fixed"), ("sigmoid", "argmax_of_group"), ("grouped", "argmax_of_group"),
             ("label_powerset", "argmax_of_group"))  # fmt: skip
    # A head with another rule has its colour and other dashes.
    drawn_as = list(styles({f"{head} {rule}": head for head, rule in shown}).values())
    ends: dict[str, tuple[float, str]] = {}
    for index, (head, rule) in enumerate(shown):
        group = rows[(rows["head"] == head) & (rows["rule"] == rule)].groupby("data.n_train")
        intervals = [mean_interval(values) for _, values in group["subset_accuracy"]]
        name, style = f"{head}, {rule}", drawn_as[index]
        curve(panel, list(group.groups), intervals, style, name)
        ends[name] = intervals[-1].mean, style.colour
    panel.set(
        xscale="log",
        xlabel="training and validation rows",
        ylabel="exact sets, higher is better",
    )
    numbers = sorted(rows["data.n_train"].unique())
    panel.set_xticks(numbers, [f"{n:,}" for n in numbers])
    panel.minorticks_off()
    label_ends(panel, ends, "sigmoid, fixed")
    headline(figure, "One label of each group: does the loss or the rule find more exact sets?")
    return figure


EXPERIMENT = OneNetworkOrMany()
