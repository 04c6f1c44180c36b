"""Can the number of samples catch up with 2^K outputs?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.harness import Experiment, Finding, Report
from experiments.harness.frames import complete_groups
from experiments.harness.plots import headline, legend, panels
from experiments.powerset_samples.choice import TOLERANCE, choice_table, choices
from experiments.powerset_samples.crossings import WORLD, crossing_points, rounded, rule_of_thumb
from experiments.powerset_samples.gains import (
    choices_of_sigmoid,
    costs_of_one_rate,
    gains_with_all_rows,
)
from experiments.powerset_samples.studies import (
    HEADS,
    RATES,
    WIDER_RATES,
    MoreLabels,
    OneRate,
    Runs,
    Structures,
    WeakerDependence,
)
from experiments.powerset_samples.wider import (
    more_labels,
    report_wider,
    tune,
    weaker,
)
from experiments.rates import at_edge
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style, series_style

REGRETS = {"jaccard_samples": "Jaccard", "subset_accuracy": "subset accuracy"}
_NEVER = "none seen"
_SETTING = ["data.n_labels", "data.dependence", "data.n_train"]


class PowersetSamples(Experiment):
    """The experiment on the number of samples that a powerset needs."""

    name = "powerset_samples"
    studies = (Runs(), OneRate(), Structures(), MoreLabels(), WeakerDependence())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report regrets, crossing points and a rule of thumb."""
        all_rates = complete_groups(frames["runs"], _SETTING, "head")
        tuned = tune(all_rates)
        one_rate = complete_groups(frames["one_rate"], _SETTING, "head")
        more = more_labels(frames["more_labels"])
        less = weaker(frames["weaker_dependence"], one_rate)
        rows = pd.concat([tuned, more, less], ignore_index=True)
        report = Report()
        for metric, name in REGRETS.items():
            report.tables[f"crossing_{metric}"] = (
                f"Training rows from which powerset's {name} regret is below sigmoid's: geometric"
                " mean of the worlds that cross (their range; how many do)",
                _crossing_table(crossing_points(rows, metric)),
            )
        strongest, largest = rows["data.dependence"].max(), tuned["data.n_labels"].max()
        report.tables["regret"] = (
            f"Jaccard regret at dependence {strongest:g}, by training rows",
            _regret_table(rows[rows["data.dependence"] == strongest]),
        )
        report.tables["rates"] = (
            f"Jaccard regret at dependence {strongest:g} and K = {largest}, by learning rate and"
            " training rows (> the rate with the best validation loss most often)",
            _rates_table(
                *(
                    selected[
                        (selected["data.dependence"] == strongest)
                        & (selected["data.n_labels"] == largest)
                    ]
                    for selected in (all_rates, tuned)
                )
            ),
        )
        report.tables["choice"] = (
            f"The simplest head whose regret is within {TOLERANCE:g} of the lowest (in brackets"
            " the regret of sigmoid less its own)",
            choice_table(rows, REGRETS),
        )
        report.figures["regret"] = _regret_figure(rows, "jaccard_samples")
        report.figures["crossing"] = _crossing_figure(rows)
        self._find(report, tuned)
        first = more_labels(frames["more_labels"], WIDER_RATES)
        report_wider(report, more, first, less, frames["structures"])
        report.numbers["edges"] = at_edge(tuned["optimizer.lr"], RATES)
        slow = all_rates[all_rates["optimizer.lr"] == RATES[0]]
        for name, selected in (("crossing_slow", slow), ("crossing_tuned", tuned)):
            hard = crossing_points(selected, "jaccard_samples").dropna()
            n = hard[(hard["data.dependence"] == strongest) & (hard["data.n_labels"] == largest)][
                "n"
            ]
            report.numbers[name] = rounded(_geometric_mean(n)) if len(n) else _NEVER
        report.numbers["choice_sigmoid"] = choices_of_sigmoid(rows, REGRETS)
        report.numbers["choice_dependent"] = choices_of_sigmoid(rows, REGRETS, dependent=True)
        report.numbers["crossed_by"] = gains_with_all_rows(tuned, "jaccard_samples")
        report.numbers["crossed_by_exact"] = gains_with_all_rows(tuned, "subset_accuracy")
        at_one, at_chosen = (
            each[(each["data.dependence"] == strongest) & (each["data.n_labels"] == largest)]
            for each in (slow, tuned)
        )
        shown = ("sigmoid", "pairwise", "powerset")
        report.numbers["slow_costs"] = costs_of_one_rate(at_one, at_chosen, shown)
        report.numbers |= {"slow_rate": f"{RATES[0]:g}", "most_tuned": f"{largest:g}"}
        return report

    def _find(self, report: Report, rows: pd.DataFrame) -> None:
        """Add numbers and findings on the worlds in which the rates of all heads are tuned."""
        weakest, strongest = rows["data.dependence"].min(), rows["data.dependence"].max()
        jaccard, subset = (crossing_points(rows, metric) for metric in REGRETS)
        alone = jaccard[jaccard["data.dependence"] == weakest]
        hard = jaccard[jaccard["data.dependence"] == strongest]
        both = jaccard.merge(subset, on=WORLD, suffixes=("", "_subset"))
        both = both[both["n"].notna() & both["n_subset"].notna()]
        dependent = jaccard[jaccard["data.dependence"] > 0]
        rule = rule_of_thumb(dependent, float(rows["data.n_train"].max()))
        means = rows.groupby(["data.n_labels", "data.dependence", "data.n_train", "head"])
        values = means["jaccard_samples"].mean().unstack("head")
        pairwise = (values["pairwise"] <= values["sigmoid"] + 0.001).mean()
        powerset = (values["label_powerset"] <= values["powerset"] + 0.001).mean()
        smallest = values.xs(rows["data.n_train"].min(), level="data.n_train")
        ratio = (smallest["powerset"] / smallest["sigmoid"]).groupby("data.n_labels").mean()
        apart = rows[rows["data.dependence"] == weakest].pivot_table(
            index=[*WORLD, "data.n_train"], columns="head", values="jaccard_samples"
        )
        ahead = (apart["sigmoid"] - apart["powerset"]).max()
        by_hamming = choices(rows, "hamming_loss")["head"]
        report.numbers = {
            "hamming_choice": f"{(by_hamming == 'sigmoid').sum()} of {len(by_hamming)}",
            "alone": f"{alone['n'].notna().sum()} of {len(alone)}",
            "alone_by": f"{ahead:+.5f}",
            "rule": rule.text,
            "crossed": f"{dependent['n'].notna().sum()} of {len(dependent)}",
            "pairwise": f"{pairwise:.0%}",
            "pairwise_worst": f"{(values['pairwise'] - values['sigmoid']).max():.3f}",
            "ratio_low": f"{ratio.iloc[0]:.1f}",
            "ratio_high": f"{ratio.iloc[-1]:.1f}",
            "least_labels": str(ratio.index[0]),
            "most_labels": str(ratio.index[-1]),
            "smallest": f"{rows['data.n_train'].min():,}",
        }
        report.findings = [
            Finding(
                "without dependence powerset never catches up with sigmoid, which is exact there",
                f"{report.numbers['alone']} worlds crossed",
                bool(alone["n"].notna().sum() == 0),
            ),
            Finding(
                "at the strongest dependence it does, in every world with K = 4 and 6",
                ", ".join(
                    f"K = {k}: {group['n'].notna().sum()} of {len(group)}"
                    for k, group in hard.groupby("data.n_labels")
                ),
                bool(hard[hard["data.n_labels"] <= 6]["n"].notna().all()),
            ),
            Finding(
                "every further label multiplies the rows it needs by about 2 (1.5 to 3)",
                f"by {rule.growth:.2f}" if rule.growth > 0 else rule.text,
                1.5 <= rule.growth <= 3 if rule.growth > 0 else None,
            ),
            Finding(
                "by subset accuracy it catches up with fewer rows than by Jaccard",
                f"in {(both['n_subset'] < both['n']).sum()} of {len(both)} worlds where both cross",
                bool(len(both) and (both["n_subset"] < both["n"]).mean() > 0.5),
            ),
            Finding(
                "pairwise, which has the world's own form, is never more than 0.001 worse than sigmoid",
                f"in {pairwise:.0%} of the settings",
                bool(pairwise == 1),
            ),
            Finding(
                "listing only the observed label sets is never more than 0.001 worse than all 2^K",
                f"in {powerset:.0%} of the settings",
                bool(powerset == 1),
            ),
        ]


def _rates_table(rows: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    numbers = sorted(rows["data.n_train"].unique())
    chosen = tuned.groupby(["head", "data.n_train"])["optimizer.lr"]
    most = chosen.agg(lambda rates: rates.mode().iloc[0])
    values = rows.groupby(["head", "optimizer.lr", "data.n_train"])["jaccard_samples"]
    lines = []
    for head in HEADS:
        for rate in RATES:
            cells = [
                (">" if most[head, n] == rate else "")
                + str(mean_interval(values.get_group((head, rate, n))))
                for n in numbers
            ]
            lines.append([head, f"{rate:g}", *cells])
    return Table(["head", "rate", *(f"{n:,}" for n in numbers)], lines)


def _crossing_table(crossings: pd.DataFrame) -> Table:
    dependences = sorted(crossings["data.dependence"].unique())
    lines = []
    for n_labels, group in crossings.groupby("data.n_labels"):
        cells = []
        for dependence in dependences:
            n = group[group["data.dependence"] == dependence]["n"]
            cells.append(_crossed(n.dropna().to_numpy(), len(n)))
        lines.append([f"{n_labels:g}", *cells])
    return Table(["K", *(f"dependence {d:g}" for d in dependences)], lines, 0)


def _geometric_mean(n: np.ndarray | pd.Series) -> float:
    return float(np.exp(np.log(n).mean()))


def _crossed(n: np.ndarray, of: int) -> str:
    if not len(n):
        return f"{_NEVER} (0 of {of})"
    return f"{rounded(_geometric_mean(n))} ({rounded(n.min())} to {rounded(n.max())}; {len(n)} of {of})"


def _regret_table(rows: pd.DataFrame) -> Table:
    numbers = sorted(rows["data.n_train"].unique())
    lines = []
    for n_labels, subset in rows.groupby("data.n_labels"):
        for head in HEADS:
            group = subset[subset["head"] == head].groupby("data.n_train")["jaccard_samples"]
            cells = [
                str(mean_interval(group.get_group(n))) if n in group.groups else "-"
                for n in numbers
            ]
            lines.append([f"{n_labels:g}", head, *cells])
    return Table(["K", "head", *(f"{n:,}" for n in numbers)], lines)


def _regret_figure(rows: pd.DataFrame, metric: str) -> Figure:
    """Draw the fewest, middle and most labels, with the least and the strongest dependence."""
    dependences = (rows["data.dependence"].min(), rows["data.dependence"].max())
    every = sorted(rows["data.n_labels"].unique())
    numbers = list(dict.fromkeys((every[0], every[len(every) // 2], every[-1])))
    figure, axes = panels(2 * len(numbers), columns=len(numbers), sharex=True)
    cells = [(k, d) for d in dependences for k in numbers]
    for panel, (n_labels, dependence) in zip(axes, cells, strict=True):
        subset = rows[(rows["data.n_labels"] == n_labels) & (rows["data.dependence"] == dependence)]
        for head in HEADS:
            group = subset[subset["head"] == head].groupby("data.n_train")[metric]
            means = group.mean()
            # The intervals are in the table: bars of six lines hide the lines.
            style = head_style(head)
            panel.plot(
                means.index, means, **style.line, label=head, marker=style.marker, markersize=4,
                linewidth=1.3 * style.width, zorder=2 + style.width,
            )  # fmt: skip
        panel.set(xscale="log", yscale="log")
        sizes = sorted(rows["data.n_train"].unique())[::2]
        panel.set_xticks(sizes, [f"{n:,}" for n in sizes])
        panel.minorticks_off()
        depends = "dependent" if dependence else "independent"
        panel.set_title(f"{n_labels:g} {depends} labels", fontsize="medium")
    for panel in axes[:: len(numbers)]:
        panel.set_ylabel("Jaccard regret, lower is better", fontsize="small")
    axes[-len(numbers) + len(numbers) // 2].set_xlabel("training and validation rows")
    legend(figure, axes[0], len(HEADS))
    headline(figure, "From how many rows on is a head of label sets better than sigmoid?")
    return figure


def _crossing_figure(rows: pd.DataFrame) -> Figure:
    figure, axes = panels(len(REGRETS), width=4.2, height=2.6, sharey=True)
    for panel, (metric, name) in zip(axes, REGRETS.items(), strict=True):
        seen = crossing_points(rows, metric).dropna()
        for index, dependence in enumerate(sorted(seen["data.dependence"].unique())):
            group = seen[seen["data.dependence"] == dependence]
            groups = group.groupby("data.n_labels")["n"]
            means, style = groups.apply(_geometric_mean), series_style(index)
            panel.plot(
                means.index, means.to_numpy(), **style.line, marker=style.marker,
                label=f"dependence {dependence:g}",
            )  # fmt: skip
            panel.plot(
                group["data.n_labels"], group["n"], color=style.colour, marker=style.marker,
                markersize=3, linestyle="none", alpha=0.5,
            )  # fmt: skip
        panel.set(yscale="log", xlabel="labels (K)", xticks=sorted(rows["data.n_labels"].unique()))
        panel.set_title(name, fontsize="medium")
    axes[0].set_ylabel("rows (small points: seeds)")
    legend(figure, axes[0])
    headline(figure, "At how many rows does powerset pass sigmoid?")
    return figure


EXPERIMENT = PowersetSamples()
