"""What a prediction is worth: in torch for the validation loop, from scikit-learn in the end."""

from mlc.metrics.counts import COUNT_METRICS, CountMetric
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.metrics.sweep import ThresholdSweep, best_threshold, sweep_thresholds

__all__ = [
    "COUNT_METRICS",
    "CountMetric",
    "ThresholdSweep",
    "best_threshold",
    "decision_metrics",
    "ranking_metrics",
    "sweep_thresholds",
]
