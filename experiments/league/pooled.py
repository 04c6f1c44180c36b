"""The values of ensembles and their gains over one network."""

from __future__ import annotations

import pandas as pd

from experiments.league.standings import candidates, means, select, standings
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table


def ensemble_gains(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Return the gains in test jaccard_samples of ensembles over tuned networks: heads by data."""
    metric = "jaccard_samples"
    reached = means(select(ensembles, metric), metric)
    return reached - means(tuned, metric).reindex_like(reached)


def ensembles_table(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Return the ensembles of each head with rules chosen out of bag, and their gains."""
    chosen = select(ensembles, "jaccard_samples")
    return standings(chosen, "jaccard_samples", ensemble_gains(ensembles, tuned))


def best_ensembles(ensembles: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of head and rule with the best test and out-of-bag means, by data set.

    Columns: "oracle" and "chosen", each (head, rule).
    """
    pairs = ensembles.groupby(["data", "head", "rule"], sort=False)[
        ["val_jaccard_samples", "jaccard_samples"]
    ].mean()
    fair = candidates(pairs.reset_index("rule"), "jaccard_samples").set_index("rule", append=True)
    best = {}
    for data, group in pairs.groupby("data", sort=False):
        oracle = group["jaccard_samples"].idxmax()
        chosen = fair.loc[[data]]["val_jaccard_samples"].idxmax()
        best[data] = {"oracle": oracle[1:], "chosen": chosen[1:]}
    return pd.DataFrame.from_dict(best, orient="index")


def best_ensembles_table(ensembles: pd.DataFrame) -> Table:
    """Return the table of `best_ensembles` with test values."""
    values = ensembles.set_index(["data", "head", "rule"])["jaccard_samples"].sort_index()
    lines = []
    for data, pairs in best_ensembles(ensembles).iterrows():
        cells = []
        for pair in (pairs["oracle"], pairs["chosen"]):
            cells += [", ".join(pair), str(mean_interval(values.loc[[(data, *pair)]]))]
        lines.append([str(data), *cells])
    return Table(["data", "best pair (oracle)", "test", "best pair out of bag", "test"], lines)
