"""The choices that follow from the stored rows: a configuration and a rule for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from typing import Any

import numpy as np
import pandas as pd

from experiments.equal_budgets.rules import CHOSEN_AMONG
from experiments.equal_budgets.runs import METRICS, NO_RULE
from experiments.equal_budgets.spaces import at_edge
from experiments.equal_budgets.studies import CONFIRM, SEARCH, choice, contestants, spaces_of
from mlc.metrics.counts import COUNT_METRICS
from mlc.search.choice import choosable

_ALLOWED = (*CHOSEN_AMONG, "constant")
_CHOICE = ["data", "head", "number", "rule"]


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the data sets on which all contestants are measured."""
    if rows.empty:
        return rows
    heads = rows.groupby("data")["head"].agg(set)
    done = [data for data, names in heads.items() if names >= set(contestants(str(data)))]
    return rows[rows["data"].isin(done)]


def tuned(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of the chosen configuration and rule of each head: one for each reported seed."""
    keys = [(*contestant, *choice) for contestant, choice in settled(rows, metric).items()]
    wanted = pd.DataFrame(keys, columns=_CHOICE).astype(rows[_CHOICE].dtypes)
    return wanted.merge(_of(rows, CONFIRM), on=_CHOICE)[list(rows.columns)]


def settled(
    rows: pd.DataFrame, metric: str
) -> dict[tuple[str, str], tuple[int | None, str | None]]:
    """Return the number of the chosen configuration and the chosen rule, by data set and head.

    The configuration is chosen by the seeds of the search, the rule by the reported seeds, both by the
    mean of the metric over their validation rows.
    """
    rules = best_by(["data", "head", "number"], _of(rows, CONFIRM), metric)
    return {
        contestant: rules[*contestant, number]
        for contestant, number in chosen_numbers(rows, metric).items()
        if (*contestant, number) in rules
    }


def configured(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each data set and head with the reported rows of its chosen configuration, all rules."""
    reported = dict(iter(_of(rows, CONFIRM).groupby(["data", "head", "number"], sort=False)))
    for (data, head), number in chosen_numbers(rows, metric).items():
        if (data, head, number) in reported:
            yield data, head, reported[data, head, number]


def chosen_numbers(rows: pd.DataFrame, metric: str) -> dict[tuple[str, str], int | None]:
    """Return the number of the configuration with the best mean validation value in the search.

    Returns:
        By data set and head; 0 for a contestant that has nothing to search.
    """
    contestants = rows[["data", "head"]].drop_duplicates().itertuples(index=False, name=None)
    found = best_by(["data", "head"], _of(rows, SEARCH), metric)
    return {key: found[key][0] if key in found else 0 for key in contestants}


def _of(rows: pd.DataFrame, phase: str) -> pd.DataFrame:
    return rows[rows["phase"] == phase]


def best_by(
    keys: list[str], rows: pd.DataFrame, metric: str
) -> dict[Any, tuple[int | None, str | None]]:
    """Return what `choice` chooses in each group of rows, by arrays in place of data frames.

    Where a run has failed, `choice` itself is called.

    Args:
        keys: the columns whose values make a group.
        rows: of contestants.
        metric: of the validation rows.
    """
    key = keys if len(keys) > 1 else keys[0]
    groups = rows.groupby(key, sort=False).indices
    codes, found_names = pd.factorize(rows["rule"])
    names = [str(name) for name in found_names]
    is_allowed = np.isin(names, _ALLOWED)[codes]
    numbers = rows["number"].to_numpy()
    values = rows[f"val_{metric}"].to_numpy(dtype=float)
    found: dict[Any, Any] = {}
    for group, members in groups.items():
        index = members[is_allowed[members]]
        index = index[np.argsort(numbers[index], kind="stable")]
        best = _best_of(numbers[index], codes[index], names, values[index], metric)
        found[group] = best
        if best is None:
            chosen = choice(rows.iloc[members], "", "", metric)
            found[group] = chosen.trial, chosen.rule
    return found


def _best_of(
    number: np.ndarray, rule: np.ndarray, names: Sequence[str], values: np.ndarray, metric: str
) -> tuple[int, str] | None:
    """Return the chosen number and rule of one contestant, or None if a run has failed.

    Args:
        number: of each value's configuration.
        rule: of each value, as an index of `names`.
        names: of the rules.
        values: of the metric, on validation rows.
        metric: its name.
    """
    numbers, row = np.unique(number, return_inverse=True)
    # The rules in the order in which they occur; so few values take longer in arrays.
    codes = rule.tolist()
    columns = {code: index for index, code in enumerate(dict.fromkeys(codes))}
    column = np.array([columns[code] for code in codes], dtype=np.intp)
    rules = [names[code] for code in columns]
    counts, sums = np.zeros((2, len(numbers), len(rules)))
    np.add.at(counts, (row, column), 1)
    np.add.at(sums, (row, column), values)
    if not (np.isfinite(values).all() and counts.size and (counts == counts.flat[0]).all()):
        return None
    means = COUNT_METRICS[metric].sign * sums / counts
    first = [_first_best(of_rule) for of_rule in means.T.tolist()]
    allowed = choosable(rules, metric)
    # The rules in the order of their best configurations, as in `choice`.
    order = sorted((i for i in range(len(rules)) if rules[i] in allowed), key=lambda i: first[i])
    index = order[_first_best([float(means[first[i], i]) for i in order])]
    return int(numbers[first[index]]), rules[index]


def _first_best(values: Sequence[float]) -> int:
    """Return the first index whose value is the largest, up to rounding."""
    largest = max(values)
    return next(
        index
        for index, value in enumerate(values)
        if isclose(value, largest, rel_tol=1e-9, abs_tol=1e-12)
    )


def edges(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of values at an edge of their space, by option.

    Returns:
        A row for each option with the number of `choices` (data set, head, metric; the defaults have no
        drawn value and are left out), the shares "chosen" and "drawn" at an edge, and "low" and "high",
        the chosen at either end.
    """
    counted = []
    chosen = {metric: chosen_numbers(rows, metric) for metric in METRICS}
    searched = rows[(rows["phase"] == SEARCH) & (rows["rule"] == NO_RULE)]
    for (data, head), runs in searched.groupby(["data", "head"], sort=False):
        settings = {
            int(number): dict(pair.split("=", 1) for pair in str(text).split(" "))
            for number, text in zip(runs["number"], runs["settings"], strict=True)
            if isinstance(text, str) and text
        }
        spaces = spaces_of(str(head))
        sides = {number: at_edge(spaces, values) for number, values in settings.items()}
        for of_metric in chosen.values():
            number = of_metric[str(data), str(head)]
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
