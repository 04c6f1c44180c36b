"""Selecting rows of studies that are not complete."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def complete_groups(rows: pd.DataFrame, group: Sequence[str], within: str) -> pd.DataFrame:
    """Return the rows of the groups in which all values of the column `within` have as many runs.

    Otherwise tables would compare heads on a data set on which some heads have not run.
    """
    if rows.empty:
        return rows
    n_runs = rows.groupby([*group, within], dropna=False)["run"].nunique().unstack(within)
    complete = n_runs.eq(n_runs.max(axis=1), axis=0).all(axis=1)
    keys = pd.MultiIndex.from_frame(rows[list(group)])
    index = complete.index if len(group) > 1 else pd.MultiIndex.from_arrays([complete.index])
    return rows[keys.isin(index[complete.to_numpy()])]
