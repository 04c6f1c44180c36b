"""Metrics of predictions, as scikit-learn defines them."""

from mlc.metrics.counts import COUNT_METRICS, CountMetric, register_metric

__all__ = ["COUNT_METRICS", "CountMetric", "register_metric"]
