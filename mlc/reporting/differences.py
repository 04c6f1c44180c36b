"""Differences from a reference, paired by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlc.reporting.choice import chosen_rows, chosen_settings
from mlc.reporting.statistics import LEAST_PAIRS, PairedDifference, holm, paired_difference
from mlc.reporting.tables import FAIR, Table

UNDEFINED = "undefined"  # printed in place of a p-value


def differences_table(
    runs: pd.DataFrame, metric: str, reference: str, tuned_on: dict[str, str]
) -> Table | None:
    """Return the differences of each contestant from the reference under each fair rule.

    None if no seeds can be paired. Of several settings of a head, also of the reference, only the
    setting chosen on the validation rows is compared; the reference may name a setting itself, as
    in "focal head.gamma=2". The column p is absent if no comparison has `LEAST_PAIRS` seeds.
    """
    selected = chosen_rows(runs, chosen_settings(runs, metric))
    differences: list[tuple[str, str, PairedDifference]] = []
    for (rule, _), group in runs.groupby(["rule", "conditions"], sort=False):
        candidates = selected.loc[group.index.intersection(selected.index)]
        named = group[group["contestant"] == reference]
        base = named if len(named) else candidates[candidates["head"] == reference]
        if tuned_on.get(rule) not in FAIR or base["contestant"].nunique() != 1:
            continue
        base_values = base.set_index("seed")[metric]
        for name, other in candidates.groupby("contestant", sort=False):
            pair = pd.concat([other.set_index("seed")[metric], base_values], axis=1).dropna()
            if name != base["contestant"].iloc[0] and len(pair) > 1:
                values = pair.to_numpy()
                difference = paired_difference(values[:, 0], values[:, 1])
                differences.append((str(name), rule, difference))
    if not differences:
        return None
    adjusted = holm([difference.p_value for _, _, difference in differences])
    rows = [
        [name, rule, str(d.interval.n), d.interval.signed(), _p_text(p, d.interval.n)]
        for (name, rule, d), p in zip(differences, adjusted, strict=True)
    ]
    if all(difference.interval.n < LEAST_PAIRS for _, _, difference in differences):
        return Table(["head", "rule", "n", "difference"], [row[:-1] for row in rows])
    return Table(["head", "rule", "n", "difference", "p"], rows)


def differences_caption(table: Table, metric: str, reference: str, *, swept: bool) -> str:
    """Return the caption of a table of differences, with the reason for missing p-values."""
    settings = " each in the setting that the validation rows choose," if swept else ""
    caption = f"{metric} less that of {reference},{settings} same seeds in pairs"
    cells = {row[-1] for row in table.rows}
    if "p" not in table.header:
        return f"{caption} (no p-values below {LEAST_PAIRS} seeds)"
    test = "p: t-test, Holm"
    test += f", none below {LEAST_PAIRS} seeds" if "-" in cells else ""
    test += f"; {UNDEFINED} where all differences are equal" if UNDEFINED in cells else ""
    return f"{caption} ({test})"


def _p_text(p: float, n: int) -> str:
    if n < LEAST_PAIRS:
        return "-"
    return UNDEFINED if np.isnan(p) else f"{p:.3f}" if p >= 0.001 else "<0.001"
