"""One randomly picked label per sample and epoch: noise that averages out, or something else?"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.growth import prepare
from experiments.harness import (
    Experiment,
    Finding,
    Measurements,
    Report,
    Row,
    Trainings,
    Trial,
)
from experiments.harness.plots import curve, legend, panels
from mlc.cohort import Judged
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.training import Epoch, Training

HEADS = ("sigmoid", "pick_one", "softmax_uniform", "softmax_all")
# Data and what is set for them beside the defaults; seeds at the full budget.
WORLD = {"data": "world", "data.n_train": 5000, "data.attraction": 0.0}
DATA: dict[str, tuple[dict[str, object], int]] = {
    "world": (WORLD, 5),
    "world, attracting labels": (WORLD | {"data.attraction": 4.0}, 5),
    "digits": ({"data": "digits"}, 5),
    "emotions": ({"data": "emotions"}, 10),
    "yeast": ({"data": "yeast"}, 10),
    "enron": ({"data": "enron"}, 5),
    "tmc2007-500": (
        {"data": "tmc2007-500", "trainer.batch_size": 256, "trainer.max_epochs": 10},
        3,
    ),
    "imdb": ({"data": "imdb", "trainer.batch_size": 512, "trainer.max_epochs": 5}, 3),
}
QUICK, QUICK_SEEDS = ("world", "world, attracting labels", "digits", "emotions"), 3
TEST_ROWS = (50, 200, 1000, 5000)


class Runs(Trainings):
    """Each head on each data set, judged, and looked at after each epoch."""

    experiment = "pick_one"
    metrics = ("jaccard_samples", "f1_macro", "subset_accuracy")
    max_runs = 10
    columns = (
        "rule", "val_jaccard_samples", "jaccard_samples", "val_f1_macro", "f1_macro",
        "val_subset_accuracy", "subset_accuracy", "pair_error", "score_sum", "frequency_error",
        "score_pair_error", "precision_at_1", "recall_at_1", "best_epoch", "epoch", "expected_loss",
        "best_jaccard", "pick_variance", "sample_variance", "error",
    )  # fmt: skip

    def trials(self, budget: str) -> list[Trial]:
        """Data sets, heads, seeds."""
        return [
            {**settings, "head": head, "seed": seed}
            for name, (settings, n_seeds) in DATA.items()
            if budget == "full" or name in QUICK
            for head in HEADS
            for seed in range(n_seeds if budget == "full" else QUICK_SEEDS)
        ]

    def rows(self, trial: Trial, judged: Judged) -> list[Row]:
        """The metrics, and what the scores say of labels and of pairs of labels."""
        evaluation = judged.evaluation
        scores, targets = evaluation.scores["test"], evaluation.targets["test"]
        of_scores = {
            "score_sum": float(scores.sum(axis=1).mean()),
            "frequency_error": float(np.abs(scores.mean(axis=0) - targets.mean(axis=0)).mean()),
            "score_pair_error": pair_error(scores, targets),
            "precision_at_1": evaluation.metrics["test/precision_at_1"],
            "recall_at_1": evaluation.metrics["test/recall_at_1"],
            "best_epoch": judged.facts["train/best_epoch"],
        }
        decided = evaluation.decisions["test"]
        return [
            {**row, "pair_error": pair_error(decided[row["rule"]], targets), **of_scores}
            for row in super().rows(trial, judged)
        ]

    def watch(self, training: Training, epoch: Epoch) -> list[list[Row]]:
        """On the validation rows: the expected loss, and where the gradient's noise comes from."""
        head = training.model.head
        losses, probabilities, targets = [], [], []
        for outputs, actual in training.model.outputs(training.data, training.val_rows):
            losses.append(head.expected_loss(outputs, actual))
            probabilities.append(outputs.softmax(dim=-1))
            targets.append(actual)
        loss = torch.cat(losses, dim=1).mean(dim=1)
        picked, between = gradient_noise(torch.cat(probabilities, dim=1), torch.cat(targets, dim=1))
        return [
            [
                {
                    "epoch": epoch.number,
                    "expected_loss": float(loss[run]),
                    "best_jaccard": float(epoch.values["val/jaccard_samples"][run]),
                    "pick_variance": float(picked[run]),
                    "sample_variance": float(between[run]),
                }
            ]
            for run in range(len(loss))
        ]


class Flattery(Trainings):
    """How much a threshold tuned on the test rows flatters, by how many test rows there are."""

    name = "flattery"
    experiment = "pick_one"
    metrics = ("jaccard_samples", "f1_macro")

    def trials(self, budget: str) -> list[Trial]:
        """Numbers of test rows, heads, seeds; the worlds differ with the seed."""
        return [
            {
                "data": "world", "data.n_train": 1000, "data.n_test": n_test, "head": head,
                "data.seed": seed, "seed": seed,
            }
            for n_test in TEST_ROWS
            for head in ("sigmoid", "pick_one")
            for seed in range(20 if budget == "full" else 5)
        ]  # fmt: skip


class Steps(Measurements):
    """Time of a training step of each head, one after another."""

    name = "steps"
    columns = ("milliseconds", "error")
    alone = True

    def trials(self, budget: str) -> list[Trial]:
        """Few and many labels, round after round."""
        return [
            {"n_labels": n_labels, "round": number, "head": head}
            for n_labels in (14, 1000)
            for number in range(10 if budget == "full" else 5)
            for head in HEADS
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """The mean step of an epoch, after one that does not count."""
        n_labels, head = int(trial["n_labels"]), str(trial["head"])
        training, _, _, _ = prepare(n_runs=1, width=256, head=head, n_labels=n_labels)
        times = step_times(training)
        return [{"milliseconds": 1000 * times}]


def step_times(training: Training) -> float:
    """Seconds of a step without validation, the mean of the second to the fourth epoch."""
    torch.set_num_threads(1)
    training.train_epoch(1)
    started = time.perf_counter()
    for number in (2, 3, 4):
        training.train_epoch(number)
    n_steps = -(-training.train_rows.shape[1] // training.options.batch_size)
    return (time.perf_counter() - started) / (3 * n_steps)


def pair_error(values: np.ndarray, targets: np.ndarray) -> float:
    """Mean over pairs of labels of |how often both, by the values, less how often both are true|.

    `values` are decisions, or scores that count as if labels were independent: (N, K), as targets.
    """
    n = len(targets)
    by_values = values.astype(np.float64).T @ values.astype(np.float64) / n
    observed = targets.astype(np.float64).T @ targets.astype(np.float64) / n
    pairs = np.triu_indices(targets.shape[1], k=1)
    return float(np.abs(by_values - observed)[pairs].mean())


def gradient_noise(p: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Variance of the gradient by the outputs that picking adds, and that between samples: (R,) twice.

    The gradient of one sample is p - e_j with picking and p - y / |y| without. Given the sample, e_j
    has the variance sum_k (y_k / |y|) (1 - y_k / |y|) = 1 - 1 / |y|.
    """
    count = targets.sum(dim=-1, keepdim=True)
    some = (count > 0).to(p.dtype)
    gradient = (p - targets / count.clamp(min=1)) * some
    picked = (some * (1 - 1 / count.clamp(min=1))).mean(dim=(1, 2))
    return picked, gradient.var(dim=1, correction=0).sum(dim=-1)


class PickOne(Experiment):
    """The experiment."""

    name = "pick_one"
    studies = (Runs(), Flattery(), Steps())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Quality, noise, flattery, time."""
        rows = frames["runs"].assign(set=_set_names(frames["runs"]))
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
            "Variance of a sample's gradient by the outputs, in the first epoch: what picking adds, and"
            " what the choice of the sample makes anyway; epochs until pick_one's expected validation"
            " loss is what softmax_uniform's is after 3",
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
        shift = {
            name: by_seed.loc[name, "pick_one"]["frequency_error"].mean()
            / by_seed.loc[name, "sigmoid"]["frequency_error"].mean()
            for name in sets
        }
        sums = validated[validated["head"] == "pick_one"]["score_sum"]
        step = times["pick_one"]
        smallest, largest = flattery["n_test"].min(), flattery["n_test"].max()
        small, large = (
            mean_interval(flattery[flattery["n_test"] == n]["flattery"])
            for n in (smallest, largest)
        )
        noise_means = noise.groupby("set", sort=False)[["ratio", "epochs", "gap"]].mean()
        report.numbers = {
            "lost": _listed(lost),
            "same": _listed(same),
            "worst": f"{min(i.mean for i in lost.values()):.3f}",
            "pairs_worse": f"{sum(i.mean > 0 for i in pairs.values())} of {len(pairs)}",
            "ratio": f"{noise_means['ratio'].min():.1f} to {noise_means['ratio'].max():.1f}",
            "epochs": f"{noise_means['epochs'].min():.1f} to {noise_means['epochs'].max():.1f}",
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
    attracting = pd.to_numeric(rows["data.attraction"]).fillna(0) > 0
    return rows["data"].where(~attracting, rows["data"] + ", attracting labels")


def _listed(differences: Mapping[str, Interval]) -> str:
    return ", ".join(
        f"{name} {own.mean:+.3f} ±{own.half_width:.3f}" for name, own in differences.items()
    )


def _quality_table(validated: pd.DataFrame) -> Table:
    columns = {
        "jaccard_samples": "jaccard_samples", "pair_error": "pair error", "score_sum": "sum of scores",
        "frequency_error": "frequency error", "precision_at_1": "precision_at_1",
        "recall_at_1": "recall_at_1",
    }  # fmt: skip
    lines = []
    for name in dict.fromkeys(validated["set"]):
        for head in HEADS:
            own = validated[(validated["set"] == name) & (validated["head"] == head)]
            lines.append([name, head, *(str(mean_interval(own[column])) for column in columns)])
    return Table(["data", "head", *columns.values()], lines)


def _noise(epochs: pd.DataFrame) -> pd.DataFrame:
    """Of each data set and seed: the share of noise, the epochs needed, the gap of loss that is left."""
    found = []
    for (name, seed), own in epochs.groupby(["set", "seed"], sort=False):
        loss = own.pivot_table(index="epoch", columns="head", values="expected_loss")
        first = own[(own["head"] == "pick_one") & (own["epoch"] == 1)].iloc[0]
        reached = loss.index[loss["pick_one"] <= loss["softmax_uniform"].loc[3]]
        found.append(
            {
                "set": name,
                "seed": seed,
                "picked": first["pick_variance"],
                "between": first["sample_variance"],
                "ratio": first["pick_variance"] / first["sample_variance"],
                # Not reached counts as the epoch after the last.
                "epochs": float(reached[0]) if len(reached) else float(loss.index[-1] + 1),
                "gap": loss["pick_one"].min() - loss["softmax_uniform"].min(),
            }
        )
    return pd.DataFrame(found)


def _noise_table(noise: pd.DataFrame) -> Table:
    columns = {"picked": "by picking", "between": "between samples", "ratio": "ratio",
               "epochs": "epochs instead of 3", "gap": "gap of the best losses"}  # fmt: skip
    lines = [
        [str(name), *(str(mean_interval(own[column])) for column in columns)]
        for name, own in noise.groupby("set", sort=False)
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
    """Medians of the ratios to sigmoid, round by round: numbers of labels by heads."""
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
    figure, axes = panels(len(sets), columns=4)
    for panel, name in zip(axes, sets, strict=True):
        for place, head in enumerate(("pick_one", "softmax_uniform")):
            own = epochs[(epochs["set"] == name) & (epochs["head"] == head)].groupby("epoch")
            intervals = [mean_interval(values) for _, values in own["expected_loss"]]
            curve(panel, list(own.groups), intervals, place, head)
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel("epoch")
    axes[0].set_ylabel("expected validation loss")
    legend(figure, axes[0])
    return figure


EXPERIMENT = PickOne()
