"""The options of a search."""

from __future__ import annotations

from dataclasses import dataclass

from mlc.config.options import option
from mlc.search.metrics import require_validation_metric

RANDOM = "random"
SAMPLERS = (RANDOM, "tpe", "gp", "cmaes")


@dataclass
class SearchOptions:
    """The options of `hydra/sweeper=search`.

    Attributes:
        n_trials: the number of configurations of each head; trial 0 is the defaults.
        seed: of the draws.
        metric: of the validation rows, by which a trial is chosen.
        sampler: random, or one of Optuna's that learn from the trials before.
        batch: the number of trials that another sampler than random draws at a time.
        more_seeds: further seeds, with which the chosen trial of each head alone is trained.
    """

    n_trials: int = option(20, at_least=1, at_most=100_000)
    seed: int = option(0, at_least=0, at_most=2**32 - 1)
    metric: str = "jaccard_samples"
    sampler: str = option(RANDOM, choices=SAMPLERS)
    batch: int = option(5, at_least=1)
    more_seeds: int = option(0, at_least=0, at_most=10_000)

    def validate(self, prefix: str) -> None:
        """Require a metric of the validation rows."""
        require_validation_metric(f"{prefix}metric", self.metric)
