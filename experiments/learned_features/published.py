"""Published values on the same splits, and the levels that were to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from experiments.harness import Finding
from experiments.league.published import Published
from experiments.learned_features.studies import PRECISION
from experiments.learned_features.tuned import (
    NOT_MEASURED,
    TITLES,
    best_by_precision,
    best_pair,
    values_of,
)
from mlc.reporting.statistics import Interval
from mlc.reporting.tables import Table

_AITLAS = "AiTLAS Benchmark Arena, README (TIFF images; here re-saved as JPEG)"
_MONOLOGG = "monologg/GoEmotions-pytorch, README"
_SAMLOWE = "SamLowe/roberta-base-go_emotions, model card"


# `data` begins the names of studies.
PUBLISHED = (
    Published("ucmerced", PRECISION, "AlexNet, fine-tuned", 0.926, _AITLAS),
    Published("ucmerced", PRECISION, "EfficientNetB0, fine-tuned", 0.954, _AITLAS),
    Published("ucmerced", PRECISION, "Swin-T, fine-tuned", 0.968, _AITLAS),
    Published("goemotions", "f1_macro", "BERT-base, fine-tuned, threshold 0.3", 0.503, _MONOLOGG),
    Published("goemotions", "f1_micro", "RoBERTa-base, fine-tuned, threshold 0.5", 0.585, _SAMLOWE),
    Published(
        "goemotions", "subset_accuracy", "RoBERTa-base, fine-tuned, threshold 0.5", 0.474, _SAMLOWE
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Level:
    """A test value that was to be reached, on any features of the data set or on those of one study."""

    data: str
    metric: str
    value: float
    study: str | None = None


LEVELS = (
    Level("ucmerced", PRECISION, 0.945, "ucmerced_frozen"),
    Level("ucmerced", "jaccard_samples", 0.79, "ucmerced_frozen"),
    Level("goemotions", "jaccard_samples", 0.52),
    Level("goemotions", "subset_accuracy", 0.47),
    Level("goemotions", "f1_macro", 0.42),
)


@dataclass(frozen=True)
class Reached:
    """The features, head and rule that are best on validation rows, and their test value."""

    study: str
    pair: str
    test: Interval


def reached(
    kinds: Mapping[str, pd.DataFrame], data: str, metric: str, study: str | None = None
) -> Reached | None:
    """Return what is best on validation rows; None if nothing was measured.

    Of several kinds of features, the kind is chosen on validation rows too.
    """
    names = [name for name in kinds if (name == study if study else name.startswith(data))]
    best, highest = None, -1.0
    for name in names:
        rows = kinds[name]
        if metric == PRECISION:
            head, test = best_by_precision(rows)
            runs = rows[rows["head"] == head].drop_duplicates("run")
            value, pair = float(runs.groupby("seed")[f"val/{metric}"].max().mean()), head
        else:
            head, rule, test = best_pair(rows, metric)
            chosen = rows[(rows["head"] == head) & (rows["rule"] == rule)]
            value = float(chosen.groupby("seed")[f"val_{metric}"].max().mean())
            pair = f"{head}, {rule}"
        if value > highest:
            best, highest = Reached(name, pair, test), value
    return best


# Predictions on two studies: the second is ahead of the first by at least this much.
AHEAD = (
    ("ucmerced_frozen", "ucmerced_fine_tuned", PRECISION, 0.005),
    ("ucmerced_cnn", "ucmerced_frozen", PRECISION, 0.1),
    ("goemotions_words", "goemotions_frozen", "jaccard_samples", 0.02),
    ("reuters_frozen", "reuters_words", "jaccard_samples", 0.01),
)


def findings_on_features(kinds: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Compare the best pairs of two kinds of features, chosen on validation rows."""
    findings = []
    for first, second, metric, least in AHEAD:
        best = [reached(kinds, name, metric, name) for name in (first, second)]
        measured = "; ".join(f"{TITLES[b.study]} {b.test}" for b in best if b is not None)
        low, high = best
        findings.append(
            Finding(
                f"by {metric} {TITLES[second]} is at least {least:g} ahead of {TITLES[first]}",
                measured or NOT_MEASURED,
                None if low is None or high is None else high.test.mean - low.test.mean >= least,
            )
        )
    return findings


def published_table(kinds: Mapping[str, pd.DataFrame]) -> Table:
    """Return each published value beside the best of each kind of features, and sigmoid's."""
    lines = []
    for published in PUBLISHED:
        for name in kinds:
            if not name.startswith(published.data):
                continue
            found = reached(kinds, published.data, published.metric, name)
            assert found is not None
            sigmoid = (
                "-"
                if published.metric == PRECISION
                else str(values_of(kinds[name], "fixed", published.metric))
            )
            lines.append(
                [published.metric, published.method, TITLES[name], found.pair,
                 f"{published.value:.3f}", str(found.test), sigmoid, published.source]
            )  # fmt: skip
    header = [
        "metric", "published", "here", "chosen on validation", "published value", "its value",
        "sigmoid at 0.5", "source",
    ]  # fmt: skip
    return Table(header, lines, 4)


def levels_table(kinds: Mapping[str, pd.DataFrame]) -> Table:
    """Return each level, what was reached, and by what."""
    lines = []
    for level in LEVELS:
        found = reached(kinds, level.data, level.metric, level.study)
        cells = (
            [NOT_MEASURED, "-", "-", "-"]
            if found is None
            else [
                TITLES[found.study], found.pair, str(found.test),
                "yes" if found.test.mean >= level.value else "**no**",
            ]
        )  # fmt: skip
        lines.append([level.data, level.metric, f"{level.value:.3f}", *cells])
    return Table(
        ["data", "metric", "to reach", "features", "chosen on validation", "test", "reached"],
        lines,
        2,
    )
