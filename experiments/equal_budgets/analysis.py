"""Heads and baselines that were searched with equal numbers of configurations."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.equal_budgets.epochs import Epochs
from experiments.equal_budgets.studies import PLANS, Searches
from experiments.harness import Experiment, Report


class EqualBudgets(Experiment):
    """The experiment that searches all heads and baselines equally."""

    name = "equal_budgets"
    studies = (Epochs(), *(Searches(data) for data in PLANS))

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the chosen contestants."""
        return Report()


EXPERIMENT = EqualBudgets()
