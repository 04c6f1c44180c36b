"""A distribution times a cardinality, and the best optimiser of each loss."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from experiments.factorised.rates import (
    RATES,
    chosen_rates_table,
    edge_finding,
    edges,
    measured_rates,
    n_rates,
)
from experiments.factorised.worlds import Worlds, report_worlds
from experiments.harness import Experiment, Finding, Report, Trainings, Trial
from experiments.harness.frames import complete_groups
from experiments.harness.plots import headline, legend, panels, shaded
from experiments.harness.report import listed
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.tracking.palette import styles

CONTESTANTS: dict[str, dict[str, str]] = {
    "sigmoid": {"head": "sigmoid"},
    "distribution x mse": {"head": "distribution_cardinality", "head.form": "mse"},
    "distribution x poisson": {"head": "distribution_cardinality", "head.form": "poisson"},
    "distribution x gaussian": {"head": "distribution_cardinality", "head.form": "gaussian"},
    "product": {"head": "distribution_cardinality", "head.form": "product"},
    "unnormalised_kl": {"head": "unnormalised_kl"},
    "margin": {"head": "margin"},
}
DATA = {"quick": ("emotions",), "full": ("emotions", "scene", "yeast", "digits")}
SEEDS = {"quick": 3, "full": 5}


class Runs(Trainings):
    """Trainings of each loss with each optimiser at each rate."""

    experiment = "factorised"
    more = ("train/best_epoch",)

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, losses, optimisers, rates and seeds; the rate is constant."""
        return [
            {
                "data": data, **settings, "optimizer": optimizer, "optimizer.schedule": "constant",
                "optimizer.lr": rate, "seed": seed,
            }
            for data in DATA[budget]
            for settings in CONTESTANTS.values()
            for optimizer, rates in RATES.items()
            for rate in rates
            for seed in range(SEEDS[budget])
        ]  # fmt: skip


class Factorised(Experiment):
    """The experiment on factorised losses and optimisers."""

    name = "factorised"
    studies = (Runs(), Worlds(CONTESTANTS))

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report each loss with each optimiser at the best rate."""
        rows = frames["runs"].assign(loss=_losses(frames["runs"]))
        # A rate that only some losses have would favour them.
        rows = complete_groups(rows, ["data", "optimizer", "optimizer.lr"], "loss")
        rows = complete_groups(rows, ["data"], "loss")
        tuned = tune(rows)
        chosen = best_optimizers(tuned)
        report = Report()
        for data in dict.fromkeys(rows["data"]):
            report.tables[f"tuned_{data}"] = (
                f"Test jaccard_samples on {data}, the rate and the epoch chosen on validation rows"
                " (> the best test value of the row)",
                _tuned_table(tuned[tuned["data"] == data]),
            )
        report.tables["gains"] = (
            "Test jaccard_samples less that of sigmoid, each with the optimiser and rate that are best"
            " on validation rows (seeds in pairs)",
            _gains_table(chosen),
        )
        report.tables["rules"] = (
            "Test jaccard_samples of as many labels as the head expects, less that of one tuned"
            " threshold, same runs: mean of the optimisers, ± over seeds",
            rules_table(rows, tuned),
        )
        report.tables["chosen_rates"] = (
            "How often each rate is chosen, from the lowest to the highest (of data sets, losses and"
            " seeds; - not measured)",
            chosen_rates_table(rows, tuned),
        )
        report.figures["rates"] = _figure(rows)
        self._find(report, rows, tuned, chosen)
        report.numbers["edges"], report.numbers["n_rates"] = edges(rows, tuned), n_rates(rows)
        report.findings.append(edge_finding(rows, tuned))
        worlds = frames["worlds"]
        if len(worlds):
            worlds = worlds.assign(loss=_losses(worlds))
        report_worlds(report, worlds, tuple(CONTESTANTS))
        return report

    def _find(
        self, report: Report, rows: pd.DataFrame, tuned: pd.DataFrame, chosen: pd.DataFrame
    ) -> None:
        means = tuned.groupby(["data", "loss", "optimizer"], sort=False)["jaccard_samples"].mean()
        table = means.unstack("optimizer")
        spread = table.max(axis=1) - table.min(axis=1)
        factorised = tuned[tuned["loss"].isin(FACTORISED)]
        best = best_optimizers(factorised).groupby(["data", "loss"])["optimizer"].first()
        adagrad, adadelta = (
            less_the_best_other(factorised, name) for name in ("adagrad", "adadelta")
        )
        validation = chosen[chosen["loss"].isin(FACTORISED)].groupby("loss")["val_jaccard_samples"]
        first = str(validation.mean().idxmax())
        gain = _gains(chosen, first)
        widest_on, widest = spread.idxmax()
        untuned = rows[rows["rule"] == "global"].groupby(
            ["data", "loss", "optimizer", "optimizer.lr"]
        )["jaccard_samples"]
        by_rate = untuned.mean()
        rate_spread = by_rate.groupby(["data", "loss", "optimizer"]).agg(
            lambda v: v.max() - v.min()
        )
        failed = rows["error"].notna().sum()
        report.numbers = {
            "spread": f"{spread.mean():.3f}",
            "most": f"{spread.max():.3f}",
            "rate_spread": f"{rate_spread.mean():.3f}",
            "adadelta_best": f"{(best == 'adadelta').sum()} of {len(best)}",
            "adadelta": f"{adadelta.mean():+.3f}",
            "adagrad": f"{adagrad.mean():+.3f}",
            "adagrad_worst": f"{adagrad.min():+.3f}",
            "best": ", ".join(f"{name} {n}" for name, n in best.value_counts().items()),
            "first": first,
            "gain": listed(gain),
            "widest": f"{widest} on {widest_on}",
            "failed": str(failed),
        }
        report.findings = [
            Finding(
                "the optimiser makes no huge difference once its rate is tuned: less than 0.03 between"
                " the best and the worst",
                f"{spread.mean():.3f} on average, at most {spread.max():.3f}",
                bool(spread.max() < 0.03),
            ),
            Finding(
                "the rate makes a larger one than the optimiser",
                f"{rate_spread.mean():.3f} between the best and the worst rate, on average",
                bool(rate_spread.mean() > spread.mean()),
            ),
            Finding(
                "the factorised losses do not need Adadelta: it is not the best for most of them",
                f"best on validation rows for {report.numbers['adadelta_best']}; {adadelta.mean():+.3f}"
                " against the best other there, on average",
                bool((best == "adadelta").mean() <= 0.5),
            ),
            Finding(
                "Adagrad does not fail: within 0.02 of the best other",
                f"{adagrad.mean():+.3f} on average, at worst {adagrad.min():+.3f}",
                bool(adagrad.min() > -0.02),
            ),
            Finding(
                "the best factorised loss (by the mean of the data sets' validation rows) is within 0.02"
                " of sigmoid, each with the optimiser and rate that are best on validation rows",
                f"{first}: {report.numbers['gain']}",
                all(abs(interval.mean) < 0.02 for interval in gain.values()),
            ),
        ]


FACTORISED = tuple(name for name in CONTESTANTS if name.startswith(("distribution", "product")))


def _losses(rows: pd.DataFrame) -> pd.Series:
    names = {
        (settings["head"], settings.get("head.form", "")): name
        for name, settings in CONTESTANTS.items()
    }
    # The first rows of a study may have no form.
    forms = rows.reindex(columns=["head.form"])["head.form"]
    pairs = zip(rows["head"], forms.fillna(""), strict=True)
    return pd.Series([names[pair] for pair in pairs], index=rows.index)


def tune(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the run with the best validation value of each data set, loss, optimiser and seed."""
    judged = rows[rows["rule"] == "global"]
    key = ["data", "loss", "optimizer", "seed"]
    return judged.loc[judged.groupby(key, sort=False)["val_jaccard_samples"].idxmax()]


def best_optimizers(tuned: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the best optimiser on validation rows of each data set and loss."""
    key = ["data", "loss"]
    means = tuned.groupby([*key, "optimizer"], sort=False)["val_jaccard_samples"].mean()
    best = means.groupby(key).idxmax().map(lambda pair: pair[-1])
    chosen = best.loc[pd.MultiIndex.from_frame(tuned[key])].to_numpy()
    return tuned[tuned["optimizer"] == chosen]


def less_the_best_other(tuned: pd.DataFrame, optimizer: str) -> pd.Series:
    """Return an optimiser's test means less those of the other that is best on validation rows."""
    is_it = tuned["optimizer"] == optimizer
    own, others = tuned[is_it], best_optimizers(tuned[~is_it])
    of_own, of_others = (
        part.groupby(["data", "loss"])["jaccard_samples"].mean() for part in (own, others)
    )
    return of_own - of_others


def _gains(chosen: pd.DataFrame, loss: str) -> dict[str, Interval]:
    """Return the gains in test jaccard_samples over sigmoid by data set, paired by seed."""

    def of(data: str, loss: str) -> pd.Series:
        group = chosen[(chosen["data"] == data) & (chosen["loss"] == loss)]
        return group.set_index("seed")["jaccard_samples"].sort_index()

    return {
        data: paired_difference(of(data, loss), of(data, "sigmoid")).interval
        for data in dict.fromkeys(chosen["data"])
    }


def _gains_table(chosen: pd.DataFrame) -> Table:
    lines = [
        [loss, *(interval.signed() for interval in _gains(chosen, loss).values())]
        for loss in CONTESTANTS
        if loss != "sigmoid"
    ]
    return Table(["loss", *dict.fromkeys(chosen["data"])], lines, 1)


def _tuned_table(tuned: pd.DataFrame) -> Table:
    means = tuned.groupby(["loss", "optimizer"])["jaccard_samples"].mean().unstack()
    lines = []
    for loss in CONTESTANTS:
        cells = []
        for optimizer in RATES:
            group = tuned[(tuned["loss"] == loss) & (tuned["optimizer"] == optimizer)]
            mark = ">" if means.loc[loss].idxmax() == optimizer else ""
            cells.append(f"{mark}{mean_interval(group['jaccard_samples'])}")
        lines.append([loss, *cells])
    return Table(["loss", *RATES], lines, 1)


def rules_table(rows: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Return what the expected number of labels gains on a threshold: losses by data sets."""
    by_rule = rows.pivot_table(index="run", columns="rule", values="jaccard_samples")
    data_sets = list(dict.fromkeys(tuned["data"]))
    lines = []
    for loss in CONTESTANTS:
        cells = []
        for data in data_sets:
            runs = tuned[(tuned["loss"] == loss) & (tuned["data"] == data)].set_index("run")
            values = by_rule.loc[runs.index].dropna()
            difference = values["cardinality"] - values["global"]
            # The optimisers of a seed share its rows: they are one value.
            of_seeds = difference.groupby(runs["seed"]).mean()
            cells.append(mean_interval(of_seeds).signed() if len(values) else "-")
        lines.append([loss, *cells])
    return Table(["loss", *data_sets], lines, 1)


def _figure(rows: pd.DataFrame) -> Figure:
    data = rows["data"].iloc[0]
    judged = rows[(rows["rule"] == "global") & (rows["data"] == data)]
    figure, axes = panels(len(RATES), sharey=True)
    heads = {loss: settings["head"] for loss, settings in CONTESTANTS.items()}
    drawn_as = shaded(styles(heads), heads)
    for panel, optimizer in zip(axes, RATES, strict=True):
        subset = judged[judged["optimizer"] == optimizer]
        for loss, style in drawn_as.items():
            means = subset[subset["loss"] == loss].groupby("optimizer.lr")["jaccard_samples"].mean()
            # The intervals are in the table: bars of seven lines hide the lines.
            panel.plot(
                means.index, means, **style.line, label=loss, linewidth=1.3 * style.width,
                zorder=2 + style.width, marker=style.marker, markersize=4,
            )  # fmt: skip
        panel.set_xscale("log")
        rates = measured_rates(rows, optimizer)
        shown = rates[:: 1 + len(rates) // 6]
        panel.set_xticks(shown, [f"{rate:g}" for rate in shown], fontsize="small")
        panel.minorticks_off()
        panel.set_title(optimizer, fontsize="medium")
    for panel in axes[::3]:
        panel.set_ylabel("test Jaccard, higher is better", fontsize="small")
    axes[-1].set_xlabel("learning rate")
    legend(figure, axes[0])
    headline(figure, f"Which loss needs a small learning rate? On {data}, by optimiser")
    return figure


EXPERIMENT = Factorised()
