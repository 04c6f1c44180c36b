"""A distribution times a cardinality, and the optimiser that each loss wants."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.harness import Experiment, Report, Trainings, Trial

CONTESTANTS: dict[str, dict[str, str]] = {
    "sigmoid": {"head": "sigmoid"},
    "distribution x mse": {"head": "distribution_cardinality", "head.form": "mse"},
    "distribution x poisson": {"head": "distribution_cardinality", "head.form": "poisson"},
    "distribution x gaussian": {"head": "distribution_cardinality", "head.form": "gaussian"},
    "product": {"head": "distribution_cardinality", "head.form": "product"},
    "unnormalised_kl": {"head": "unnormalised_kl"},
    "margin": {"head": "margin"},
}
# Five rates for each, a factor of about three apart, around what its authors propose.
RATES: dict[str, tuple[float, ...]] = {
    "sgd": (0.003, 0.01, 0.03, 0.1, 0.3),
    "adagrad": (0.001, 0.003, 0.01, 0.03, 0.1),
    "adadelta": (0.1, 0.3, 1.0, 3.0, 10.0),
    "rmsprop": (0.0001, 0.0003, 0.001, 0.003, 0.01),
    "adam": (0.0001, 0.0003, 0.001, 0.003, 0.01),
}
DATA = {"quick": ("emotions",), "full": ("emotions", "scene", "yeast", "digits")}
SEEDS = {"quick": 3, "full": 5}


class Runs(Trainings):
    """Each loss with each optimiser at each of its rates."""

    experiment = "factorised"
    more = ("train/best_epoch",)

    def trials(self, budget: str) -> list[Trial]:
        """Data, losses, optimisers, rates, seeds; no schedule, as in the threads."""
        return [
            {
                "data": data, **own, "optimizer": optimizer, "optimizer.schedule": "constant",
                "optimizer.lr": rate, "seed": seed,
            }
            for data in DATA[budget]
            for own in CONTESTANTS.values()
            for optimizer, rates in RATES.items()
            for rate in rates
            for seed in range(SEEDS[budget])
        ]  # fmt: skip


class Factorised(Experiment):
    """The experiment."""

    name = "factorised"
    studies = (Runs(),)

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Not yet."""
        return Report()


EXPERIMENT = Factorised()
