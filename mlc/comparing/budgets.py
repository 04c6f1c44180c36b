"""The sizes of a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How much is trained.

    Attributes:
        n_trials: configurations of each head, the same draws for all.
        n_splits: seeds with which all of them are trained, each with validation rows of its own.
        n_more: further seeds, with which the chosen configuration alone is trained.
        minutes: all numbers are lowered until the estimate is at most this; None for no limit.
    """

    n_trials: int
    n_splits: int
    n_more: int = 0
    minutes: float | None = None

    @property
    def n_all_splits(self) -> int:
        """Splits of the chosen configuration."""
        return self.n_splits + self.n_more


BUDGETS = {
    "quick": Budget(4, 2, 4, minutes=3.0),
    "fair": Budget(10, 3, 4),
    "thorough": Budget(30, 5, 5),
}
