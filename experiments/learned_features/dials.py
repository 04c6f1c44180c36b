"""Digits whose number of labels a row is set: a data set for each value of the dial."""

from __future__ import annotations

from typing import Any

from experiments.harness import Trial
from experiments.league.studies import configuration
from experiments.learned_features.studies import FEW_HEADS, Learned

# Probabilities of 0, 1, 2, ... digits in an image.
DIGITS_PER_IMAGE = (
    (0.0, 0.95, 0.05),
    (0.0, 0.8, 0.15, 0.05),
    (0.0, 0.5, 0.3, 0.2),
    (0.0, 0.2, 0.4, 0.3, 0.1),
    (0.3, 0.65, 0.05),
    (0.3, 0.3, 0.25, 0.15),
)
N_ROWS = 1000
_SEEDS, _CONFIGURATIONS = 3, 2


def settings() -> list[dict[str, Any]]:
    """Return the settings of each data set."""
    return [
        {"data": "digits", "data.digits_per_image": shares, "data.n_train": N_ROWS}
        for shares in DIGITS_PER_IMAGE
    ]


def name_of(digits_per_image: str) -> str:
    """Return the name of a data set in tables, from its settings as they are stored."""
    shares = [float(share) for share in digits_per_image.strip("[]").split(",")]
    return f"digits, {shares[0]:.0%} none, {shares[1]:.0%} one"


class Dials(Learned):
    """Few heads on each of these data sets."""

    name = "dials"

    def by_configuration(self, budget: str) -> list[list[Trial]]:
        """Return data sets, heads and seeds for each configuration."""
        n_configurations, n_seeds, chosen = _CONFIGURATIONS, _SEEDS, settings()
        if budget == "quick":
            n_configurations, n_seeds, chosen = 1, 1, chosen[::3]
        return [
            [
                {
                    **data,
                    "backbone": "mlp",
                    "head": head,
                    **configuration(head, number),
                    "seed": seed,
                }
                for data in chosen
                for head in FEW_HEADS
                for seed in range(n_seeds)
            ]
            for number in range(n_configurations)
        ]
