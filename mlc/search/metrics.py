"""The metrics by which a search may choose: those of the validation rows."""

from __future__ import annotations

from mlc.config.errors import ConfigError
from mlc.config.options import suggestion
from mlc.config.registry import METRICS
from mlc.metrics.names import SCORE_METRICS, metric_sign

LOSS = "loss"


def validation_metrics() -> list[str]:
    """Return the names of all metrics of the validation rows that have a better and a worse value."""
    return [LOSS, *METRICS, *SCORE_METRICS]


def needs_rule(metric: str) -> bool:
    """Return whether the metric evaluates label sets, so that each decision rule has its own value."""
    return metric in METRICS


def higher_is_better(metric: str) -> bool:
    """Return whether a higher value of the metric is better.

    Raises:
        ConfigError: the metric is not one of the validation rows.
    """
    require_validation_metric("metric", metric)
    return metric != LOSS and metric_sign(metric) > 0


def require_validation_metric(key: str, metric: str) -> None:
    """Raise ConfigError unless the metric is one of the validation rows.

    Args:
        key: the option that names the metric, for the message.
        metric: the name, without the part of the data.
    """
    known = validation_metrics()
    if metric in known:
        return
    if metric.split("/")[0].split("_")[0] == "test":
        raise ConfigError(
            f"{key}={metric} would choose by the test rows: name a metric of the validation rows,"
            f" as in {key}={known[1]}."
        )
    raise ConfigError(
        f"{key}={metric} is not a metric of the validation rows: {suggestion(metric, known)}choose one"
        f" of {', '.join(known)}."
    )
