"""Check of a launch's means against those that an experiment gives on other machines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlc.config.errors import ConfigError
from mlc.config.schema import config_folder
from mlc.config.texts import cause
from mlc.reporting.collect import Results
from mlc.runs.provenance import NOT_IDENTITY

_COLUMNS = ["data", "head", "rule", "metric", "seeds", "mean", "tolerance"]
_KEY = ["data", "head", "rule"]
# Settings with which the means are still those of the table: each rule decides by itself.
_SAME_NUMBERS = (*NOT_IDENTITY, "decisions")


def expected_table(name: str) -> Path:
    """Return the path of a table of `conf/expected` by its name, or a path that ends in .csv itself."""
    return Path(name) if name.endswith(".csv") else config_folder() / "expected" / f"{name}.csv"


def check_expected(results: Results, name: str) -> str:
    """Compare means over seeds with those of a table; return one sentence.

    Nothing is compared if the runs override settings that may change their numbers.

    Args:
        results: the runs of the launch.
        name: the table's name in `conf/expected`, or the path of a CSV with the columns data, head,
            rule, metric, seeds (numbers with spaces), mean and tolerance.

    Raises:
        ConfigError: the table cannot be read, or lacks a column.
    """
    path, table = expected_table(name), read_expected(name)
    named = f"the expected table ({path.name})"
    settings = [key for key in results.overrides if key not in _SAME_NUMBERS]
    if settings:
        return f"Not compared with {named}: this launch has settings of its own ({', '.join(settings)})."
    differences = _differences(results.runs, table)
    if differences.empty:
        return f"Not compared with {named}: no head has all of its seeds."
    outside = differences[~(differences["gap"].abs() <= differences["tolerance"])]
    if outside.empty:
        # The mean that is nearest to its tolerance tells more than the largest difference.
        closest = differences.loc[(differences["gap"].abs() / differences["tolerance"]).idxmax()]
        return (
            f"As expected: all {len(differences)} means are within the tolerances of {path.name},"
            f" which cover other processors (closest to its tolerance: {_words(closest)})."
        )
    worst = outside.loc[(outside["gap"].abs() / outside["tolerance"]).fillna(float("inf")).idxmax()]
    return (
        f"Not as expected: {len(outside)} of {len(differences)} means are outside the tolerances of"
        f" {path.name}, which cover other processors; the worst is {_words(worst)}. Other versions of"
        " torch or changed code are the usual reasons."
    )


def read_expected(name: str) -> pd.DataFrame:
    """Return an expected table; "seeds" are lists of numbers.

    Raises:
        ConfigError: the table cannot be read, or lacks a column.
    """
    path = expected_table(name)
    cure = "name a table of conf/expected or the path of such a CSV, or set it to null"
    try:
        table = pd.read_csv(path, encoding="utf-8", dtype={"seeds": str})
        missing = [column for column in _COLUMNS if column not in table.columns]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        table["seeds"] = [[int(seed) for seed in text.split()] for text in table["seeds"]]
        return table.astype({"mean": float, "tolerance": float})
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"report.expected={name}: {path} cannot be read ({cause(error)}): {cure}."
        ) from error


def _differences(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table whose seeds have all been run, with "value" and "gap"."""
    rows = []
    for row in table.to_dict("records"):
        of_row = (runs[_KEY] == [row[column] for column in _KEY]).all(axis=1)
        values = runs[of_row].drop_duplicates("seed").set_index("seed")
        if row["metric"] not in values or not set(row["seeds"]) <= set(values.index):
            continue
        value = values.loc[row["seeds"], row["metric"]].mean(skipna=False)
        rows.append({**row, "value": value, "gap": value - row["mean"]})
    return pd.DataFrame(rows, columns=[*_COLUMNS, "value", "gap"])


def _words(row: pd.Series) -> str:
    return (
        f"{row['metric']} of {row['head']} by {row['rule']}, {row['value']:.4f} for {row['mean']:.4f}"
        f" ±{row['tolerance']:.4f}"
    )
