"""One randomly picked label per sample and epoch: noise that averages out, or something else?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.harness import (
    Experiment,
    Finding,
    Report,
)
from experiments.harness.frames import complete_groups
from experiments.harness.plots import curve, headline, legend, panels
from experiments.harness.report import listed
from experiments.league.claims import clear
from experiments.pick_one.rates import Rates, report_rates
from experiments.pick_one.studies import HEADS, Flattery, Runs, Steps
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style


class PickOne(Experiment):
    """The experiment on training with one randomly picked label."""

    name = "pick_one"
    studies = (Runs(), Flattery(), Steps(), Rates())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report quality, gradient noise, optimism of test-tuned thresholds, and time."""
        rows = frames["runs"].assign(set=_set_names(frames["runs"]))
        rows = complete_groups(rows, ["set"], "head")
        judged, epochs = rows[rows["rule"].notna()], rows[rows["epoch"].notna()]
        validated = judged[judged["rule"] == "global"]
        report = Report()
        report.tables["quality"] = (
            "Test rows, the threshold tuned on validation rows. Pair error: |frequency of a pair of"
            " labels among the predictions less that in the data|, mean over pairs. Frequency error:"
            " |mean score less frequency|, mean over labels",
            _quality_table(validated),
        )
        noise = _noise(epochs)
        report.tables["noise"] = (
            "Variance of a sample's gradient by the outputs, in the first epoch: due to picking, and"
            " between samples; epochs until pick_one's expected validation loss reaches that of"
            " softmax_uniform after 3 (one more than were trained if it never does: seeds"
            f" {_unreached(noise)})",
            _noise_table(noise),
        )
        flattery = _flattery(frames["flattery"])
        report.tables["flattery"] = (
            "Test jaccard_samples with the threshold tuned on the test rows (an oracle) less that with"
            " the threshold tuned on validation rows",
            _flattery_table(flattery),
        )
        times = _times(frames["steps"])
        report.tables["steps"] = (
            "A training step (64 rows, hidden 256-256), times that of sigmoid in the same round",
            _steps_table(frames["steps"], times),
        )
        report.figures["loss"] = _loss_figure(epochs)
        self._find(report, validated, noise, flattery, times)
        more = frames["rates"]
        report_rates(report, more.assign(set=_set_names(more)) if len(more) else more, validated)
        return report

    def _find(
        self,
        report: Report,
        validated: pd.DataFrame,
        noise: pd.DataFrame,
        flattery: pd.DataFrame,
        times: pd.DataFrame,
    ) -> None:
        by_seed = validated.set_index(["set", "head", "seed"]).sort_index()
        sets = list(dict.fromkeys(validated["set"]))

        def less(column: str, head: str, other: str) -> dict[str, Interval]:
            return {
                name: paired_difference(
                    by_seed.loc[name, head][column], by_seed.loc[name, other][column]
                ).interval
                for name in sets
            }

        lost, pairs = (
            less("jaccard_samples", "pick_one", "sigmoid"),
            less("pair_error", "pick_one", "sigmoid"),
        )
        same = less("jaccard_samples", "pick_one", "softmax_uniform")
        uniform = less("jaccard_samples", "softmax_uniform", "sigmoid")
        exact = less("subset_accuracy", "pick_one", "sigmoid")
        shift = {
            name: by_seed.loc[name, "pick_one"]["frequency_error"].mean()
            / by_seed.loc[name, "sigmoid"]["frequency_error"].mean()
            for name in sets
        }
        sums = validated[validated["head"] == "pick_one"]["score_sum"]
        step = times["pick_one"]
        smallest, largest = flattery["n_test"].min(), flattery["n_test"].max()
        small, large = (
            mean_interval(flattery[flattery["n_test"] == n].groupby("seed")["flattery"].mean())
            for n in (smallest, largest)
        )
        noise_means = noise.groupby("set", sort=False)[["ratio", "epochs", "gap"]].mean()
        report.numbers = {
            "lost": listed(lost),
            "same": listed(same),
            "same_clear": clear(same),
            "uniform": listed(uniform),
            "lost_exact": listed(exact),
            "worst": f"{min(i.mean for i in lost.values()):.3f}",
            "pairs_worse": f"{sum(i.mean > 0 for i in pairs.values())} of {len(pairs)}",
            "pairs_clear": f"{sum(i.is_above for i in pairs.values())} of {len(pairs)}",
            "ratio": f"{noise_means['ratio'].min():.1f} to {noise_means['ratio'].max():.1f}",
            "epochs": f"{noise_means['epochs'].min():.1f} to {noise_means['epochs'].max():.1f}",
            "unreached": _unreached(noise),
            "gap": f"{noise_means['gap'].max():.3f}",
            "shift": f"{min(shift.values()):.0f} to {max(shift.values()):.0f}",
            "step": ", ".join(f"{step[n]:.2f} with {n} labels" for n in step.index),
            "small": str(small),
            "large": str(large),
            "smallest": str(smallest),
            "largest": f"{largest:,}",
        }
        report.findings = [
            Finding(
                "picking is noise around softmax_uniform: its expected loss ends within 0.05 of it",
                f"at most {noise_means['gap'].max():.3f} above",
                bool(noise_means["gap"].max() < 0.05),
            ),
            Finding(
                "it adds at least half as much variance as the choice of the sample makes anyway",
                f"{report.numbers['ratio']} times",
                bool(noise_means["ratio"].min() >= 0.5),
            ),
            Finding(
                "so it needs more epochs for the same loss: more than 3 for what takes 3 without",
                f"{report.numbers['epochs']}",
                bool(noise_means["epochs"].min() > 3),
            ),
            Finding(
                "with a tuned threshold pick_one is behind sigmoid by jaccard_samples everywhere",
                report.numbers["lost"],
                all(i.mean < 0 for i in lost.values()),
            ),
            Finding(
                "it predicts pairs of labels with the wrong frequency, more so than sigmoid",
                f"larger pair error on {report.numbers['pairs_worse']} data sets",
                all(i.mean > 0 for i in pairs.values()),
            ),
            Finding(
                "its scores sum to one, so they miss the labels' frequencies by 3 times as much or more",
                f"sum {sums.min():.3f} to {sums.max():.3f}, error {report.numbers['shift']} times",
                bool(np.allclose(sums, 1, atol=1e-3) and min(shift.values()) >= 3),
            ),
            Finding(
                "it saves no time: a step takes within 15% of sigmoid's",
                report.numbers["step"],
                bool((step - 1).abs().max() <= 0.15),
            ),
            Finding(
                "a threshold tuned on 50 test rows flatters by more than 0.01, on 5,000 by less",
                f"{small} and {large}",
                bool(small.mean > 0.01 > large.mean),
            ),
        ]


def _set_names(rows: pd.DataFrame) -> pd.Series:
    # The first rows of a study may have none of these settings.
    settings = rows.reindex(columns=["data.attraction", "data.structure"])
    attracting = pd.to_numeric(settings["data.attraction"]).fillna(0) > 0
    names = rows["data"].where(~attracting, rows["data"] + ", attracting labels")
    structure = settings["data.structure"]
    return names.where(structure.isna(), "world, " + structure.astype(str))


def _quality_table(validated: pd.DataFrame) -> Table:
    columns = {
        "jaccard_samples": "jaccard_samples", "pair_error": "pair error", "score_sum": "sum of scores",
        "frequency_error": "frequency error", "precision_at_1": "precision_at_1",
        "recall_at_1": "recall_at_1",
    }  # fmt: skip
    lines = []
    for name in dict.fromkeys(validated["set"]):
        for head in HEADS:
            group = validated[(validated["set"] == name) & (validated["head"] == head)]
            lines.append([name, head, *(str(mean_interval(group[column])) for column in columns)])
    return Table(["data", "head", *columns.values()], lines)


def _noise(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return noise, epochs needed and remaining gap of the loss by data set and seed."""
    rows = []
    for (name, seed), group in epochs.groupby(["set", "seed"], sort=False):
        loss = group.pivot_table(index="epoch", columns="head", values="expected_loss")
        firsts = group[(group["head"] == "pick_one") & (group["epoch"] == 1)]
        # Runs with deleted rows are skipped.
        if firsts.empty or not {"pick_one", "softmax_uniform"} <= set(loss) or 3 not in loss.index:
            continue
        first = firsts.iloc[0]
        reached = loss.index[loss["pick_one"] <= loss["softmax_uniform"].loc[3]]
        rows.append(
            {
                "set": name,
                "seed": seed,
                "picked": first["pick_variance"],
                "between": first["sample_variance"],
                "ratio": first["pick_variance"] / first["sample_variance"],
                # A loss that is not reached counts as the epoch after the last.
                "epochs": float(reached[0]) if len(reached) else float(loss.index[-1] + 1),
                "reached": bool(len(reached)),
                "gap": loss["pick_one"].min() - loss["softmax_uniform"].min(),
            }
        )
    return pd.DataFrame(rows)


def _unreached(noise: pd.DataFrame) -> str:
    """Count the seeds whose number of epochs is a lower bound, by data set."""
    counts = (~noise["reached"]).groupby(noise["set"], sort=False).agg(["sum", "size"])
    some = counts[counts["sum"] > 0]
    return (
        ", ".join(f"{name} {row['sum']} of {row['size']}" for name, row in some.iterrows())
        or "none"
    )


def _noise_table(noise: pd.DataFrame) -> Table:
    columns = {"picked": "by picking", "between": "between samples", "ratio": "ratio",
               "epochs": "epochs instead of 3", "gap": "gap of the best losses"}  # fmt: skip
    lines = [
        [str(name), *(str(mean_interval(group[column])) for column in columns)]
        for name, group in noise.groupby("set", sort=False)
    ]
    return Table(["data", *columns.values()], lines, 1)


def _flattery(rows: pd.DataFrame) -> pd.DataFrame:
    by_rule = rows.pivot_table(
        index=["data.n_test", "head", "seed"], columns="rule", values="jaccard_samples"
    )
    difference = (by_rule["oracle"] - by_rule["global"]).rename("flattery").reset_index()
    return difference.rename(columns={"data.n_test": "n_test"})


def _flattery_table(flattery: pd.DataFrame) -> Table:
    heads = list(dict.fromkeys(flattery["head"]))
    groups = flattery.groupby(["n_test", "head"])["flattery"]
    lines = [
        [f"{n:,}", *(str(mean_interval(groups.get_group((n, head)))) for head in heads)]
        for n in sorted(flattery["n_test"].unique())
    ]
    return Table(["test rows", *heads], lines, 1)


def _times(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the medians of the ratios to sigmoid within a round: numbers of labels by heads."""
    rounds = steps.pivot_table(index=["n_labels", "round"], columns="head", values="milliseconds")
    return rounds.div(rounds["sigmoid"], axis=0).groupby("n_labels").median()


def _steps_table(steps: pd.DataFrame, times: pd.DataFrame) -> Table:
    medians = steps.groupby(["n_labels", "head"])["milliseconds"].median()
    lines = [
        [f"{n_labels:,}", head, f"{medians[n_labels, head]:.2f}", f"{times[head][n_labels]:.2f}"]
        for n_labels in times.index
        for head in HEADS
    ]
    return Table(["labels", "head", "ms", "times sigmoid"], lines)


def _loss_figure(epochs: pd.DataFrame) -> Figure:
    sets = list(dict.fromkeys(epochs["set"]))
    figure, axes = panels(len(sets), 4, 2.1, 1.8)
    for panel, name in zip(axes, sets, strict=True):
        for head in ("pick_one", "softmax_uniform"):
            group = epochs[(epochs["set"] == name) & (epochs["head"] == head)].groupby("epoch")
            intervals = [mean_interval(values) for _, values in group["expected_loss"]]
            curve(panel, list(group.groups), intervals, head_style(head), head, band=True)
        panel.set_title(name, fontsize="medium")
        panel.tick_params(labelsize=8)
        panel.locator_params(nbins=4)
    figure.supylabel("expected validation loss, lower is better", fontsize=8)
    axes[-1].set_xlabel("epoch")
    legend(figure, axes[0])
    headline(figure, "Does training on one drawn label reach the loss of training on all?")
    return figure


EXPERIMENT = PickOne()
