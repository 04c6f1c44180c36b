"""The lead of `pairwise` by macro F1, where heads differ more than by the Jaccard index."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.harness.report import listed
from experiments.league.claims import gains_over_sigmoid
from experiments.league.standings import select
from experiments.learned_features.tuned import TITLES

_METRIC = "f1_macro"
_HEAD = "pairwise"


def pairwise_by_macro_f1(kinds: Mapping[str, pd.DataFrame]) -> str:
    """List pairwise less sigmoid by kind of features, configurations and rules chosen."""
    gains = {
        TITLES[kind]: gains_over_sigmoid(select(rows, _METRIC), _HEAD, _METRIC)
        for kind, rows in kinds.items()
        if (rows["head"] == _HEAD).any()
    }
    return listed({title: next(iter(of_kind.values())) for title, of_kind in gains.items()})
