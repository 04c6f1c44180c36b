"""UC Merced whose validation rows are drawn from both published parts, beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.league.standings import select
from experiments.learned_features.studies import DRAWN, PRECISION, STUDIES
from experiments.learned_features.tuned import (
    NOT_MEASURED,
    best_by_precision,
    best_pair,
    complete,
    n_configurations,
    with_at_least_one,
)
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

METRIC = "jaccard_samples"
PARTS = ("published", "drawn")
_PUBLISHED = next(study for study in STUDIES if study.name == "ucmerced_frozen")


def both(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows by where the validation rows come from; none if one of them has no rows.

    Both have the heads and the configurations that the drawn ones have in all seeds.
    """
    drawn = complete(DRAWN, frames[DRAWN.name])
    published = complete(_PUBLISHED, frames[_PUBLISHED.name])
    if drawn.empty or published.empty:
        return {}
    measured = range(n_configurations(DRAWN, drawn))
    numbers = _PUBLISHED.configurations()
    same = published["head"].isin(drawn["head"]) & published["run"].map(numbers).isin(measured)
    found = {"published": published[same], "drawn": drawn}
    return {part: with_at_least_one(rows).assign(data=part) for part, rows in found.items()}


def by_head(rows: pd.DataFrame) -> dict[str, tuple[Interval, Interval]]:
    """Return each head's test values of the Jaccard index and of mean average precision.

    The configuration, and the rule of the first, are chosen for each seed on validation rows.
    """
    runs = rows.drop_duplicates("run")
    precise = runs.loc[runs.groupby(["head", "seed"])[f"val/{PRECISION}"].idxmax()]
    of_head = dict(iter(precise.groupby("head")[f"test/{PRECISION}"]))
    return {
        str(head): (mean_interval(values), mean_interval(of_head[head]))
        for head, values in select(rows, METRIC).groupby("head")[METRIC]
    }


def drawn_table(found: Mapping[str, pd.DataFrame]) -> Table:
    """Return the test values of the head that is best on validation rows, and of every head."""
    values = {part: by_head(rows) for part, rows in found.items()}
    chosen = [
        str(interval)
        for index in range(2)
        for part in PARTS
        for interval in [
            (best_pair(found[part], METRIC)[2], best_by_precision(found[part])[1])[index]
        ]
    ]
    lines = [["(best on validation rows)", *chosen]]
    for head in values["drawn"]:
        lines.append([head, *(str(values[part][head][i]) for i in range(2) for part in PARTS)])
    header = [f"{name}, {part}" for name in (METRIC, PRECISION) for part in PARTS]
    return Table(["head", *header], lines, 1)


def drawn_numbers(found: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Return the quoted numbers by name."""
    names = [f"{part}_{kind}" for part in PARTS for kind in ("jaccard", "precision")]
    if not found:
        return dict.fromkeys(
            [*names, "drawn_heads", "drawn_gains", "drawn_configurations"], NOT_MEASURED
        )
    texts = {}
    for part, rows in found.items():
        head, rule, test = best_pair(rows, METRIC)
        texts[f"{part}_jaccard"] = f"{test} ({head}, {rule})"
        precise, value = best_by_precision(rows)
        texts[f"{part}_precision"] = f"{value} ({precise})"
    published, drawn = (by_head(found[part]) for part in PARTS)
    gains = [drawn[head][0].mean - published[head][0].mean for head in drawn]
    texts["drawn_gains"] = f"{min(gains):+.3f} to {max(gains):+.3f}"
    texts["drawn_heads"] = str(len(drawn))
    texts["drawn_configurations"] = str(n_configurations(DRAWN, found["drawn"]))
    return texts
