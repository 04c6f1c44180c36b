"""The columns of TensorBoard's HParams page and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlc.tracking.events import Value

# TensorBoard sorts the columns by name and shows the names stripped: leading spaces put the data
# set, the head and the swept settings before the seed.
_DATA, _HEAD, _SWEPT, SEED = "   data", "  head", " ", "seed"


def hyperparameters(
    data: str, head: str, seed: int, settings: Mapping[str, str]
) -> dict[str, Value]:
    """Return the values of a run on the HParams page, by column.

    Args:
        data: name of the data set.
        head: name of the head.
        seed: of the run.
        settings: other overrides as text by key; text that is a number becomes one.
    """
    swept = {f"{_SWEPT}{key}": _number_or_text(value) for key, value in settings.items()}
    return {_DATA: data, _HEAD: head, **swept, SEED: seed}


def varying(
    runs: Sequence[Mapping[str, Value]], *, is_complete: bool = True
) -> dict[str, list[Value]]:
    """Return the columns in which runs differ, with their values; head and seed if there are none.

    Head and seed are always included while the sweep is incomplete: further values may follow.
    """
    keys = sorted({key for run in runs for key in run})
    values = {key: [run[key] for run in runs if key in run] for key in keys}
    differing = {
        key: column
        for key, column in values.items()
        if len(set(column)) > 1
        or len(column) < len(runs)
        or (key in (_HEAD, SEED) and not is_complete)
    }
    return differing or {key: values[key] for key in (_HEAD, SEED)}


def _number_or_text(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text
