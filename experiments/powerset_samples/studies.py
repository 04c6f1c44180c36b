"""Trainings in exact worlds, by labels, dependence and rows."""

from __future__ import annotations

from experiments.harness import Row, Trainings, Trial
from mlc.cohort import Judged

HEADS = ("sigmoid", "powerset", "label_powerset", "pairwise", "chain", "bernoulli_mixture")
# Rows to validate on where a fifth would be more than a choice of the epoch needs.
_MOST_VALIDATED = 4_000
# Rows to train and validate on: batch size and epochs, so that the steps are enough for each.
SCHEDULE = {
    250: (32, 60),
    1_000: (64, 60),
    4_000: (64, 30),
    16_000: (256, 25),
    64_000: (512, 12),
    200_000: (1024, 8),
}
_FULL = ((4, 6, 8, 10, 12), (0.0, 1.0, 3.0), tuple(SCHEDULE), 3)
_QUICK = ((4, 6), (0.0, 3.0), (250, 1_000, 4_000), 2)


class Runs(Trainings):
    """Regret against the Bayes value, the world and the run drawn anew in each replicate."""

    experiment = "powerset_samples"
    columns = ("jaccard_samples", "subset_accuracy", "hamming_loss", "nll", "bayes_jaccard",
               "bayes_subset", "error")  # fmt: skip

    def trials(self, budget: str) -> list[Trial]:
        """Label numbers, dependences, sample numbers and replicates."""
        numbers, dependences, rows, replicates = _FULL if budget == "full" else _QUICK
        return [
            {
                "data.n_labels": n_labels, "data.dependence": dependence, "data.n_train": n,
                "head": head, "trainer.batch_size": SCHEDULE[n][0],
                "trainer.max_epochs": SCHEDULE[n][1], "data.seed": seed, "seed": seed,
                **({"data.val_fraction": _MOST_VALIDATED / n} if n > 5 * _MOST_VALIDATED else {}),
            }
            for n in rows
            for n_labels in numbers
            for dependence in dependences
            for seed in range(replicates)
            for head in HEADS
        ]  # fmt: skip

    def rows(self, trial: Trial, judged: Judged) -> list[Row]:
        """Each metric by the rule that is made for it."""
        found = judged.evaluation.metrics
        exact = "mode" if "mode" in judged.evaluation.decisions["test"] else "fixed"
        return [
            {
                "jaccard_samples": found["regret/expected_jaccard/jaccard_samples"],
                "subset_accuracy": found[f"regret/{exact}/subset_accuracy"],
                "hamming_loss": found["regret/fixed/hamming_loss"],
                "nll": found["test/nll"],
                "bayes_jaccard": found["bayes/jaccard_samples"],
                "bayes_subset": found["bayes/subset_accuracy"],
            }
        ]
