"""Differences from a reference, the same seeds in pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlc.reporting.choice import chosen_rows, chosen_settings
from mlc.reporting.statistics import LEAST_PAIRS, PairedDifference, holm, paired_difference
from mlc.reporting.tables import FAIR, Table

UNDEFINED = "undefined"  # Stands for a p-value.


def differences_table(
    runs: pd.DataFrame, metric: str, reference: str, tuned_on: dict[str, str]
) -> Table | None:
    """Each contestant less the reference under each fair rule; None where there is nothing to pair.

    Of several settings of a head, the reference's too, the one that the validation rows choose; the
    reference may also name a setting, as in "focal head.gamma=2". There is no column p where no
    comparison has `LEAST_PAIRS` seeds.
    """
    shown = chosen_rows(runs, chosen_settings(runs, metric))
    found: list[tuple[str, str, PairedDifference]] = []
    for (rule, _), here in runs.groupby(["rule", "conditions"], sort=False):
        own = shown.loc[here.index.intersection(shown.index)]
        named = here[here["contestant"] == reference]
        base = named if len(named) else own[own["head"] == reference]
        if tuned_on.get(rule) not in FAIR or base["contestant"].nunique() != 1:
            continue
        base_values = base.set_index("seed")[metric]
        for name, group in own.groupby("contestant", sort=False):
            pair = pd.concat([group.set_index("seed")[metric], base_values], axis=1).dropna()
            if name != base["contestant"].iloc[0] and len(pair) > 1:
                values = pair.to_numpy()
                found.append((str(name), rule, paired_difference(values[:, 0], values[:, 1])))
    if not found:
        return None
    adjusted = holm([difference.p_value for _, _, difference in found])
    rows = [
        [name, rule, str(own.interval.n), own.interval.signed(), _shown_p(p, own.interval.n)]
        for (name, rule, own), p in zip(found, adjusted, strict=True)
    ]
    if all(own.interval.n < LEAST_PAIRS for _, _, own in found):
        return Table(["head", "rule", "n", "difference"], [row[:-1] for row in rows])
    return Table(["head", "rule", "n", "difference", "p"], rows)


def differences_caption(table: Table, metric: str, reference: str, *, swept: bool) -> str:
    """What a table of differences shows, and why a p-value is missing."""
    settings = " each in the setting that the validation rows choose," if swept else ""
    caption = f"{metric} less that of {reference},{settings} same seeds in pairs"
    cells = {row[-1] for row in table.rows}
    if "p" not in table.header:
        return f"{caption} (no p-values below {LEAST_PAIRS} seeds)"
    test = "p: t-test, Holm"
    test += f", none below {LEAST_PAIRS} seeds" if "-" in cells else ""
    test += f"; {UNDEFINED} where all differences are equal" if UNDEFINED in cells else ""
    return f"{caption} ({test})"


def _shown_p(p: float, n: int) -> str:
    if n < LEAST_PAIRS:
        return "-"
    return UNDEFINED if np.isnan(p) else f"{p:.3f}" if p >= 0.001 else "<0.001"
