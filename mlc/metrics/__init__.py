"""What a prediction is worth, by the definitions of scikit-learn."""

from mlc.metrics.counts import COUNT_METRICS, CountMetric, register_metric

__all__ = ["COUNT_METRICS", "CountMetric", "register_metric"]
