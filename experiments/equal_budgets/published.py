"""Published results on the same test rows, beside the contestants' values of the same metric."""

from __future__ import annotations

import pandas as pd

from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.chosen import tuned
from experiments.equal_budgets.runs import METRICS
from experiments.league.published import PUBLISHED, Published
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

_BPMLL = "hinanmu/BPMLL, README.md (Mulan's parts, data_process.py)"
# Its accuracy is the Jaccard index of a sample, as multilabel_structured_prediction.ipynb defines it.
_SHOGUN = "abinashpanda/multilabel_classification_benchmark, benchmarks.md (LIBSVM's parts)"
ALL_PUBLISHED = (
    *PUBLISHED,
    Published("yeast", "hamming_loss", "BP-MLL", 0.248, _BPMLL),
    Published("yeast", "jaccard_samples", "one linear SVM a label, scikit-learn", 0.498, _SHOGUN),
    Published("yeast", "jaccard_samples", "structured SVM of label pairs", 0.500, _SHOGUN),
    Published("scene", "jaccard_samples", "one linear SVM a label, scikit-learn", 0.576, _SHOGUN),
    Published("scene", "jaccard_samples", "structured SVM of label pairs", 0.582, _SHOGUN),
)  # fmt: skip
# The metric by which configuration and rule are chosen where it is none of METRICS.
_CHOSEN_BY = {"f1_samples": "jaccard_samples"}


def published_table(rows: pd.DataFrame, published: tuple[Published, ...] = ALL_PUBLISHED) -> Table:
    """Return each value beside those of sigmoid and of the best head on validation rows."""
    lines = []
    for each in published:
        metric = each.metric if each.metric in METRICS else _CHOSEN_BY[each.metric]
        of_data = rows[(rows["data"] == each.data) & ~rows["head"].isin(BASELINES)]
        cells = ["-", "-", "-"]
        if len(of_data):
            by_head = tuned(of_data, metric).groupby("head")
            validation = by_head[f"val_{metric}"].mean()
            sign = COUNT_METRICS[metric].sign
            best = str((sign * validation).idxmax())
            values = {
                head: str(mean_interval(by_head.get_group(head)[each.metric]))
                for head in ("sigmoid", best)
            }
            cells = [values["sigmoid"], best, values[best]]
        lines.append(
            [each.data, each.metric, each.method, f"{each.value:.3f}", *cells, each.source]
        )
    header = [
        "data", "metric", "published", "its value", "sigmoid", "best on validation", "its value",
        "source",
    ]  # fmt: skip
    return Table(header, lines, 3)
