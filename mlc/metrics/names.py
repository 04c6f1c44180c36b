"""Names and directions of all metrics that runs store, without torch."""

from __future__ import annotations

from mlc.config.registry import METRICS

AT_K = (1, 3, 5)
# Metrics without a decision rule, by whether a higher value is better.
SCORE_METRICS = {
    "lrap": True, "coverage_error": False, "ranking_loss": False, "brier": False, "ece": False,
    "average_precision_macro": True, "roc_auc_macro": True, "one_error": False, "nll": False,
    **{f"{name}_at_{k}": True for k in AT_K for name in ("precision", "recall")},
    **{f"{name}_at_{k}": True for k in AT_K for name in ("ndcg", "psprecision", "psndcg")},
}  # fmt: skip
# Values that are neither good nor bad: of the label sets, then of the scores.
CARDINALITY = "cardinality_predicted"
COUNTED = ("average_precision_labels", "roc_auc_labels")


# Metrics without an upper bound; all others lie between 0 and 1.
UNBOUNDED = ("coverage_error", "nll", CARDINALITY, *COUNTED)


def largest_difference(metric: str) -> float:
    """Return the largest possible difference of two values of the metric."""
    return float("inf") if metric in UNBOUNDED else 1.0


def stored_metrics() -> list[str]:
    """Return the names of all metrics that a run stores, the metrics of label sets first."""
    return [*METRICS, CARDINALITY, *SCORE_METRICS, *COUNTED]


def metric_sign(metric: str) -> int:
    """Return 1 if more of the metric is better, -1 if less is, and 0 if neither.

    Raises:
        ConfigError: there is no such metric.
    """
    if metric in (CARDINALITY, *COUNTED):
        return 0
    if metric in SCORE_METRICS:
        return 1 if SCORE_METRICS[metric] else -1
    return 1 if METRICS[metric].higher_is_better else -1
