"""The numbers of the front page."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.chosen import configured
from experiments.equal_budgets.findings import JOINT
from experiments.equal_budgets.forest import SHOWN
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.tables import Gains
from experiments.league.standings import means
from mlc.reporting.statistics import mean_interval

_METRIC, _EXACT = "jaccard_samples", "subset_accuracy"
_FIXED = "fixed"
_NOT_MEASURED = "not measured"


def behind_best(chosen: pd.DataFrame) -> pd.Series:
    """Return by data set how far sigmoid is behind the best head, looked up on the test rows."""
    values = means(chosen, _METRIC)
    heads = [head for head in values.index if head not in BASELINES]
    return values.loc[heads].max() - values.loc[REFERENCE]


def sigmoid_behind(chosen: pd.DataFrame) -> str:
    """Describe by how much sigmoid is behind the best head of each data set."""
    return ", ".join(f"{data} {value:.3f}" for data, value in behind_best(chosen).items())


def rule_loss(rows: pd.DataFrame, chosen: pd.DataFrame) -> pd.Series:
    """Return by data set what sigmoid loses at a threshold of 0.5, by Jaccard index.

    The configuration at 0.5 is the one that the search chooses with this threshold alone; where it has
    no reported seeds, that of `chosen`, with which the loss is too large.

    Args:
        rows: the stored rows.
        chosen: of the configuration and rule of each contestant, as `tuned` returns them.
    """
    of_head = rows[rows["head"] == REFERENCE]
    at_half = of_head[of_head["rule"] == _FIXED]
    fixed = {data: of_number for data, _, of_number in configured(of_head, _METRIC)}
    fixed |= {data: of_number for data, _, of_number in configured(at_half, _METRIC)}
    values = {
        data: each.loc[each["rule"] == _FIXED, _METRIC].mean() for data, each in fixed.items()
    }
    return means(chosen, _METRIC).loc[REFERENCE] - pd.Series(values)


def baselines_first(chosen: pd.DataFrame) -> dict[str, str]:
    """Describe where a baseline has the highest Jaccard index, and by how much more than every head."""
    values = means(chosen, _METRIC)
    of_heads = values[~values.index.isin(BASELINES)].max()
    lead = values[values.index.isin(BASELINES)] - of_heads
    first = [
        f"{of_data.idxmax()} on {data} {of_data.max():+.3f}"
        for data, of_data in lead.items()
        if of_data.max() > 0
    ]
    return {
        "baselines_first": ", ".join(first) or "none",
        "baselines_first_on": f"{len(first)} of {lead.shape[1]}",
    }


def front_numbers(
    rows: pd.DataFrame, chosen: pd.DataFrame, found: Mapping[str, Gains]
) -> dict[str, str]:
    """Return the quoted numbers by name, from the arguments of `rule_loss` and the gains by metric."""
    behind, loss = behind_best(chosen), rule_loss(rows, chosen)
    return {
        "behind_most": f"{behind.max():.3f} ({behind.idxmax()})",
        "behind_mean": str(mean_interval(behind)),
        "rule_loss": str(mean_interval(loss)),
        "rule_loss_median": f"{loss.median():.3f}",
        "rule_loss_by_data": ", ".join(f"{data} {value:.3f}" for data, value in loss.items()),
        "rule_loss_range": f"{loss.min():.3f} ({loss.idxmin()}) to {loss.max():.3f} ({loss.idxmax()})",
        "rule_over_head": f"{(loss > behind).sum()} of {len(loss)}",
        **baselines_first(chosen),
        **_gains(found),
    }


def _joint_ahead(found: Gains) -> str:
    """Describe which joint heads find more exact sets than sigmoid beyond the interval, and where."""
    ahead = [
        f"{head} on {data} {of_data[head].signed()}"
        for data, of_data in found.by_data.items()
        for head in JOINT
        if head in of_data and of_data[head].low > 0
    ]
    return ", ".join(ahead) or "none"


def _gains(found: Mapping[str, Gains]) -> dict[str, str]:
    texts = {}
    if _METRIC in found:
        texts["n_contestants"] = str(len(found[_METRIC].pooled))
        for head in SHOWN:
            pooled = found[_METRIC].pooled.get(head)
            texts[f"pooled_{head}"] = _NOT_MEASURED if pooled is None else pooled.signed()
            for data, of_data in found[_METRIC].by_data.items():
                if head in of_data:
                    texts[f"gain_{head}_{data.replace('-', '_')}"] = of_data[head].signed()
    if _EXACT in found:
        for head in SHOWN:
            gains = [of_data[head] for of_data in found[_EXACT].by_data.values() if head in of_data]
            ahead = sum(gain.low > 0 for gain in gains)
            texts[f"exact_ahead_{head}"] = f"{ahead} of {len(gains)}"
        texts["joint_exact_ahead"] = _joint_ahead(found[_EXACT])
    return texts
