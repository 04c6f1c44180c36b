"""Trainings in exact worlds, by number of labels, dependence and number of rows."""

from __future__ import annotations

from typing import ClassVar

from experiments.harness import Row, Trainings, Trial
from experiments.worlds import N_LABELS, STRUCTURES
from mlc.runs.folder import BEST_VALUE
from mlc.runs.recorder import RunResult

HEADS = ("sigmoid", "powerset", "label_powerset", "pairwise", "chain", "bernoulli_mixture")
# Largest number of validation rows: the choice of the epoch needs no more.
_MOST_VALIDATED = 4_000
# Batch size and epochs by the number of training and validation rows.
SCHEDULE = {
    250: (32, 60),
    1_000: (64, 60),
    4_000: (64, 30),
    16_000: (256, 25),
    64_000: (512, 12),
    200_000: (1024, 8),
}
# At a common rate, large output layers overfit earlier and small ones converge too late.
RATES = (0.002, 0.006, 0.02)
# A factor of about three apart, over a wider range.
WIDER_RATES = (0.001, 0.003, 0.01, 0.03)
WIDEST_RATES = (0.0003, *WIDER_RATES, 0.1)
_FULL = ((0.0, 1.0, 3.0), tuple(SCHEDULE), 3)
_QUICK = ((0.0, 3.0), (250, 1_000, 4_000), 2)
_STRONG = 3.0
_REPLICATES = 3


def setting(n: int, head: str, rate: float, seed: int) -> Trial:
    """Return the settings of a training beside those of its world."""
    return {
        "data.n_train": n, "head": head, "optimizer.lr": rate, "trainer.batch_size": SCHEDULE[n][0],
        "trainer.max_epochs": SCHEDULE[n][1], "data.seed": seed, "seed": seed,
        **({"data.val_fraction": _MOST_VALIDATED / n} if n > 5 * _MOST_VALIDATED else {}),
    }  # fmt: skip


class Runs(Trainings):
    """Regrets against the Bayes value; each replicate draws the world and the run anew.

    "val_loss" is the loss of the head on the validation rows in the chosen epoch.
    """

    experiment = "powerset_samples"
    columns = ("jaccard_samples", "subset_accuracy", "hamming_loss", "nll", "bayes_jaccard",
               "bayes_subset", "val_loss", "error")  # fmt: skip
    n_labels: ClassVar[dict[str, tuple[int, ...]]] = {"quick": (4, 6), "full": (4, 6, 8)}
    rates: ClassVar[tuple[float, ...]] = RATES

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of rows and labels, dependences, replicates, heads and rates."""
        dependences, rows, replicates = _FULL if budget == "full" else _QUICK
        return [
            {
                "data.n_labels": n_labels,
                "data.dependence": dependence,
                **setting(n, head, rate, seed),
            }
            for n in rows
            for n_labels in self.n_labels[budget]
            for dependence in dependences
            for seed in range(replicates)
            for head in HEADS
            for rate in self.rates
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return the regret of each metric under the rule that optimises it."""
        metrics = result.evaluation.metrics
        exact = "mode" if "mode" in result.evaluation.decisions["test"] else "fixed"
        return [
            {
                "jaccard_samples": metrics["regret/expected_jaccard/jaccard_samples"],
                "subset_accuracy": metrics[f"regret/{exact}/subset_accuracy"],
                "hamming_loss": metrics["regret/fixed/hamming_loss"],
                "nll": metrics["test/nll"],
                "bayes_jaccard": metrics["bayes/jaccard_samples"],
                "bayes_subset": metrics["bayes/subset_accuracy"],
                "val_loss": result.facts[BEST_VALUE],
            }
        ]


class OneRate(Runs):
    """More labels at the rate that the heads had before each was given one of its own."""

    name = "one_rate"
    n_labels: ClassVar[dict[str, tuple[int, ...]]] = {"quick": (), "full": (10, 12)}
    rates = RATES[:1]


class MoreLabels(Runs):
    """More labels at five rates, with strong dependence and from 4,000 rows on."""

    name = "more_labels"
    dependences: ClassVar[tuple[float, ...]] = (_STRONG,)
    rates: ClassVar[tuple[float, ...]] = WIDEST_RATES[1:]
    n_labels: ClassVar[dict[str, tuple[int, ...]]] = {"quick": (), "full": (10, 12)}
    n_rows: ClassVar[tuple[int, ...]] = (4_000, 16_000, 64_000)

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of rows and labels, dependences, replicates, heads and rates."""
        return [
            {
                "data.n_labels": n_labels,
                "data.dependence": dependence,
                **setting(n, head, rate, seed),
            }
            for n in self.n_rows
            for n_labels in self.n_labels[budget]
            for dependence in self.dependences
            for seed in range(_REPLICATES)
            for head in HEADS
            for rate in self.rates
        ]


class WeakerDependence(MoreLabels):
    """The same without dependence and with little, at rates beside that of `OneRate`."""

    name = "weaker_dependence"
    dependences: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    rates = (0.0006, 0.006, 0.02)


class Structures(Runs):
    """Worlds whose dependence no fixed energies of pairs express."""

    name = "structures"
    rates = WIDEST_RATES
    n_rows: ClassVar[tuple[int, ...]] = (1_000, 4_000, 16_000)

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of rows, worlds, replicates, heads and rates; all are in "full"."""
        return [
            {"data.n_labels": N_LABELS, **world, **setting(n, head, rate, seed)}
            for n in self.n_rows
            for world in STRUCTURES.values()
            for seed in range(_REPLICATES)
            for head in HEADS
            for rate in self.rates
            if budget == "full"
        ]
