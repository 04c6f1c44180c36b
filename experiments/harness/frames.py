"""Rows of studies that are not through yet."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def whole_groups(rows: pd.DataFrame, group: Sequence[str], within: str) -> pd.DataFrame:
    """The rows of those groups in which every value of a column has as many runs as any other.

    A comparison of heads on a data set on which some have not run would be none.
    """
    if rows.empty:
        return rows
    n_runs = rows.groupby([*group, within], dropna=False)["run"].nunique().unstack(within)
    whole = n_runs.eq(n_runs.max(axis=1), axis=0).all(axis=1)
    keys = pd.MultiIndex.from_frame(rows[list(group)])
    index = whole.index if len(group) > 1 else pd.MultiIndex.from_arrays([whole.index])
    return rows[keys.isin(index[whole.to_numpy()])]
