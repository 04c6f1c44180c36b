"""Measurements whose decisions are evaluated like those of the trained heads."""

from __future__ import annotations

from torch import Tensor

from experiments.harness import Measurements, Row
from mlc.metrics.counts import COUNT_METRICS


class Decided(Measurements):
    """A study of the metrics of rules on the validation part ("val_...") and the test part."""

    def __init__(self, metrics: tuple[str, ...], rules: tuple[str, ...]) -> None:
        self.metrics, self.rules = metrics, rules

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the heads' studies."""
        parts = [f"{part}{metric}" for part in ("val_", "") for metric in self.metrics]
        return ("rule", *parts, "error")

    def judged(self, rule: str, decided: dict[str, Tensor], targets: dict[str, Tensor]) -> Row:
        """Return the row of a rule from decisions and targets (N, K), bool, by part."""
        row: Row = {"rule": rule}
        for part, prefix in (("val", "val_"), ("test", "")):
            for metric in self.metrics:
                row[prefix + metric] = float(COUNT_METRICS[metric](decided[part], targets[part]))
        return row
