"""What a prediction is worth, by the definitions of scikit-learn."""

from mlc.metrics.counts import COUNT_METRICS, CountMetric
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.metrics.sweep import SortedScores, ThresholdSweep, best_threshold, first_best

__all__ = [
    "COUNT_METRICS",
    "CountMetric",
    "SortedScores",
    "ThresholdSweep",
    "best_threshold",
    "decision_metrics",
    "first_best",
    "ranking_metrics",
]
