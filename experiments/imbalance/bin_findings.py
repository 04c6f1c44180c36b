"""What is reported on labels by their number of positives: tables, the figure and predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.harness import Finding, Report
from experiments.imbalance.bins import (
    REFERENCE,
    Cells,
    at_edge,
    bins_figure,
    bins_table,
    choose,
    chosen_rates_table,
    compared,
    differences,
)
from experiments.imbalance.by_positives import BINS, RANKING
from mlc.reporting.statistics import Interval

_RULES = {
    "fixed": "F1 at the head's own threshold",
    "per_label": "F1 with a threshold for each label",
    "micro_macro": "F1 with smoothed thresholds for each label (micro_macro)",
    RANKING: "average precision",
}
_OVER = (
    "mean over the labels of a bin; the other heads less sigmoid; ± over seeds and labels, in worlds"
    " over worlds, simultaneous for the heads of a bin"
)
_RARE, _COMMON = tuple(BINS)[:2], tuple(BINS)[2:]
# Heads whose loss moves the scores of rare labels up.
MOVED = ("weighted_sigmoid", "asymmetric", "logit_adjusted")
_MARGIN = 0.02
# The least gain that three digits show.
_SHOWN = 0.0005
_MOST_AT_EDGES = 0.2
_OPEN = "not measured"


def report_bins(report: Report, rows: pd.DataFrame) -> None:
    """Add tables, the figure, numbers and findings; without rows their place is kept."""
    chosen = choose(rows)
    by_rule = {rule: compared(chosen, rule) for rule in _RULES}
    for rule, words in _RULES.items():
        report.tables[f"bins_{rule.replace(' ', '_')}"] = (
            f"Test {words}, by the number of positives for training and validation ({_OVER})",
            bins_table(chosen, by_rule[rule]),
        )
    report.tables["bins_rates"] = (
        "Seeds in which each rate has the best validation loss of the head",
        chosen_rates_table(chosen),
    )
    report.figures["bins"] = bins_figure(by_rule)
    low, high, n = at_edge(chosen)
    report.numbers |= {
        "bins_clear_per_label": _clear(by_rule["per_label"]),
        "bins_clear_fixed": _clear(by_rule["fixed"]),
        "bins_clear_ranking": _clear(by_rule[RANKING]),
        "bins_edges": f"{low} at the lowest and {high} at the highest of {n}",
    }
    report.findings += _findings(by_rule, at_edge(chosen))


def _clear(cells: Cells) -> str:
    """Count the bins in which a head's difference leaves out 0, by head and direction."""
    every = list(differences(cells, BINS))
    clear = [(head, d.mean > 0) for _, _, head, d in every if d.is_clear]
    sides = []
    for side, is_ahead in (("ahead", True), ("behind", False)):
        counted = Counter(head for head, ahead in clear if ahead == is_ahead)
        heads = ", ".join(f"{head} {n}" for head, n in counted.most_common()) or "none"
        sides.append(f"{side} {heads}")
    n_bins = len({(data, name) for data, name, _, d in every if d.half_width > 0})
    return f"{'; '.join(sides)}; of {n_bins} bins"


def _findings(by_rule: Mapping[str, Cells], edges: tuple[int, int, int]) -> list[Finding]:
    low, high, n = edges
    shifted = _mean_by_head(by_rule["fixed"], MOVED)
    tuned = list(differences(by_rule["per_label"], _COMMON))
    ranked = list(differences(by_rule[RANKING], _COMMON))
    rare = list(differences(by_rule["per_label"], _RARE))
    ahead = [each for each in rare if each[3].is_above]
    smoothed = _smoothed(by_rule)
    return [
        Finding(
            "at 0.5 the heads that raise the scores of rare labels are ahead of sigmoid by F1 where"
            " labels have up to 20 positives, on the mean of data sets and bins",
            ", ".join(f"{head} {value:+.3f}" for head, value in shifted.items()) or _OPEN,
            all(value > 0 for value in shifted.values()) if shifted else None,
        ),
        Finding(
            f"with a threshold for each label no head is ahead of sigmoid by {_MARGIN:g} or more where"
            " labels have more than 20 positives",
            _largest(tuned),
            _none_above(tuned),
        ),
        Finding(
            f"nor by average precision, which needs no threshold: less than {_MARGIN:g} there",
            _largest(ranked),
            _none_above(ranked),
        ),
        Finding(
            "with up to 20 positives no head is ahead with a threshold for each label beyond the"
            " interval: labels are too few and too rare to show it",
            "; ".join(f"{data} {name}: {head} {d.signed()}" for data, name, head, d in ahead)
            or ("none" if rare else _OPEN),
            not ahead if rare else None,
        ),
        Finding(
            "smoothed thresholds (micro_macro) are ahead of separate ones for sigmoid where labels have"
            " up to 20 positives, on the mean of data sets and bins",
            f"{smoothed:+.3f}" if smoothed is not None else _OPEN,
            smoothed >= _SHOWN if smoothed is not None else None,
        ),
        Finding(
            f"five rates are enough: at most {_MOST_AT_EDGES:.0%} of the chosen ones are at an edge",
            f"{low + high} of {n}" if n else _OPEN,
            low + high <= _MOST_AT_EDGES * n if n else None,
        ),
    ]


def _mean_by_head(cells: Cells, heads: Sequence[str]) -> dict[str, float]:
    """Return the mean difference in the bins of rare labels."""
    values = list(differences(cells, _RARE))
    return {
        head: float(np.mean([d.mean for _, _, other, d in values if other == head]))
        for head in heads
        if values
    }


# Data set, bin, head and its difference from the reference.
_Difference = tuple[str, str, str, Interval]


def _largest(values: Sequence[_Difference]) -> str:
    if not values:
        return _OPEN
    data, name, head, difference = max(values, key=lambda each: each[3].mean)
    return f"at most {difference.signed()}: {head} on {data}, {name}"


def _none_above(values: Sequence[_Difference]) -> bool | None:
    return all(each[3].mean < _MARGIN for each in values) if values else None


def _smoothed(by_rule: Mapping[str, Cells]) -> float | None:
    """Return the gain of micro_macro over per_label for the reference, on the mean of rare bins."""
    gains = [
        by_rule["micro_macro"][cell][REFERENCE].mean - by_head[REFERENCE].mean
        for cell, by_head in by_rule["per_label"].items()
        if cell[1] in _RARE
    ]
    return float(np.mean(gains)) if gains else None
