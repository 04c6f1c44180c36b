"""Published results on the same test rows, beside the heads' values of the same metric."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from experiments.harness import Trainings, Trial
from experiments.league.baselines import NAME as BASELINE
from experiments.league.standings import select
from experiments.league.studies import METRICS
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

_N_SEEDS = 3
# Sigmoids, and the heads with the best average ranks by jaccard_samples.
HEADS = ("sigmoid", "pairwise", "chain", "bernoulli_mixture")
_TUTORIAL = "scikit-multilearn, docs/source/tutorial.ipynb"
_README = "philqc/deep-value-networks-pytorch, README.md"


@dataclass(frozen=True)
class Published:
    """A value that its source reports on the published test part."""

    data: str
    metric: str
    method: str
    value: float
    source: str


PUBLISHED = (
    Published("emotions", "hamming_loss", "one RBF SVM a label", 0.265, _TUTORIAL),
    Published("emotions", "subset_accuracy", "one RBF SVM a label", 0.144, _TUTORIAL),
    Published(
        "scene", "hamming_loss", "one naive Bayes a label", 0.147,
        "scikit-multilearn, docs/source/meka.ipynb",
    ),
    Published(
        "bibtex", "f1_samples", "network with sigmoids", 0.389,
        f"Belanger and McCallum 2016, as quoted in {_README}",
    ),
    Published(
        "bibtex", "f1_samples", "structured prediction energy network", 0.422,
        f"Belanger and McCallum 2016, as quoted in {_README}",
    ),
    Published(
        "bibtex", "f1_samples", "deep value network", 0.447,
        "Gygli et al. 2017: gyglim/dvn, dvn_tutorial.ipynb",
    ),
)  # fmt: skip


class F1OfSamples(Trainings):
    """Trainings evaluated by the published metric that the league does not store."""

    name = "published"
    experiment = "league"
    metrics = ("f1_samples",)
    max_runs = 20

    def trials(self, budget: str) -> list[Trial]:
        """Return few heads with default settings and one threshold tuned for the metric."""
        if budget == "quick":
            return []
        missing = dict.fromkeys(p.data for p in PUBLISHED if p.metric not in METRICS)
        return [
            {"data": data, "head": head, "decision.global.metric": "f1_samples", "seed": seed}
            for data in missing
            for head in HEADS
            for seed in range(_N_SEEDS)
        ]


def published_table(rows: pd.DataFrame, of_samples: pd.DataFrame) -> Table:
    """Return each value beside those of sigmoid and of the best head on validation rows."""
    lines = []
    for published in PUBLISHED:
        selected = rows if published.metric in METRICS else of_samples
        if len(selected):
            selected = selected[
                (selected["data"] == published.data) & (selected["head"] != BASELINE)
            ]
        cells = ["-", "-", "-"]
        if len(selected):
            tuned = select(selected, published.metric).groupby("head")
            validation = tuned[f"val_{published.metric}"].mean()
            higher = COUNT_METRICS[published.metric].higher_is_better
            best = validation.idxmax() if higher else validation.idxmin()
            test = tuned[published.metric]
            cells = [str(mean_interval(test.get_group(head))) for head in ("sigmoid", best)]
            cells.insert(1, str(best))
        lines.append(
            [published.data, published.metric, published.method, f"{published.value:.3f}", *cells,
             published.source]
        )  # fmt: skip
    header = [
        "data", "metric", "published", "its value", "sigmoid", "best on validation", "its value",
        "source",
    ]  # fmt: skip
    return Table(header, lines, 3)
