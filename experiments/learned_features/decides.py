"""What decides? One-split rules on measurable properties, judged on data sets that were left out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from mlc.reporting.statistics import Interval, holm, mean_interval

# The least number of data sets on each side of a split.
LEAST = 2
_PERMUTATIONS = 20_000


@dataclass(frozen=True)
class Split:
    """A rule with one split: a mean below the limit, and one from it up.

    Attributes:
        name: the property.
        limit: the middle between two neighbours among the data sets it was fitted on.
        below, above: the predicted leads.
    """

    name: str
    limit: float
    below: float
    above: float

    def predict(self, values: pd.DataFrame) -> pd.Series:
        """Return the predicted lead of each data set, (n,)."""
        above = values[self.name] >= self.limit
        return pd.Series(np.where(above, self.above, self.below), index=values.index)

    def __str__(self) -> str:
        return f"{self.name} >= {self.limit:.3g}: {self.above:+.3f}, else {self.below:+.3f}"


def fit_split(
    values: pd.DataFrame, leads: pd.Series, groups: Sequence[Hashable] | None = None
) -> Split | None:
    """Return the split with the least squared error; None if there are too few data sets.

    Args:
        values: properties, (n, P).
        leads: the leads, (n,).
        groups: data sets of one group, as two kinds of features of one data set, count as one for
            `LEAST`; None for groups of one.
    """
    names = np.asarray(list(range(len(values))) if groups is None else list(groups), dtype=object)
    y = leads.to_numpy(dtype=float)
    best, least = None, np.inf
    for name in values:
        column = values[name].to_numpy(dtype=float)
        levels = np.unique(column)
        for limit in (levels[1:] + levels[:-1]) / 2:
            above = column >= limit
            if min(above.sum(), (~above).sum()) < LEAST:
                continue
            means = y[~above].mean(), y[above].mean()
            error = ((y - np.where(above, means[1], means[0])) ** 2).sum()
            # Equal up to rounding: the first property and limit stay.
            if error >= least - 1e-12:
                continue
            if min(len(set(names[above])), len(set(names[~above]))) >= LEAST:
                best, least = Split(str(name), float(limit), *map(float, means)), error
    return best


@dataclass(frozen=True)
class LeftOut:
    """Absolute errors on data sets that were left out.

    Attributes:
        errors: by data set and predictor: "split", "mean", and "none", which predicts a lead of 0.
        chosen: the split that was fitted without each data set.
    """

    errors: pd.DataFrame
    chosen: dict[str, Split]

    def gain(self, other: str) -> Interval:
        """Return the mean error of another predictor less that of the split, over data sets."""
        return mean_interval(self.errors[other] - self.errors["split"])


def leave_out(values: pd.DataFrame, leads: pd.Series, groups: Sequence[Hashable]) -> LeftOut:
    """Fit the split, and the mean, without each group in turn, and predict the group.

    Errors of a group are averaged, so that each data set counts once.
    """
    names = pd.Series(list(groups), index=values.index)
    errors, chosen = {}, {}
    for group in dict.fromkeys(names):
        out = names == group
        split = fit_split(values[~out], leads[~out], list(names[~out]))
        if split is None:
            continue
        chosen[str(group)] = split
        mean = leads[~out].groupby(names[~out]).mean().mean()
        errors[str(group)] = {
            "split": (leads[out] - split.predict(values[out])).abs().mean(),
            "mean": (leads[out] - mean).abs().mean(),
            "none": leads[out].abs().mean(),
        }
    return LeftOut(pd.DataFrame.from_dict(errors, orient="index"), chosen)


def rank_correlations(values: pd.DataFrame, leads: pd.Series) -> pd.DataFrame:
    """Return Spearman's correlation of each property with the lead, by property.

    Columns: "rho", "p" (two-sided, by random permutations) and "p_holm" (corrected over properties).
    """
    y = _standard(rankdata(leads))
    permuted = y[_orders(len(y))]
    rows = {}
    for name in values:
        x = _standard(rankdata(values[name]))
        rho = float(x @ y)
        extreme = (np.abs(permuted @ x) >= abs(rho) - 1e-9).sum()
        rows[str(name)] = {"rho": rho, "p": (extreme + 1) / (_PERMUTATIONS + 1)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(p_holm=holm(table["p"]))


@cache
def _orders(n: int) -> NDArray[np.intp]:
    """Return random orders of n data sets, (permutations, n)."""
    rng = np.random.default_rng(0)
    return np.array([rng.permutation(n) for _ in range(_PERMUTATIONS)])


def _standard(ranks: np.ndarray) -> np.ndarray:
    centred = ranks - ranks.mean()
    norm = np.linalg.norm(centred)
    scaled: np.ndarray = centred / norm if norm > 0 else centred
    return scaled
