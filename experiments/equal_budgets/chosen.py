"""The choices that follow from the stored rows: a configuration and a rule for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isclose

import numpy as np
import pandas as pd

from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.rules import CHOSEN_AMONG
from experiments.equal_budgets.runs import METRICS, NO_RULE
from experiments.equal_budgets.spaces import at_edge, network_spaces
from experiments.equal_budgets.studies import CONFIRM, SEARCH, choice, contestants
from mlc.config.options import Search
from mlc.metrics.counts import COUNT_METRICS
from mlc.search.choice import choosable

_ALLOWED = (*CHOSEN_AMONG, "constant")


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the data sets on which all contestants are measured."""
    if rows.empty:
        return rows
    heads = rows.groupby("data")["head"].agg(set)
    done = [data for data, names in heads.items() if names >= set(contestants(str(data)))]
    return rows[rows["data"].isin(done)]


def tuned(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of the chosen configuration and rule of each head: one for each reported seed.

    The configuration is chosen by the seeds of the search, the rule by the reported seeds, both by the
    mean of the metric over their validation rows.
    """
    parts = [
        of_number[of_number["rule"] == best(of_number, metric)[1]]
        for data, head, of_number in configured(rows, metric)
    ]
    return pd.concat(parts, ignore_index=True) if parts else rows.iloc[:0]


def configured(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each data set and head with the reported rows of its chosen configuration, all rules."""
    for (data, head), group in rows.groupby(["data", "head"], sort=False):
        number = chosen_number(group, metric)
        reported = (group["phase"] == CONFIRM) & (group["number"] == number)
        if number is not None and reported.any():
            yield str(data), str(head), group[reported]


def chosen_number(group: pd.DataFrame, metric: str) -> int | None:
    """Return the number of the configuration with the best mean validation value in the search."""
    searched = group[group["phase"] == SEARCH]
    return best(searched, metric)[0] if len(searched) else 0


def best(rows: pd.DataFrame, metric: str) -> tuple[int | None, str | None]:
    """Return the number and the rule that `choice` chooses, a hundred times faster.

    Where a run has failed, `choice` itself is called.

    Args:
        rows: of one contestant.
        metric: of the validation rows.
    """
    ruled = rows[rows["rule"].isin(_ALLOWED)].sort_values("number", kind="stable")
    values = ruled[f"val_{metric}"].to_numpy(dtype=float)
    numbers, row = np.unique(ruled["number"].to_numpy(), return_inverse=True)
    column, rules = pd.factorize(ruled["rule"])
    counts, sums = np.zeros((2, len(numbers), len(rules)))
    np.add.at(counts, (row, column), 1)
    np.add.at(sums, (row, column), values)
    if not (np.isfinite(values).all() and counts.size and (counts == counts.flat[0]).all()):
        chosen = choice(rows, "", "", metric)
        return chosen.trial, chosen.rule
    means = COUNT_METRICS[metric].sign * sums / counts
    first = [_first_best(of_rule) for of_rule in means.T]
    allowed = choosable(list(rules), metric)
    # The rules in the order of their best configurations, as in `choice`.
    order = sorted((i for i in range(len(rules)) if rules[i] in allowed), key=lambda i: first[i])
    index = order[_first_best(np.array([means[first[i], i] for i in order]))]
    return int(numbers[first[index]]), str(rules[index])


def _first_best(values: np.ndarray) -> int:
    """Return the first index whose value is the largest, up to rounding."""
    largest = float(values.max())
    return next(
        index
        for index, value in enumerate(values)
        if isclose(value, largest, rel_tol=1e-9, abs_tol=1e-12)
    )


def spaces_of(head: str) -> Mapping[str, Search]:
    """Return the search spaces of a head or baseline."""
    return BASELINES[head].spaces if head in BASELINES else network_spaces(head)


def edges(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of values at an edge of their space, by option.

    Returns:
        A row for each option with the number of `choices` (data set, head, metric; the defaults have no
        drawn value and are left out), the shares "chosen" and "drawn" at an edge, and "low" and "high",
        the chosen at either end.
    """
    counted = []
    for (_, head), group in rows.groupby(["data", "head"], sort=False):
        runs = group[(group["phase"] == SEARCH) & (group["rule"] == NO_RULE)]
        settings = {
            int(number): dict(pair.split("=", 1) for pair in str(text).split(" "))
            for number, text in zip(runs["number"], runs["settings"], strict=True)
            if isinstance(text, str) and text
        }
        spaces = spaces_of(str(head))
        sides = {number: at_edge(spaces, values) for number, values in settings.items()}
        for metric in METRICS:
            number = chosen_number(group, metric)
            if number not in settings:
                continue
            for key in settings[number]:
                drawn = [key in side for side in sides.values()]
                counted.append((key, sides[number].get(key), sum(drawn) / len(drawn)))
    frame = pd.DataFrame(counted, columns=["option", "side", "drawn"])
    by_option = frame.groupby("option", sort=False)
    return pd.DataFrame(
        {
            "choices": by_option.size(),
            "chosen": by_option["side"].agg(lambda side: side.notna().mean()),
            "drawn": by_option["drawn"].mean(),
            "low": by_option["side"].agg(lambda side: (side == "low").mean()),
            "high": by_option["side"].agg(lambda side: (side == "high").mean()),
        }
    )
