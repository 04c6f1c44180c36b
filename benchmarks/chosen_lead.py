"""By how much the lead of the chosen head is measured too large, by heads that each split fits anew.

python -m benchmarks.chosen_lead    # about two minutes of one core

Nine ridge regressions are the heads; each lacks another of features that matter equally. Each world
draws rows, splits them as a comparison does, chooses a head by the validation rows, and measures its
lead over the reference on the test rows. Its true lead is the mean over all worlds of that on 4,000
other rows. Each case is a row of results/benchmarks/chosen_lead.csv and is not computed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import RESULTS, append_rows, stored_rows, write
from mlc.comparing.answer import MARGIN, WORTH
from mlc.comparing.intervals import Part, simultaneous
from mlc.reporting.tables import Table

STORED = RESULTS / "chosen_lead.csv"
# Rows of a world, splits, and whether each split draws its test rows.
CASES = ((300, 6, True), (1500, 6, True), (300, 6, False), (1500, 6, False), (300, 3, True))
_HEADS, _REFERENCE, _PENALTY, _WITHOUT = 9, 4, 20.0, 1e9
_FEATURES, _LABELS, _FRESH, _VALIDATION = 15, 4, 4000, 0.2
_NOISE = 1.5

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What a world says of each head.

    Attributes:
        chosen: the head that validation rows choose.
        leads: mean differences from the reference on test rows, (heads,).
        fresh: the same on fresh rows, (heads,).
        half_widths: of the intervals, (heads,); 0 for the reference.
    """

    chosen: int
    leads: Floats
    fresh: Floats
    half_widths: Floats


def draw(
    rng: np.random.Generator, weights: Floats, n_rows: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Draw features (N, D) and label sets (N, K) that a linear model explains in part."""
    features = rng.normal(size=(n_rows, _FEATURES))
    noise = _NOISE * rng.normal(size=(n_rows, _LABELS))
    return features, features @ weights + noise > 0.5


def jaccard(decisions: NDArray[np.bool_], targets: NDArray[np.bool_]) -> Floats:
    """The Jaccard index of each row: (heads, N, K) and (N, K) to (heads, N)."""
    both = (decisions & targets).sum(axis=-1)
    either = (decisions | targets).sum(axis=-1)
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def fit(features: Floats, targets: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Ridge regressions, each without one feature: weights (heads, D, K) and intercepts (K,)."""
    centred = targets - targets.mean(axis=0)
    gram, moments = features.T @ features, features.T @ centred
    penalties = _PENALTY + _WITHOUT * np.eye(_HEADS, _FEATURES)
    penalised = gram + penalties[:, :, None] * np.eye(_FEATURES)
    return np.linalg.solve(penalised, moments[None]), targets.mean(axis=0)


def splits_of(
    rng: np.random.Generator, n_rows: int, n_splits: int, redrawn: bool
) -> list[tuple[Rows, Rows, Rows]]:
    """Training, validation and test rows of each split."""
    n_test = round(n_rows / n_splits)
    n_val = round(_VALIDATION * (n_rows - n_test))
    fixed = np.arange(n_test)
    splits = []
    for _ in range(n_splits):
        order = rng.permutation(n_rows)
        test = np.sort(order[:n_test]) if redrawn else fixed
        others = order[~np.isin(order, test)]
        splits.append((others[n_val:], others[:n_val], test))
    return splits


def world_of(rng: np.random.Generator, weights: Floats, case: tuple[int, int, bool]) -> World:
    """Draw a world, fit all heads on each split, choose one, and measure its lead."""
    n_rows, n_splits, redrawn = case
    features, targets = draw(rng, weights, n_rows)
    new, new_targets = draw(rng, weights, _FRESH)
    parts: list[list[Part]] = [[] for _ in range(_HEADS)]
    on_validation, on_fresh = [], []
    splits = splits_of(rng, n_rows, n_splits, redrawn)
    for train, validation, test in splits:
        slopes, intercepts = fit(features[train], targets[train])

        def values(x: Floats, y: NDArray[np.bool_]) -> Floats:
            return jaccard(x @ slopes + intercepts >= 0.5, y)  # noqa: B023

        on_validation.append(values(features[validation], targets[validation]).mean(axis=1))
        on_fresh.append(values(new, new_targets).mean(axis=1))
        for head, of_rows in enumerate(values(features[test], targets[test])):
            parts[head].append(Part(test, of_rows))
    train, _, test = splits[0]
    gaps = simultaneous(
        {str(head): of_head for head, of_head in enumerate(parts)},
        str(_REFERENCE),
        overlap=len(test) / len(train) if redrawn else 0.0,
    )
    by_validation, fresh = np.mean(on_validation, axis=0), np.mean(on_fresh, axis=0)
    best = int(by_validation.argmax())
    is_worth = by_validation[best] - by_validation[_REFERENCE] > WORTH * MARGIN
    pairs = [gaps.get(str(head)) for head in range(_HEADS)]
    return World(
        best if is_worth else _REFERENCE,
        np.array([0.0 if gap is None else gap.mean for gap in pairs]),
        fresh - fresh[_REFERENCE],
        np.array([0.0 if gap is None else gap.half_width for gap in pairs]),
    )


def simulated(case: tuple[int, int, bool], n_worlds: int) -> dict[str, object]:
    """Simulate a case and return its row."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(_FEATURES, _LABELS))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    worlds = [world_of(rng, weights, case) for _ in range(n_worlds)]
    true = np.mean([world.fresh for world in worlds], axis=0)
    others = np.arange(len(true)) != _REFERENCE
    holds = [np.abs(world.leads - true)[others] <= world.half_widths[others] for world in worlds]
    leads = np.stack([world.leads for world in worlds])[:, others]
    n_rows, n_splits, redrawn = case
    return {
        "rows": n_rows, "splits": n_splits, "test_rows": "redrawn" if redrawn else "shared",
        "worlds": n_worlds, "largest_true_lead": round(float(true.max()), 4),
        "measured_lead": round(float(np.mean([w.leads[w.chosen] for w in worlds])), 4),
        "true_lead": round(float(np.mean([true[w.chosen] for w in worlds])), 4),
        "all_hold": round(float(np.mean([each.all() for each in holds])), 4),
        "half_width": round(float(np.mean([w.half_widths[others].mean() for w in worlds])), 4),
        "deviation": round(float(leads.std(axis=0).mean()), 4),
    }  # fmt: skip


def table(rows: Sequence[dict[str, str]]) -> Table:
    """The mean lead of the chosen head as measured and in truth, and the intervals of all heads."""
    lines = [
        [
            f"{int(row['rows']):,}", row["splits"], row["test_rows"],
            f"{float(row['measured_lead']):.4f}", f"{float(row['true_lead']):.4f}",
            f"{float(row['measured_lead']) - float(row['true_lead']):.4f}",
            f"{float(row['all_hold']):.2f}", f"{float(row['half_width']):.3f}",
            f"{float(row['deviation']):.3f}",
        ]
        for row in rows
    ]  # fmt: skip
    header = [
        "rows", "splits", "test rows", "measured lead", "true lead", "too much",
        "all intervals hold", "half-width", "standard deviation",
    ]  # fmt: skip
    return Table(header, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the cases that are missing, and write the table."""
    parser = argparse.ArgumentParser(description="Simulate the lead of the chosen head.")
    parser.add_argument("--worlds", type=int, default=1000)
    n_worlds = parser.parse_args(arguments).worlds
    stored = {(row["rows"], row["splits"], row["test_rows"]) for row in stored_rows(STORED)}
    for case in CASES:
        key = str(case[0]), str(case[1]), "redrawn" if case[2] else "shared"
        if key not in stored:
            append_rows(STORED, [simulated(case, n_worlds)])
            print(*key, flush=True)
    rows = stored_rows(STORED)
    text = (
        f"{_HEADS} ridge regressions, fitted on the training rows of each split;"
        f" {rows[0]['worlds']} worlds of each case. The chosen head's mean lead on the test rows, and in"
        " truth; the worlds in which all intervals hold the true differences; their mean half-width"
        " beside the standard deviation of a measured difference."
    )
    write(
        "chosen_lead", "The lead of the chosen head", "python -m benchmarks.chosen_lead",
        [(text, table(rows))],
    )  # fmt: skip


if __name__ == "__main__":
    main()
