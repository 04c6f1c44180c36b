"""The regret of each head and rule with unlimited data and capacity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.guarantees.examples import EXAMPLES, joint_of
from experiments.harness import Experiment, Finding, Measurements, Report, Row, Trial
from experiments.harness.plots import curve, headline, legend, panels
from experiments.harness.study import options_of
from mlc.bayes.optimum import Optimum, limit
from mlc.bayes.population import Population
from mlc.data.base import SOURCES
from mlc.data.world import ExactWorld
from mlc.decisions.base import DECISIONS
from mlc.heads.base import HEADS, KnownLabels
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style, series_style

RULES = ("fixed", "global", "top_k", "cardinality", "mode", "expected_jaccard", "expected_f1")
METRICS = ("jaccard_samples", "f1_samples", "subset_accuracy", "hamming_loss")
TOPS = ("precision_at_1", "recall_at_1")
# What is measured: a head that is added later is none of them until it is listed.
IDENTIFIED = (
    "asymmetric", "bernoulli_mixture", "chain", "class_balanced", "distribution_cardinality", "focal",
    "label_powerset", "ova_n", "pairwise", "pick_one", "powerset", "rakel", "regression", "sigmoid",
    "softmax_all", "softmax_uniform", "unnormalised_kl", "weighted_sigmoid", "zlpr",
)  # fmt: skip
CONTESTANTS: tuple[dict[str, str], ...] = (
    *({"head": name} for name in IDENTIFIED),
    {"head": "distribution_cardinality", "head.form": "product"},
)
# Heads whose population minimiser has no closed form; a fit takes half a minute per world.
FITTED = ("asymmetric", "bernoulli_mixture", "chain", "focal", "pairwise", "zlpr")
N_SAMPLES = 250
LABELS = 6
# Dependences, attractions, worlds for the fitted heads, worlds for the others.
_DIALS = {
    "quick": ((0.0, 3.0), (0.0, 4.0), 2, 2),
    "full": ((0.0, 1.5, 3.0), (-4.0, -2.0, 0.0, 2.0, 4.0), 3, 20),
}


def regrets(trial: Trial, joint: Tensor) -> list[Row]:
    """Compute the regrets of the head's population minimiser under each rule that it supports."""
    optimum = Optimum(len(joint), joint)
    n_labels = optimum.label_sets.shape[1]
    drawn = optimum.drawn
    known = KnownLabels(drawn, torch.arange(len(drawn)).unsqueeze(0))
    name = str(trial["head"])
    head = HEADS[name](1, n_labels, HEADS.options(name, **options_of(trial, "head")), [0], known)
    rules = {
        rule: DECISIONS[rule](DECISIONS[rule].Options(), head.natural_threshold(n_labels))
        for rule in RULES
        if DECISIONS[rule].input_from(head.provides()) is not None
    }
    bayes = optimum.bayes()
    reached = limit(optimum, Population(head, joint).of_run(0), rules)
    tops = {key: _tidy(bayes[key] - reached[key]) for key in TOPS}
    return [
        {
            "rule": rule,
            **{m: _tidy(_sign(m) * (bayes[m] - reached[f"{rule}/{m}"])) for m in METRICS},
            **tops,
            "bayes": bayes["jaccard_samples"],
        }
        for rule in rules
    ]


def _tidy(regret: float) -> float:
    """Round off the errors of sums of probabilities."""
    return round(regret, 9) + 0.0


def _sign(metric: str) -> int:
    return COUNT_METRICS[metric].sign


class Dials(Measurements):
    """Regrets in exact worlds, by dependence and attraction of the labels."""

    name = "dials"
    columns = ("rule", *METRICS, *TOPS, "bayes", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return all heads and worlds; heads with a closed form have more worlds."""
        dependences, attractions, n_fitted, n_seeds = _DIALS[budget]
        return [
            {"data.dependence": d, "data.attraction": a, "data.seed": seed, **contestant}
            for seed in range(n_seeds)
            for d in dependences
            for a in attractions
            for contestant in CONTESTANTS
            if seed < n_fitted or contestant["head"] not in FITTED
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Compute the regrets in one world."""
        options = options_of(trial, "data")
        world = ExactWorld(SOURCES.options("world", n_labels=LABELS, **options))
        rng = np.random.default_rng([options["seed"], 5])
        features = rng.standard_normal((N_SAMPLES, world.options.n_features)).astype(np.float32)
        return regrets(trial, torch.as_tensor(world.joint(features)))


class Examples(Measurements):
    """Regrets in the example worlds."""

    name = "examples"
    columns = Dials.columns

    def trials(self, budget: str) -> list[Trial]:
        """Return all heads in all examples."""
        return [{"example": name, **contestant} for name in EXAMPLES for contestant in CONTESTANTS]

    def measured(self, trial: Trial) -> list[Row]:
        """Compute the regrets in one example."""
        return regrets(trial, joint_of(str(trial["example"])))


SHOWN = (
    "sigmoid",
    "pick_one",
    "softmax_all",
    "ova_n",
    "distribution_cardinality",
    "zlpr",
    "powerset",
)
EXACT = ("powerset", "label_powerset", "pairwise")


class Guarantees(Experiment):
    """The experiment on regrets at infinite data."""

    name = "guarantees"
    studies = (Examples(), Dials())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report regrets in the examples, and by dependence and attraction."""
        examples, dials = (_named(frames[name]) for name in ("examples", "dials"))
        report = Report()
        report.tables["examples"] = (
            "Jaccard regret in worlds of K = 2 or 3, with the best threshold / the best of all rules",
            _examples_table(examples),
        )
        report.tables["dials"] = (
            f"Jaccard regret at infinite data, K = {LABELS}: attraction, and in brackets dependence"
            f" (± over worlds, {_n_worlds(dials)})",
            _dials_table(dials),
        )
        report.figures["heads"] = _heads_figure(dials)
        report.figures["rules"] = _rules_figure(dials)
        self._find(report, dials)
        return report

    def _find(self, report: Report, dials: pd.DataFrame) -> None:
        def of(head: str, rule: str) -> pd.Series:
            group = dials[(dials["contestant"] == head) & (dials["rule"] == rule)]
            return group.set_index(_WORLD)["jaccard_samples"].sort_index()

        exact = max(of(head, "expected_jaccard").max() for head in EXACT)
        independent = of("sigmoid", "expected_jaccard")
        by_threshold, picked = of("sigmoid", "global"), of("pick_one", "global")
        more = over_seeds(picked - by_threshold)
        attraction = dials["data.attraction"]
        lowest, highest = attraction.min(), attraction.max()
        ends = [over_seeds(picked.xs(a, level="data.attraction")) for a in (lowest, highest)]
        dependence = dials["data.dependence"]
        flat, strong = (
            over_seeds(independent.xs(d, level="data.dependence"))
            for d in (dependence.min(), dependence.max())
        )
        gain_of_rule = over_seeds(by_threshold - independent)
        gain_of_head = over_seeds(independent - of("powerset", "expected_jaccard"))
        top = of("sigmoid", "top_k").xs(highest, level="data.attraction")
        report.numbers = {
            "exact": f"{exact:.4f}",
            "independent": f"{independent.max():.3f}",
            "independent_flat": str(flat),
            "independent_strong": str(strong),
            "sigmoid_global": str(over_seeds(by_threshold)),
            "pick_one_global": str(over_seeds(picked)),
            "pick_one_more": more.signed(),
            "pick_one_median": f"{(picked - by_threshold).median():.3f}",
            "pick_one_wins": f"{(picked < by_threshold).sum()} of {len(picked)}",
            "pick_one_low": str(ends[0]),
            "pick_one_high": str(ends[1]),
            "rule_gain": str(gain_of_rule),
            "head_gain": str(gain_of_head),
            "top_k": str(over_seeds(top)),
            "worlds": str(len(picked)),
            "sigmoid_low": str(over_seeds(by_threshold.xs(lowest, level="data.attraction"))),
            "sigmoid_high": str(over_seeds(by_threshold.xs(highest, level="data.attraction"))),
            "independent_high": str(over_seeds(independent.xs(highest, level="data.attraction"))),
            "independent_low": str(over_seeds(independent.xs(lowest, level="data.attraction"))),
        }
        report.findings = [
            Finding(
                "powerset, label_powerset and pairwise, decided by expected_jaccard, miss less than"
                " 0.001 in every world",
                f"at most {exact:.4f}",
                bool(exact < 0.001),
            ),
            Finding(
                "sigmoid with expected_jaccard (as if labels were independent) misses more as"
                " dependence grows, and less than 0.02 everywhere",
                f"{flat} without and {strong} with the strongest dependence, at most"
                f" {independent.max():.3f}",
                bool(strong.mean > flat.mean and independent.max() < 0.02),
            ),
            Finding(
                "pick_one with the best threshold misses more than sigmoid with its best in every"
                " world",
                f"{more.signed()}; less in {report.numbers['pick_one_wins']} worlds",
                bool((picked > by_threshold).all()),
            ),
            Finding(
                "it misses at least twice as much where the number of labels spreads most as where"
                " it spreads least",
                f"{ends[0]} at attraction {lowest:g}, {ends[1]} at {highest:g}",
                bool(ends[1].mean >= 2 * ends[0].mean),
            ),
            Finding(
                "replacing the threshold by expected_jaccard is worth more than replacing sigmoid"
                " by powerset",
                f"{gain_of_rule} against {gain_of_head}",
                bool(gain_of_rule.mean > gain_of_head.mean),
            ),
            Finding(
                "top_k misses more than 0.1 where the number of labels spreads most",
                str(over_seeds(top)),
                bool(top.mean() > 0.1),
            ),
        ]


_WORLD = ["data.dependence", "data.attraction", "data.seed"]


def over_seeds(values: pd.Series) -> Interval:
    """Average each seed over settings, then average the seeds, with an interval.

    The worlds of one seed share their draws at all settings, so they are no independent sample.
    """
    return mean_interval(values.groupby(level="data.seed").mean())


def _n_worlds(dials: pd.DataFrame) -> str:
    """Describe the number of worlds in a cell, which is smaller for fitted heads."""
    n = dials.groupby("head")["data.seed"].nunique()
    fitted = [head for head in FITTED if head in n]
    few = f", {n[fitted].max()} for {', '.join(fitted)}" if fitted else ""
    return f"{n.max()} in each cell{few}"


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    form = rows["head.form"]
    return rows.assign(
        contestant=rows["head"].where(form.isna(), rows["head"] + " " + form.astype(str))
    )


def _examples_table(rows: pd.DataFrame) -> Table:
    lines = []
    for name, group in rows.groupby("contestant"):
        cells = []
        for example in EXAMPLES:
            subset = group[group["example"] == example].set_index("rule")["jaccard_samples"]
            cells.append(f"{subset['global']:.3f} / {subset.min():.3f}")
        lines.append([str(name), *cells])
    return Table(["head", *EXAMPLES], lines, 1)


def _dials_table(rows: pd.DataFrame) -> Table:
    dependences = (rows["data.dependence"].min(), rows["data.dependence"].max())
    worlds = [(d, a) for d in dependences for a in sorted(rows["data.attraction"].unique())]
    worlds = [
        (d, a)
        for d, a in worlds
        if a in (rows["data.attraction"].min(), 0, rows["data.attraction"].max())
    ]
    lines = []
    for (name, rule), group in rows.groupby(["contestant", "rule"]):
        if rule not in ("fixed", "global", "expected_jaccard"):
            continue
        cells = group.groupby(["data.dependence", "data.attraction"])["jaccard_samples"]
        lines.append(
            [str(name), str(rule), *(str(mean_interval(cells.get_group(w))) for w in worlds)]
        )
    return Table(["head", "rule", *(f"{a:g} ({d:g})" for d, a in worlds)], lines)


def _heads_figure(rows: pd.DataFrame) -> Figure:
    dependences = sorted(rows["data.dependence"].unique())
    figure, axes = panels(len(dependences), sharey=True)
    for panel, dependence in zip(axes, dependences, strict=True):
        subset = rows[(rows["data.dependence"] == dependence) & (rows["rule"] == "global")]
        for head in SHOWN:
            group = subset[subset["contestant"] == head].groupby("data.attraction")[
                "jaccard_samples"
            ]
            intervals = [mean_interval(values) for _, values in group]
            curve(panel, list(group.groups), intervals, head_style(head), head)
        panel.set_title(f"dependence {dependence:g}", fontsize="medium")
        panel.set_xlabel("attraction of the labels")
        panel.set_yscale("symlog", linthresh=0.01)
        panel.set_ylim(bottom=-0.001)
    axes[0].set_ylabel("Jaccard regret, lower is better")
    legend(figure, axes[0])
    headline(figure, "At its best threshold, whose regret grows as labels attract each other?")
    return figure


def _rules_figure(rows: pd.DataFrame) -> Figure:
    heads = ("sigmoid", "powerset")
    figure, axes = panels(len(heads), width=4.2, height=2.6, sharey=True)
    strongest = rows[rows["data.dependence"] == rows["data.dependence"].max()]
    for panel, head in zip(axes, heads, strict=True):
        for index, rule in enumerate(RULES):
            group = strongest[(strongest["contestant"] == head) & (strongest["rule"] == rule)]
            if len(group):
                groups = group.groupby("data.attraction")["jaccard_samples"]
                intervals = [mean_interval(values) for _, values in groups]
                curve(panel, list(groups.groups), intervals, series_style(index), rule)
        panel.set_title(
            f"{head}, dependence {strongest['data.dependence'].iloc[0]:g}", fontsize="medium"
        )
        panel.set_xlabel("attraction of the labels")
        panel.set_yscale("symlog", linthresh=0.01)
        panel.set_ylim(bottom=-0.001)
    axes[0].set_ylabel("Jaccard regret, lower is better")
    legend(figure, axes[1])
    headline(figure, "Which decision rule reaches the best label sets?")
    return figure


EXPERIMENT = Guarantees()
