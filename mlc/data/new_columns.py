"""What is said of the columns of new rows that differ from those of the training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from mlc.config.errors import DataError
from mlc.config.texts import counted_of, listed, shown, spelled_alike
from mlc.data.locations import location_of
from mlc.data.numerals import Unit


def no_column(name: str, frame: pd.DataFrame, where: str) -> DataError:
    """Build the error for a feature without a column; the name of a column may have the sign = too."""
    column, is_category, _ = name.partition("=")
    lacking = f"{column!r} (or {name!r})" if is_category else repr(name)
    alike = [str(other) for other in frame.columns if spelled_alike(str(other), column)]
    cure = f"rename {alike[0]!r}" if alike else "add it"
    return DataError(f"{where}: there is no column {lacking}, which the training had: {cure}.")


def note_on_new(
    name: str, words: Sequence[str | None], known: Collection[str], where: str
) -> str | None:
    """Warn of values that are none of the categories of the training."""
    rows = [row for row, word in enumerate(words) if word is not None and word not in known]
    if not rows:
        return None
    first = str(words[rows[0]])
    alike = [kind for kind in known if spelled_alike(kind, first)]
    instead = f", where it has {alike[0]!r}" if alike else ""
    have = counted_of(len(rows), len(words), "row", "have")
    return (
        f"Warning: {have} a value of {name!r} that the training has not{instead}, such as"
        f" {shown(first)} in {location_of(where, rows[0])}: it counts as none."
    )


def note_on_empty(names: Sequence[str], n_rows: int) -> str | None:
    """Warn of columns that are empty in all of several rows."""
    if not names or n_rows < 2:
        return None
    named = listed([repr(name) for name in names], 5)
    is_one = len(names) == 1
    columns, are, them = ("column", "is", "it") if is_one else ("columns", "are", "them")
    return (
        f"Warning: the {columns} {named} {are} empty in all {n_rows:,} rows: predictions do without"
        f" {them}."
    )


def note_on_units(found: Iterable[Unit | None]) -> str | None:
    """Note numbers with a unit, which other files must have in the same one."""
    units = [unit.said for unit in found if unit is not None]
    if not units:
        return None
    named = listed(units, 3, 80)
    return f"Units are left out: {named}; rows of other files need the same unit."
