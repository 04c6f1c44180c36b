"""Measurements whose decisions are judged as those of the trained heads are."""

from __future__ import annotations

from torch import Tensor

from experiments.harness import Measurements, Row
from mlc.metrics.counts import COUNT_METRICS


class Decided(Measurements):
    """Each rule's metrics on the validation part ("val_...") and the test part."""

    def __init__(self, metrics: tuple[str, ...], rules: tuple[str, ...]) -> None:
        self.metrics, self.rules = metrics, rules

    @property
    def columns(self) -> tuple[str, ...]:
        """As the heads' own."""
        parts = [f"{part}{metric}" for part in ("val_", "") for metric in self.metrics]
        return ("rule", *parts, "error")

    def judged(self, rule: str, decided: dict[str, Tensor], targets: dict[str, Tensor]) -> Row:
        """One rule's row: decisions and targets (N, K), bool, of "val" and "test"."""
        row: Row = {"rule": rule}
        for part, prefix in (("val", "val_"), ("test", "")):
            for metric in self.metrics:
                row[prefix + metric] = float(COUNT_METRICS[metric](decided[part], targets[part]))
        return row
