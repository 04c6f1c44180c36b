"""One trained and decided configuration, and the rows that are stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from experiments.equal_budgets.rules import Decided
from experiments.harness import Row
from mlc.metrics.final import decision_metrics

METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy", "hamming_loss")
# Stored beside those by which configurations and rules are chosen.
STORED = (*METRICS, "f1_micro", "f1_samples")
RANKING = (
    "average_precision_macro", "roc_auc_macro", "ranking_loss", "lrap", "precision_at_1", "brier",
    "nll",
)  # fmt: skip
# The rule of the row with what depends on no rule.
NO_RULE = "-"
COLUMNS = (
    "phase", "number", "seed", "rule", *(f"val_{name}" for name in STORED), *STORED,
    *(f"val_{name}" for name in RANKING), *RANKING, "seconds", "best_epoch", "settings", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A configuration with a seed.

    Attributes:
        number: the number of the configuration in the search; 0 is the defaults.
        settings: its drawn values, by key, as text for an override.
        seed: of the run.
    """

    number: int
    settings: Mapping[str, str]
    seed: int


@dataclass
class Run:
    """The result of a job.

    Attributes:
        job: the job.
        decided: by rule and part, (N, K), bool.
        targets: by part, (N, K), bool.
        ranking: metrics without a rule, by part and name.
        facts: "seconds" and "best_epoch".
        error: why the training failed; "" if it did not.
    """

    job: Job
    decided: dict[str, Decided] = field(default_factory=dict)
    targets: dict[str, NDArray[Any]] = field(default_factory=dict)
    ranking: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    def rows(self, phase: str) -> list[Row]:
        """Return the stored rows: one of the run, then one for each rule."""
        key: Row = {"phase": phase, "number": self.job.number, "seed": self.job.seed}
        settings = " ".join(f"{name}={value}" for name, value in self.job.settings.items())
        first: Row = {**key, "rule": NO_RULE, "settings": settings}
        if self.error:
            return [{**first, "error": self.error}]
        for part, prefix in (("val", "val_"), ("test", "")):
            values = self.ranking.get(part, {})
            first.update({prefix + name: values[name] for name in RANKING if name in values})
        return [{**first, **self.facts}, *(self._row(key, rule) for rule in self.decided)]

    def _row(self, key: Row, rule: str) -> Row:
        row: Row = {**key, "rule": rule}
        for part, prefix in (("val", "val_"), ("test", "")):
            values = decision_metrics(self.decided[rule][part], self.targets[part])
            # Four digits, as they are stored: the choice can be made again from the file.
            row.update({prefix + name: float(f"{values[name]:.4g}") for name in STORED})
        return row
