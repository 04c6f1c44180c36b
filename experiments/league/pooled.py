"""What ensembles of each head reach, and what they gain on one network."""

from __future__ import annotations

import pandas as pd

from experiments.league.standings import candidates, means, select, standings
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table


def ensemble_gains(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Test jaccard_samples of each head's ensembles less that of its tuned networks: heads by data."""
    metric = "jaccard_samples"
    own = means(select(ensembles, metric), metric)
    return own - means(tuned, metric).reindex_like(own)


def ensembles_table(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Each head's ensembles, their rule chosen out of bag, and what they gain on its tuned networks."""
    chosen = select(ensembles, "jaccard_samples")
    return standings(chosen, "jaccard_samples", ensemble_gains(ensembles, tuned))


def best_ensembles(ensembles: pd.DataFrame) -> pd.DataFrame:
    """By data set the pair of head and rule with the best test mean, and that with the best out of bag.

    Columns: "oracle" and "chosen", each (head, rule).
    """
    pairs = ensembles.groupby(["data", "head", "rule"], sort=False)[
        ["val_jaccard_samples", "jaccard_samples"]
    ].mean()
    fair = candidates(pairs.reset_index("rule"), "jaccard_samples").set_index("rule", append=True)
    found = {}
    for data, own in pairs.groupby("data", sort=False):
        oracle = own["jaccard_samples"].idxmax()
        chosen = fair.loc[[data]]["val_jaccard_samples"].idxmax()
        found[data] = {"oracle": oracle[1:], "chosen": chosen[1:]}
    return pd.DataFrame.from_dict(found, orient="index")


def best_ensembles_table(ensembles: pd.DataFrame) -> Table:
    """`best_ensembles` with their test values."""
    values = ensembles.set_index(["data", "head", "rule"])["jaccard_samples"].sort_index()
    lines = []
    for data, own in best_ensembles(ensembles).iterrows():
        cells = []
        for pair in (own["oracle"], own["chosen"]):
            cells += [", ".join(pair), str(mean_interval(values.loc[[(data, *pair)]]))]
        lines.append([str(data), *cells])
    return Table(["data", "best pair (oracle)", "test", "best pair out of bag", "test"], lines)
