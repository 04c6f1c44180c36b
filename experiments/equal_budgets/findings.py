"""The predictions on the chosen contestants."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.signed_rank import MARGIN
from experiments.harness import Finding
from experiments.league.standings import means

JOINT = ("pairwise", "chain", "label_powerset", "bernoulli_mixture")
PLAIN = ("logistic_regression", "random_forest")
_BEHIND = 0.02
_OPEN = "not measured"


def findings(by_metric: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Return the findings on the chosen rows of each metric, as `tuned` returns them."""
    jaccard = means(by_metric["jaccard_samples"], "jaccard_samples")
    heads = [head for head in jaccard.index if head not in BASELINES]
    level = jaccard.loc[heads].dropna().mean(axis=1)
    gain = (level - level[REFERENCE]).drop(REFERENCE)
    far = gain[gain.abs() > MARGIN]
    apart = [abs(one - other) > MARGIN for one, other in combinations(level, 2)]
    exact = means(by_metric["subset_accuracy"], "subset_accuracy")
    lead = (exact.reindex(JOINT) - exact.loc[REFERENCE]).mean(axis=1).dropna()
    return [
        Finding(
            f"of two heads few differ by more than {MARGIN} of Jaccard index on the mean of the data"
            " sets: fewer than half of the pairs",
            f"{sum(apart)} of {len(apart)}",
            sum(apart) < len(apart) / 2 if apart else None,
        ),
        Finding(
            f"fewer than half of the heads differ from sigmoid by more than {MARGIN} of Jaccard index"
            " on the mean of the data sets",
            f"{len(far)} of {len(gain)}: {', '.join(f'{h} {v:+.3f}' for h, v in far.items()) or 'none'}",
            bool(len(far) < len(gain) / 2) if len(gain) else None,
        ),
        Finding(
            "joint heads find more exact sets than sigmoid on the mean of the data sets, within or"
            " beyond the interval",
            ", ".join(f"{head} {value:+.3f}" for head, value in lead.items()) or _OPEN,
            bool((lead > 0).all()) if len(lead) else None,
        ),
        _of_baselines(jaccard, heads),
    ]


def _of_baselines(jaccard: pd.DataFrame, heads: list[str]) -> Finding:
    """Return the prediction on tuned baselines: each of them, not the better of both."""
    best = jaccard.loc[heads].max()
    behind = {name: (best - jaccard.loc[name]).dropna() for name in PLAIN if name in jaccard.index}
    text = "; ".join(
        f"{name} " + ", ".join(f"{data} {value:+.3f}" for data, value in of_data.items())
        for name, of_data in behind.items()
    )
    near = [(of_data <= _BEHIND).mean() > 1 / 2 for of_data in behind.values()]
    return Finding(
        f"tuned logistic regression and a random forest lie within {_BEHIND} of the best head, looked"
        " up on the test rows, on most data sets (behind it by)",
        text or _OPEN,
        all(near) if len(behind) == len(PLAIN) else None,
    )
