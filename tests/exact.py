"""Count metrics as loops over single pairs, in fractions, which neither round nor overflow."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Rows = Sequence[Sequence[bool]]
AVERAGED = ("jaccard", "f1", "precision", "recall")
NAMES = (
    "subset_accuracy",
    "hamming_loss",
    *(f"{measure}_{average}" for measure in AVERAGED for average in ("samples", "micro", "macro")),
)


def exact(name: str, decisions: Rows, targets: Rows) -> Fraction:
    """The metric of this name of decided label sets: (N, K) twice."""
    if name == "subset_accuracy":
        return Fraction(
            sum(list(d) == list(t) for d, t in zip(decisions, targets, strict=True)), len(targets)
        )
    if name == "hamming_loss":
        return 1 - _mean([Fraction(int(d == t)) for d, t in _pairs(decisions, targets)])
    measure, average = name.rsplit("_", 1)
    if average == "micro":
        return _of_group(measure, _pairs(decisions, targets), empty=1)
    if average == "macro":
        decisions, targets = list(zip(*decisions, strict=True)), list(zip(*targets, strict=True))
    empty = 0 if average == "macro" else 1
    groups = (list(zip(d, t, strict=True)) for d, t in zip(decisions, targets, strict=True))
    return _mean([_of_group(measure, group, empty) for group in groups])


def best_cut(name: str, scores: Sequence[Sequence[float]], targets: Rows, higher: bool) -> float:
    """The highest of the best thresholds, of all that `score >= threshold` can tell apart."""
    distinct = sorted({s for row in scores for s in row}, reverse=True)
    candidates = [distinct[0] + 1, *distinct]
    values = [exact(name, [[s >= t for s in row] for row in scores], targets) for t in candidates]
    return candidates[values.index(max(values) if higher else min(values))]


def _of_group(measure: str, pairs: Sequence[tuple[bool, bool]], empty: int) -> Fraction:
    both = sum(d and t for d, t in pairs)
    decided, true = sum(d for d, _ in pairs), sum(t for _, t in pairs)
    if decided == true == 0:
        return Fraction(empty)
    of = {
        "jaccard": (both, decided + true - both),
        "f1": (2 * both, decided + true),
        "precision": (both, decided),
        "recall": (both, true),
    }
    above, below = of[measure]
    return Fraction(int(above), int(below)) if below else Fraction(0)


def _pairs(decisions: Rows, targets: Rows) -> list[tuple[bool, bool]]:
    return [
        pair for d, t in zip(decisions, targets, strict=True) for pair in zip(d, t, strict=True)
    ]


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)
